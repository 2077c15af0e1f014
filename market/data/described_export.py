"""Whether the section `input` of params.yaml describes the export that a raw folder holds."""

from __future__ import annotations

from pathlib import Path

from market.core.errors import MarketError
from market.core.settings import Input

MAX_NAMED = 5  # files in the message


def check_described(folder: Path, settings: Input) -> None:
    """Raise MarketError if the section `input` describes another export than the folder's.

    That is the case if the folder has files, but none of the tables that the section names, in any
    letter case. A folder with one of them lacks the others, which their readers report.

    Parameters
    ----------
    folder
        The raw folder.
    settings
        The section `input`.
    """
    files = _files(folder)
    if not files or describes(folder, settings):
        return
    more = f" and {len(files) - MAX_NAMED} more" if len(files) > MAX_NAMED else ""
    raise MarketError(
        f"{folder} has no {settings.products}, which input.products in params.yaml names, but "
        f"{', '.join(files[:MAX_NAMED])}{more}: the section `input` describes another export. Run "
        f"`python -m market.inspect {folder} --write`, which writes it for this one and keeps the "
        "other in the other's folder, or set `dataset` to the export that it describes"
    )


def describes(folder: Path, settings: Input) -> bool:
    """Return whether a folder has a table that the section `input` names, in any letter case."""
    tables = {
        name.lower() for name in (settings.products, settings.images, settings.interactions) if name
    }
    # "Products.csv" and "products.jsonl" are one table, in another format.
    stems = {name.partition(".")[0] for name in tables}
    return any(name.lower().partition(".")[0] in stems for name in _files(folder))


def _files(folder: Path) -> list[str]:
    """Return the names of the files in a folder, sorted; none if it is absent."""
    if not folder.is_dir():
        return []
    return sorted(
        entry.name for entry in folder.iterdir() if entry.is_file() and entry.name[0] != "."
    )
