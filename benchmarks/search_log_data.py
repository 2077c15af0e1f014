"""Reads, completes, cleans and splits the log of the benchmark on a log of searches."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import click
import pandas as pd

from market.core.errors import MarketError
from market.core.params import load_params
from market.core.paths import INTERACTIONS, SEARCHES
from market.core.settings import Input
from market.data.cleaning import Cleaner
from market.data.interactions import log_columns
from market.data.raw_folder import RawFolder
from market.data.rejects import reason_kind
from market.data.search_cleaning import ALIASES, LISTS, search_columns
from market.data.searches import CLICK_COLUMNS, clicks_of, read_searches
from market.data.tables import read_table
from market.data.typed_tables import CellStyle

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
    folder_as_written = RawFolder(raw, settings)
    events_path = folder_as_written.log_path
    searches = _read(
        folder_as_written.searches_path, settings, search_columns, ("search_id", "product_ids")
    )
    events = _read(events_path, settings, log_columns, ("product_id",))
    if "search_id" not in events and not ("user_id" in events and "user_id" in searches):
        raise MarketError(
            f"{events_path}: no column 'search_id', and no user_id in both tables: add one of "
            "them, so that each interaction has its search"
        )
    notes: list[str] = []
    timed = complete_times(searches, events, notes)
    complete_users(searches, events, notes)
    folder.mkdir(parents=True)
    (folder / settings.products).symlink_to((raw / settings.products).resolve())
    for name, table in ((SEARCHES_CSV, searches), (EVENTS_CSV, events)):
        table.to_csv(folder / name, index=False, sep=settings.separator, encoding=settings.encoding)
    return timed, notes


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


def _read(
    path: Path,
    settings: Input,
    standard_names: Callable[[Iterable[str]], dict[str, str]],
    required: tuple[str, ...],
) -> pd.DataFrame:
    """Return a table as strings, with lists as JSON, under the names that the code knows."""
    if not path.exists():
        raise MarketError(f"{path} does not exist: put the table there")
    read = partial(read_table, path, encoding=settings.encoding, separator=settings.separator)
    lists = dict.fromkeys([*LISTS, *ALIASES], CellStyle(between=None))
    table = read(styles=lists if standard_names is search_columns else None)
    table = table.rename(columns={own: name for name, own in standard_names(table.columns).items()})
    missing = [name for name in required if name not in table]
    if missing:
        raise MarketError(
            f"{path}: no column {', '.join(map(repr, missing))} (found: {', '.join(table)}): "
            "rename it"
        )
    return table


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

        Without a time, all events count that followed one of the searches or none.
        """
        kept = self.events["search_id"].isin(searches["search_id"])
        kept |= self.events["search_id"].isna()
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
    """
    searches = log.searches
    usable = searches["kind"].eq("search") & keys.ne("")
    usable &= searches["product_ids"].map(len) >= MIN_SHOWN
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
