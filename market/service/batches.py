"""Batches of searches: each search of a JSON body as the query of a URL would give it."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from market.core.errors import MarketError
from market.search.attributes import AttributeColumns, Condition
from market.service.attribute_parameters import is_attribute_parameter, parse_conditions
from market.service.errors import describe_faults
from market.service.schemas import LIST_FIELDS, SearchQuery


def parse_search(
    fields: dict[str, Any], columns: AttributeColumns
) -> tuple[SearchQuery, dict[str, Condition]]:
    """Read one search of a batch.

    Parameters
    ----------
    fields
        The parameters of `GET /api/search` by name. A parameter that can be given more than once
        takes a value or a list; null is as good as absent.
    columns
        The attributes of the listings.

    Raises
    ------
    MarketError
        If a parameter is invalid.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    if "variant" in given:
        raise MarketError("variant: a batch cannot choose it: send GET /api/search")
    for name in LIST_FIELDS & given.keys():
        given[name] = _as_list(given[name])
    try:
        query = SearchQuery.model_validate(given)
    except ValidationError as error:
        raise MarketError(describe_faults(error.errors())) from None
    parameters = [
        (name, _as_text(name, value))
        for name, values in given.items()
        if is_attribute_parameter(name)
        for value in _as_list(values)
    ]
    return query, parse_conditions(parameters, columns)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _as_text(name: str, value: Any) -> str:
    """Return a value as a URL would have it."""
    if not isinstance(value, str | int | float):
        raise MarketError(f"{name:.60}: give a text, a number, true or false, or a list of them")
    return str(value).lower() if isinstance(value, bool) else str(value)
