"""Rejects: the rows and files of a raw folder that cannot be used, each with a reason."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from market.core.errors import MarketError
from market.data.tables import MAX_SHOWN, RawTable

REJECT_COLUMNS = ["source", "record", "id", "reason"]
NO_FILE = "no file in "  # begins the reason of a reference to a file that does not exist
NOT_FETCHED = "not fetched yet"
REMEDIES = {NOT_FETCHED: "run `python -m market.fetch_photos`"}
PRODUCT_REJECTED = "its product was rejected"  # a consequence of another reject


def unknown_product(products_file: str) -> str:
    """Return the reason to reject a photo or event whose product is not in this table."""
    return f"its product is not in {products_file}"


def unknown_product_reasons(
    product_ids: pd.Series, known: pd.Series, products_file: str
) -> pd.Series:
    """Return the reason to reject each photo or event (n,) whose product is unknown.

    Parameters
    ----------
    product_ids
        (n,) of unknown products.
    known
        The ids of all products.
    products_file
        The name of their table.

    Returns
    -------
    pd.Series
        `unknown_product`; of a number that the table has with other leading zeros, which
        spreadsheets drop, it says so.
    """
    reason = unknown_product(products_file)
    if product_ids.empty:
        return pd.Series(reason, index=product_ids.index, dtype="str")
    numbers = _without_zeros(known.dropna())
    with_zeros = _without_zeros(product_ids).isin(numbers[numbers.ne("")])
    return pd.Series(reason, index=product_ids.index, dtype="str").where(
        ~with_zeros, f"{reason}, except with other leading zeros"
    )


def _without_zeros(ids: pd.Series) -> pd.Series:
    """Return ids (n,) without leading zeros; "" for one that is no number."""
    ids = ids.fillna("").astype("str")
    return ids.where(ids.str.fullmatch(r"[0-9]+"), "").str.lstrip("0")


def reject_rows(source: str, reasons: pd.Series, ids: pd.Series) -> pd.DataFrame:
    """Return the rejects of a table.

    Parameters
    ----------
    source
        The name of the table's file.
    reasons
        Why each row is rejected (n,), "" for a row that is kept; indexed by the row's position in
        the file, from 0.
    ids
        The id (n,) of each row, in the same order.

    Returns
    -------
    pd.DataFrame
        REJECT_COLUMNS, a row for each reason. `record` counts the rows of the file from 1, which is
        not the line number where a field spans several lines.
    """
    rejected = reasons.ne("").to_numpy()
    return pd.DataFrame(
        {
            "source": source,
            "record": reasons.index[rejected] + 1,
            "id": ids.to_numpy()[rejected],
            "reason": reasons.to_numpy()[rejected],
        },
        columns=REJECT_COLUMNS,
    )


def reject_files(
    paths: list[Path], reasons: list[str], raw: Path = Path(), ids: list[str] | None = None
) -> pd.DataFrame:
    """Return the rejects (REJECT_COLUMNS) of photo files.

    Parameters
    ----------
    paths
        The files (n), within `raw`.
    reasons
        (n,) one for each.
    raw
        The raw folder.
    ids
        (n,) of the photos; by default the names of the files without their ending.
    """
    return pd.DataFrame(
        {
            "source": [_source(path, raw) for path in paths],
            "record": pd.NA,
            "id": [printable_name(path.stem) for path in paths] if ids is None else ids,
            "reason": pd.Series(reasons, dtype="str"),
        },
        columns=REJECT_COLUMNS,
    )


def _source(path: Path, raw: Path) -> str:
    """Return the name of a file: within the raw folder, or of one of the live catalogue."""
    return printable_name((path.relative_to(raw) if path.is_relative_to(raw) else path).as_posix())


def printable_name(name: str) -> str:
    """Return a file's name with bytes that are not UTF-8 as \\x…"""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def reason_kind(reason: str) -> str:
    """Return a reason without its details: "damaged" of "damaged (broken data stream)"."""
    return reason.partition(" (")[0]


def check_rejected_share(
    table: RawTable,
    rejects: pd.DataFrame,
    *,
    max_share: float,
    required: bool,
    count: int | None = None,
    unit: str = "rows",
) -> None:
    """Raise MarketError if one reason rejects too many rows of a table.

    The message names the commonest reason and its first row. A rejected product is the reason for
    its photos and events only where there is no other.

    Parameters
    ----------
    table
        The table, n rows.
    rejects
        The rejects of these rows, or of their photos.
    max_share
        The share of the rows that one reason may reject, above 0 and up to 1.
    required
        Whether at least one row must be kept.
    count
        The number that `max_share` is a share of; by default n.
    unit
        What is counted.
    """
    count = len(table.read) if count is None else count
    if not count:
        if required:
            raise MarketError(f"{table.path} has no rows: add some")
        return
    reasons = rejects["reason"].map(reason_kind).astype("str")
    causes = reasons[reasons.ne(PRODUCT_REJECTED)]
    none_kept = required and len(rejects) == count
    if causes.empty and none_kept:
        causes = reasons
    counts = causes.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    if counts.empty or (counts.iloc[0] <= max_share * count and not none_kept):
        return
    reason = str(counts.index[0])
    first = rejects[reasons.eq(reason)].iloc[0]
    remedy = REMEDIES.get(reason, "correct them")
    if not none_kept:
        remedy += f", or raise clean.max_rejected_share ({max_share:g})"
    raise MarketError(
        f"{table.path}: {counts.iloc[0]} of {count} {unit} are rejected: {reason} "
        f"({_example(first, table)}): {remedy}"
    )


def _example(reject: pd.Series, table: RawTable) -> str:
    """Return a clause on a reject: its row or file, and the value that is wrong."""
    if pd.isna(reject["record"]):
        return f"the first is {reject['source']}"
    row = table.rows.iloc[int(reject["record"]) - 1]
    reason = str(reject["reason"])
    columns = [name for name, own in table.columns.items() if reason.startswith(f"{own} ")]
    if reason.startswith("its product ") and "product_id" in table.columns:
        columns = ["product_id"]
    value = ""
    if columns and columns[0] != "id" and pd.notna(row[columns[0]]):
        value = f", {table.own_name(columns[0])} {row[columns[0]]!r:.{MAX_SHOWN}}"
    key = "" if pd.isna(reject["id"]) else f", {str(reject['id'])!r:.{MAX_SHOWN}}"
    return f"the first is row {reject['record']}{key}{value}"


def check_nothing_lost(source: Path | str, read: int, kept: int, rejected: int) -> None:
    """Raise MarketError unless the items read are as many as those kept and rejected together."""
    if read != kept + rejected:
        raise MarketError(
            f"{source}: {read} read, but {kept} kept and {rejected} rejected: nothing was written. "
            "This is a fault of the program: please report it with the file"
        )
