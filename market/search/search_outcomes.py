"""What users did after each logged search: clicks, conversions, and the next search.

One search may have several rows in the log. The pages of its results count once, and so do the
suggestions that a user gets while typing one text. No row of the log is dropped: a page whose first
page is missing, because only some searches are recorded, counts as a search.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

# Kinds of the log, and the kind under which each is reported.
REPORTED_KINDS = {
    "search": "search",
    "photo": "search",
    "recommendation": "recommendation",
    "similar": "similar",
    "suggest": "suggest",
}
CONVERSIONS = ("message", "buy")
ORDERS = {"sort", "collapse", "max_per_seller"}  # parameters that leave no search without results
PAGE_GAP = pd.Timedelta(minutes=30)  # a later page with the same query is another search
TYPING_GAP = pd.Timedelta(seconds=10)  # a later suggestion belongs to another text
REFORMULATION_GAP = pd.Timedelta(minutes=5)

OUTCOME_COLUMNS = [
    "kind", "query", "variant", "user_id", "timestamp", "has_filters", "without_results",
    "clicked", "converted", "first_place", "reformulated",
]  # fmt: skip


def search_outcomes(searches: pd.DataFrame, clicks: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each search, in order of kind, user and time.

    Parameters
    ----------
    searches
        Rows with `data.searches.SEARCH_COLUMNS`. Without `places`, `product_ids` are complete.
    clicks
        search_id, product_id, event and timestamp of the events on listings that a search showed.

    Returns
    -------
    pandas.DataFrame
        With OUTCOME_COLUMNS:

        - kind: of REPORTED_KINDS; query: normalised, of suggestions the text at the end of typing;
          variant; user_id (None without a user); timestamp: of the first page (UTC); has_filters.
        - without_results (float): 1 if the first page says that nothing matches, else 0. Of
          suggestions the last answer counts. NaN if suggestions do not say how many there are.
        - clicked (bool): there was an event on a listing that it showed. Suggestions are also
          clicked if they led to a search (`suggest_id`).
        - converted (bool): one of these events was a message or a purchase; of suggestions also if
          the search that they led to converted.
        - first_place (float): the place of the listing that was clicked first, 1 for the first of
          all pages; NaN without a click on a listing.
        - reformulated (float): 1 if the user asked something else within 5 minutes after the last
          page, and clicked nothing in between, else 0: a search with other words or by photo, of
          suggestions another text. NaN for searches without a user, and for searches that have
          neither words nor a photo.
    """
    rows = _numbered(searches)
    numbers = rows["number"].to_numpy()
    is_first = np.ones(len(rows), bool)
    is_first[1:] = numbers[1:] != numbers[:-1]
    first = rows[is_first].set_index("number")
    last = rows[np.append(is_first[1:], True)[: len(rows)]].set_index("number")
    is_typed = first["kind"].eq("suggest")
    outcomes = first[["kind", "variant", "user_id", "timestamp"]].copy()
    outcomes["raw_kind"] = first["raw_kind"]
    outcomes["query"] = last["query"]
    outcomes["has_filters"] = _has_filters(first["filters"])
    outcomes["last_time"] = last["timestamp"]
    outcomes["without_results"] = _without_results(first).where(~is_typed, _without_results(last))
    actions = _actions(rows, clicks)
    by_search = actions.groupby("number", sort=False)
    outcomes["clicked"] = outcomes.index.isin(actions["number"])
    outcomes["converted"] = outcomes.index.isin(actions.loc[actions["converts"], "number"])
    outcomes["first_place"] = by_search["place"].first().reindex(outcomes.index)
    outcomes["reformulated"] = _reformulated(outcomes, actions)
    return outcomes[OUTCOME_COLUMNS].reset_index(drop=True)


def normalise_query(query: str) -> str:
    """Return a query in lower case with single spaces.

    Examples
    --------
    >>> normalise_query("  Oak  TABLE ")
    'oak table'
    """
    return " ".join(query.casefold().split())


