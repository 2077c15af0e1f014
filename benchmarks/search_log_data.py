"""Reads, completes, cleans and splits the log of the benchmark on a log of searches."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import click
import pandas as pd
from search_log_tables import SESSION_ID, match_ids, read_events_table, read_searches_table

from market.core.errors import MarketError
from market.core.params import load_params
from market.core.paths import INTERACTIONS, SEARCHES
from market.core.settings import Input
from market.data.cleaning import Cleaner
from market.data.interactions import read_times
from market.data.raw_folder import RawFolder
from market.data.rejects import reason_kind
from market.data.searches import CLICK_COLUMNS, clicks_of, read_searches
from market.search.impressions import in_words

SEARCHES_CSV, EVENTS_CSV = "searches.csv", "interactions.csv"  # of the prepared folder
SESSION = pd.Timedelta(minutes=30)  # after a search, an event of its user with a shown product
FIRST_TIME = pd.Timestamp("2000-01-01")  # of the first row of a log without times
MIN_SHOWN = 2  # listings of a search: one alone cannot be ranked
MIN_JUDGED = 300  # searches with a click; with fewer, all times are judged


# --- The raw log ----------------------------------------------------------------------------------
def prepare_raw(raw: Path, folder: Path, settings: Input) -> tuple[bool, list[str]]:
    """Link the tables of a raw folder into another, completed where users or times are missing.

    Stage clean needs a user and a time for each event. An event without a user gets that of its
    search, or is of a user of its own search alone. A log without times gets the order of its rows.

    Parameters
    ----------
    raw
        The folder with the listings, searches and interactions.
    folder
        A new folder.
    settings
        How the tables are written.

    Returns
    -------
    timed, notes
        Whether the log has times, and a line for each assumption.

    Raises
    ------
    MarketError
        If a table or a column that nothing can replace is missing.
    """
    notes: list[str] = []
    searches = read_searches_table(raw, settings)
    events = read_events_table(raw, settings, notes)
    listings = RawFolder(raw, settings).listings(labelled=False)
    match_ids(searches, events, listings.rows["id"].dropna().tolist())
    complete_sessions(searches, events)
    complete_searches(searches, events, raw)
    timed = complete_times(searches, events, notes)
    complete_users(searches, events, notes)
    folder.mkdir(parents=True)
    (folder / settings.products).symlink_to((raw / settings.products).resolve())
    for name, table in ((SEARCHES_CSV, searches), (EVENTS_CSV, events)):
        table.to_csv(
            folder / name,
            index=False,
            sep=settings.separator,
            encoding=settings.encoding,
            errors="replace",  # the listings may be in an older encoding than the log
        )
    return timed, notes


def complete_searches(searches: pd.DataFrame, events: pd.DataFrame, raw: Path) -> None:
    """Number the searches if they have no search_id, and check that events can find theirs.

    Parameters
    ----------
    searches, events
        As strings; `searches` is changed in place.
    raw
        The raw folder, for messages.

    Raises
    ------
    MarketError
        If neither a search_id nor a user leads from an event to its search.
    """
    if "search_id" not in searches and "search_id" in events:
        raise MarketError(
            f"{raw}: interactions have a column 'search_id', but searches have none: add it"
        )
    if "search_id" not in searches:
        searches["search_id"] = [f"row {number}" for number in range(1, len(searches) + 1)]
    if "search_id" not in events and not ("user_id" in events and "user_id" in searches):
        raise MarketError(
            f"{raw}: interactions have no column 'search_id', and no user_id is in both tables: "
            "add one of them, so that each interaction has its search"
        )


def complete_times(searches: pd.DataFrame, events: pd.DataFrame, notes: list[str]) -> bool:
    """Add the times that a table lacks, and return whether the log has times.

    Parameters
    ----------
    searches, events
        As strings, with search_id; changed in place.
    notes
        Gains a line for each assumption.
    """
    tables = {"searches": searches, "interactions": events}
    _start_clocks([*tables.values()], notes)
    timed = [name for name, table in tables.items() if "timestamp" in table]
    if not timed:
        # Without search_id, an event is matched to a search of the same day: of any search, here.
        step = pd.Timedelta(seconds=1 if "search_id" in events else 0)
        searches["timestamp"] = [str(FIRST_TIME + step * row) for row in range(len(searches))]
        notes.append("no timestamps: split by query only; the order of the rows stands in for time")
        if "search_id" not in events:
            events["timestamp"] = str(FIRST_TIME)
    for name, table in tables.items():
        if "timestamp" in table:
            continue
        if "search_id" not in events:
            raise MarketError(f"{name} have neither search_id nor timestamp: add one of them")
        other = next(each for each in tables.values() if "timestamp" in each)
        first = other.dropna(subset="search_id").drop_duplicates("search_id")
        table["timestamp"] = table["search_id"].map(first.set_index("search_id")["timestamp"])
        if timed:
            notes.append(f"{name} have no timestamps: each gets the time of its search")
    return bool(timed)


def _start_clocks(tables: list[pd.DataFrame], notes: list[str]) -> None:
    """Let times that are numbers, but no dates, be seconds after FIRST_TIME."""
    timed = [table for table in tables if "timestamp" in table]
    numbers = [pd.to_numeric(table["timestamp"], errors="coerce") for table in timed]
    if not timed or any(number.isna().any() or (number < 0).any() for number in numbers):
        return
    if all(read_times(table["timestamp"])[0].isna().all() for table in timed):
        for table, seconds in zip(timed, numbers, strict=True):
            table["timestamp"] = (FIRST_TIME + pd.to_timedelta(seconds, unit="s")).astype("str")
        notes.append(f"timestamps are no dates: they count as seconds after {FIRST_TIME:%Y-%m-%d}")


def complete_sessions(searches: pd.DataFrame, events: pd.DataFrame) -> None:
    """Let a session stand in for a user who is not known.

    Parameters are as for `complete_times`.
    """
    for table in (searches, events):
        if SESSION_ID in table:
            sessions = "session " + table.pop(SESSION_ID)
            table["user_id"] = table.get("user_id", sessions).fillna(sessions)


def complete_users(searches: pd.DataFrame, events: pd.DataFrame, notes: list[str]) -> None:
    """Give each event a user: that of its search, or one that nobody else is.

    Parameters are as for `complete_times`.
    """
    for table in (searches, events):
        if "user_id" not in table:
            table["user_id"] = pd.Series(pd.NA, table.index, dtype="str")
    missing = int(events["user_id"].isna().sum())
    if missing and "search_id" in events:
        users = searches.drop_duplicates("search_id").set_index("search_id")["user_id"]
        stand_ins = events["search_id"].map(users).fillna("search " + events["search_id"])
        events["user_id"] = events["user_id"].fillna(stand_ins)
        notes.append(f"{missing:,} interactions have no user: they get that of their search")


# --- The clean log --------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class SearchLog:
    """A clean log of searches.

    Attributes
    ----------
    searches
        As `read_searches` returns them.
    events
        The log of interactions with search_id, missing where an event followed no search.
    clicks
        As `clicks_of` returns them.
    timed
        Whether the log has times.
    """

    searches: pd.DataFrame
    events: pd.DataFrame
    clicks: pd.DataFrame
    timed: bool

    @classmethod
    def clean(cls, folder: Path, out: Path, settings: Input, *, timed: bool) -> SearchLog:
        """Run stage clean on a folder of `prepare_raw`, and read what it wrote to `out`."""
        settings = settings.model_copy(
            update={"searches": SEARCHES_CSV, "interactions": EVENTS_CSV, "search_columns": {},
                    "event_columns": {}}
        )  # fmt: skip
        limits = load_params("clean").model_copy(update={"max_rejected_share": 1.0})
        cleaner = Cleaner(folder, limits, settings)
        out.mkdir(parents=True)
        cleaner.run(out)
        rejects = cleaner.rejects()
        for (file, reason), rows in rejects.groupby(["source", rejects["reason"].map(reason_kind)]):
            click.echo(f"{file}: {len(rows):,} rows left out: {reason}", err=True)
        searches = read_searches(out / SEARCHES.name)
        events = pd.read_parquet(out / INTERACTIONS.name)
        if "search_id" not in events:
            events = events.assign(search_id=match_searches(searches, events))
            n_matched = int(events["search_id"].notna().sum())
            click.echo(
                f"interactions have no search_id: {n_matched:,} of {len(events):,} follow a search "
                f"of their user that showed the product, within {SESSION.seconds // 60} minutes "
                "or, if times are dates, on the same day",
                err=True,
            )
        return cls(searches, events, clicks_of(searches, events), timed)

    def before(self, time: pd.Timestamp | None, searches: pd.DataFrame) -> SearchLog:
        """Return the log of some searches, and the events before a time that followed no other.

        Searches without words are no others: nobody judges them. Without a time, all times count.
        """
        others = self.searches["search_id"][in_words(self.searches)]
        others = others[~others.isin(searches["search_id"])]
        kept = ~self.events["search_id"].isin(others)
        if time is not None:
            kept &= self.events["timestamp"] < time
        events = self.events[kept].reset_index(drop=True)
        clicks = self.clicks[self.clicks["search_id"].isin(searches["search_id"])]
        if time is not None:
            clicks = clicks[clicks["timestamp"] < time]
        return replace(self, searches=searches, events=events, clicks=clicks[CLICK_COLUMNS])


def match_searches(searches: pd.DataFrame, events: pd.DataFrame) -> pd.Series:
    """Return the search_id (n,) of the search that each event followed, missing for none.

    It is the latest search of the same user that showed the product, at most SESSION before. If all
    times are dates, it is of the same day.

    Parameters
    ----------
    searches, events
        Clean tables; the n events have user_id, product_id and timestamp.

    Examples
    --------
    >>> times = pd.to_datetime(["2024-03-01 10:00", "2024-03-01 10:20"])
    >>> searches = pd.DataFrame({"search_id": ["s1", "s2"], "user_id": "ann", "timestamp": times,
    ...     "product_ids": [["lamp", "desk"], ["desk"]]})
    >>> events = pd.DataFrame({"user_id": "ann", "product_id": ["lamp", "desk", "desk"],
    ...     "timestamp": times[1] + pd.to_timedelta([5, 6, 60], unit="min")})
    >>> match_searches(searches, events).tolist()
    ['s1', 's2', nan]
    """
    daily = all(
        table["timestamp"].dt.normalize().eq(table["timestamp"]).all()
        for table in (searches, events)
    )
    shown = searches[["search_id", "user_id", "timestamp", "product_ids"]]
    shown = shown.explode("product_ids").rename(columns={"product_ids": "product_id"}).dropna()
    rows = events[["user_id", "product_id", "timestamp"]].reset_index(names="row")
    matched = pd.merge_asof(
        rows.sort_values("timestamp", kind="stable"),
        shown.sort_values("timestamp", kind="stable"),
        on="timestamp",
        by=["user_id", "product_id"],
        tolerance=pd.Timedelta(0) if daily else SESSION,
    )
    return matched.set_index("row")["search_id"].reindex(events.index)


# --- The split ------------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class Split:
    """The searches to fit on, and those to judge on: other queries and, if possible, later.

    Attributes
    ----------
    fitting, judged
        Rows of the clean table of searches.
    cutoff
        The time between the two; None if the split is by query only.
    """

    fitting: pd.DataFrame
    judged: pd.DataFrame
    cutoff: pd.Timestamp | None


def split_searches(
    log: SearchLog, keys: pd.Series, *, judged_share: float, later_share: float, seed: int
) -> Split:
    """Split searches by query, and by time if that leaves enough searches to judge.

    Parameters
    ----------
    log
        The log. Searches without words, or with fewer than MIN_SHOWN listings, are in neither part.
    keys
        The key of each search's query; equal keys are one query.
    judged_share
        The share of the queries that are judged.
    later_share
        The share of the searches after the cut-off.
    seed
        Decides which queries are judged.

    Raises
    ------
    MarketError
        If no search has words and a choice, or none has a click.
    """
    searches = log.searches
    usable = in_words(searches) & (searches["product_ids"].map(len) >= MIN_SHOWN)
    if not usable.any():
        raise MarketError(
            f"no search has words and shows {MIN_SHOWN} of the listings: the benchmark needs "
            "queries in words, and the listings that they showed in the column product_ids"
        )
    if log.clicks.empty:
        raise MarketError(
            "no interaction is with a listing that its search showed: each needs the search_id of "
            "the search, or its user_id and a later timestamp"
        )
    judged = keys.map(lambda key: _draw(key, seed)) < judged_share
    clicked = searches["search_id"].isin(log.clicks["search_id"])
    if log.timed:
        cutoff = searches["timestamp"].quantile(1 - later_share, interpolation="nearest")
        later = searches["timestamp"] >= cutoff
        if (usable & judged & later & clicked).sum() >= MIN_JUDGED and (~later).any():
            return Split(
                searches[usable & ~judged & ~later], searches[usable & judged & later], cutoff
            )
        click.echo(
            f"fewer than {MIN_JUDGED} searches with a click are of judged queries and late: split "
            "by query only",
            err=True,
        )
    return Split(searches[usable & ~judged], searches[usable & judged], None)


def _draw(key: str, seed: int) -> float:
    """Return a number below 1 that the key and the seed decide."""
    digest = hashlib.blake2b(f"{seed} {key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64
