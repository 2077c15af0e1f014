"""Finds, recommends and ranks the listings of a marketplace.

In a notebook or a script (docs/python.md):

- `clean_table` turns a table of listings into typed columns, and says which rows it rejects;
- `Predictor` predicts the category and the price of listings with the trained models;
- `Search` searches the listings of the index, finds similar ones and recommends.

Each name is imported when it is first used, so `import market` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from market.api.predicting import Predictor
    from market.api.searching import Search
    from market.api.tables import CleanedTable, clean_table
    from market.core.errors import MarketError

__all__ = ["CleanedTable", "MarketError", "Predictor", "Search", "clean_table"]

_MODULE_OF = {
    "CleanedTable": "market.api.tables",
    "MarketError": "market.core.errors",
    "Predictor": "market.api.predicting",
    "Search": "market.api.searching",
    "clean_table": "market.api.tables",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