def _numbered(searches: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the log with the number of their search, in order of number and time."""
    codes, texts = pd.factorize(searches["query"].fillna(""))
    normalised = np.array([normalise_query(text) for text in texts], dtype=object)
    rows = searches.assign(
        raw_kind=searches["kind"],
        kind=searches["kind"].map(REPORTED_KINDS).fillna(searches["kind"]),
        query=normalised[codes] if len(texts) else "",
        user_id=searches["user_id"].astype(object).where(searches["user_id"].notna(), None),
    )
    is_typed = rows["kind"].eq("suggest").to_numpy()
    # Suggestions of one user follow each other whatever their text; pages have the same query.
    same = ["raw_kind", "user_id", "variant", "query", "filters"]
    asked = rows[same].assign(
        **{name: rows[name].mask(is_typed, "") for name in same[2:]},
    )
    group = asked.groupby(same, dropna=False, sort=False).ngroup().to_numpy()
    times = rows["timestamp"].to_numpy("datetime64[us]")
    offsets = rows["offset"].to_numpy(np.int64)
    order = np.lexsort((offsets, times, group))
    rows, group, times, is_typed = rows.iloc[order], group[order], times[order], is_typed[order]
    continues = np.zeros(len(rows), bool)
    if len(rows) > 1:
        gap = np.diff(times)
        is_page = (offsets[order][1:] > 0) & (gap <= PAGE_GAP.to_timedelta64())
        texts = rows["query"].tolist()
        is_continued = gap <= TYPING_GAP.to_timedelta64()
        candidates = np.flatnonzero(is_typed[1:] & is_continued & (group[1:] == group[:-1]))
        is_continued[:] = False
        is_continued[candidates] = [
            continues_text(texts[place], texts[place + 1]) for place in candidates
        ]
        continues[1:] = (group[1:] == group[:-1]) & np.where(is_typed[1:], is_continued, is_page)
    return rows.assign(number=np.cumsum(~continues) - 1)


def continues_text(text: str, later: str) -> bool:
    """Return whether a user typed on at the end of a text, or deleted its end."""
    return later.startswith(text) or text.startswith(later)


def _without_results(rows: pd.DataFrame) -> pd.Series:
    """Return 1 for rows of the log without a match, 0 for others, NaN if that is unknown."""
    total = rows["total"].astype("Float64")
    is_empty = rows["product_ids"].str.len().eq(0) & rows["offset"].eq(0)
    # Suggestions have texts beside listings, so without listings they need not be empty.
    unknown = pd.Series(np.where(rows["kind"].eq("suggest"), np.nan, is_empty), rows.index)
    return unknown.where(total.isna(), total.eq(0).fillna(False).astype(float)).astype(float)


def _has_filters(filters: pd.Series) -> pd.Series:
    """Return whether filters (JSON objects) leave listings out, which an order does not."""
    codes, texts = pd.factorize(filters)
    narrows = np.array([bool(json.loads(text).keys() - ORDERS) for text in texts], dtype=bool)
    return pd.Series(narrows[codes] if len(texts) else False, filters.index, dtype=bool)


def _actions(rows: pd.DataFrame, clicks: pd.DataFrame) -> pd.DataFrame:
    """Return what users did with the results of each search, in order of time.

    Returns
    -------
    number: of the search. timestamp. place: of the listing from 1, NaN where suggestions led to a
    search. converts (bool).
    """
    clicked = rows[rows["search_id"].isin(clicks["search_id"])]
    if "places" not in rows:
        places = [[*range(len(product_ids))] for product_ids in clicked["product_ids"]]
        clicked = clicked.assign(places=pd.Series(places, clicked.index, dtype=object))
    shown = clicked[["number", "search_id", "product_ids", "offset", "places"]]
    shown = shown.explode(["product_ids", "places"])
    shown["place"] = shown["places"].astype(float) + shown["offset"] + 1
    shown = shown.drop_duplicates(["search_id", "product_ids"])
    found = clicks.merge(
        shown, left_on=["search_id", "product_id"], right_on=["search_id", "product_ids"]
    )
    found["converts"] = found["event"].isin(CONVERSIONS)
    found = found[["number", "timestamp", "place", "converts"]]
    converted = found.loc[found["converts"], "number"]
    led = rows[rows["suggest_id"].notna()].merge(
        rows.loc[rows["kind"].eq("suggest"), ["search_id", "number"]],
        left_on="suggest_id",
        right_on="search_id",
        suffixes=("_led", ""),
    )
    led = led.assign(place=np.nan, converts=led["number_led"].isin(converted))[found.columns]
    actions = pd.concat([found, led]) if len(led) else found
    return actions.sort_values(["timestamp", "place"], kind="stable", ignore_index=True)


def _reformulated(outcomes: pd.DataFrame, actions: pd.DataFrame) -> pd.Series:
    """Return the column `reformulated` of `search_outcomes`, with the index of the outcomes."""
    asked = outcomes.assign(user=pd.factorize(outcomes["user_id"])[0])
    acted = actions.assign(user=asked["user"].reindex(actions["number"]).to_numpy())
    asked = asked[asked["user"] >= 0]
    has_question = asked["query"].ne("") | asked["raw_kind"].eq("photo")
    questions = asked[asked["kind"].eq("search") & has_question]
    typed = asked[asked["kind"].eq("suggest") & has_question]
    others = asked[~asked["kind"].isin(["search", "suggest"])]
    next_times = [
        _next_different(questions),
        _next_different(typed),
        _next_of_user(others, questions, allow_equal=False),
    ]
    following = pd.concat(next_times)
    asked = asked.loc[following.index]
    next_action = _next_of_user(asked, acted, allow_equal=True)
    is_soon = following - asked["last_time"] <= REFORMULATION_GAP
    is_reformulated = is_soon & ~(next_action <= following)
    return is_reformulated.astype(float).reindex(outcomes.index)


def _next_different(asked: pd.DataFrame) -> pd.Series:
    """Return when the user next asked something else, with the index of `asked`; NaT if never."""
    asked = asked.sort_values(["user", "timestamp"], kind="stable")
    question = asked[["user", "raw_kind", "query"]]
    is_new = question.ne(question.shift()).any(axis=1)
    starts = asked[is_new]
    times = starts["timestamp"].shift(-1).where(starts["user"].eq(starts["user"].shift(-1)))
    run = is_new.cumsum().to_numpy() - 1  # searches in a row with the same question
    return pd.Series(times.to_numpy("datetime64[us]")[run], asked.index)


def _next_of_user(asked: pd.DataFrame, later: pd.DataFrame, *, allow_equal: bool) -> pd.Series:
    """Return the next time of `later` of the same user, with the index of `asked`; NaT if none."""
    left, right = (
        pd.DataFrame(
            {"user": rows["user"], "timestamp": rows["timestamp"].astype("datetime64[us]")}
        ).sort_values("timestamp", kind="stable")
        for rows in (asked, later)
    )
    joined = pd.merge_asof(
        left,
        right.assign(following=right["timestamp"]),
        on="timestamp",
        by="user",
        direction="forward",
        allow_exact_matches=allow_equal,
    )
    return pd.Series(joined["following"].to_numpy(), left.index).reindex(asked.index)
