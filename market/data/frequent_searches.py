"""The queries that enough different users searched for, to be suggested to others."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from market.data.personal_data import personal_data

COLUMNS = ["query", "people"]


def frequent_searches(searches: pd.DataFrame, min_users: int, country: str) -> pd.DataFrame:
    """Return the queries that may be suggested to everybody.

    A query counts in any letter case and with any spaces. Left out are queries with a telephone
    number, a postcode, or an e-mail or web address, those that never showed a listing, and searches
    without a user.

    Parameters
    ----------
    searches
        As `searches.read_searches` returns them.
    min_users
        Different users that a query needs.
    country
        ISO 3166 code, for the form of telephone numbers and postcodes.

    Returns
    -------
    pandas.DataFrame
        COLUMNS: `query` in small letters, and `people`, the number of users who searched for it;
        the most frequent first.
    """
    written = searches[searches["kind"].eq("search") & searches["user_id"].notna()]
    query = written["query"].str.casefold().str.split().str.join(" ")
    table = pd.DataFrame(
        {"query": query, "user": written["user_id"], "shown": written["product_ids"].map(len)}
    )[query.ne("")]
    grouped = table.groupby("query", sort=True)
    counts = grouped["user"].nunique()[grouped["shown"].max() > 0]
    counts = counts[counts >= min_users].sort_values(ascending=False, kind="stable")
    found = pd.DataFrame({"query": counts.index.astype("str"), "people": counts.to_numpy("int64")})
    is_public = [_is_public(text, country) for text in found["query"]]
    return found[pd.Series(is_public, dtype=bool)].reset_index(drop=True)


def _is_public(query: str, country: str) -> bool:
    forms = pd.Series([query, query.upper()], dtype="str")  # postcodes are in capital letters
    return "[" not in query and personal_data(country).mask(forms).equals(forms)


def write_frequent_searches(queries: pd.DataFrame, path: Path) -> None:
    """Write the result of `frequent_searches`, for `suggestions.read_searched`."""
    queries.to_parquet(path, index=False)
