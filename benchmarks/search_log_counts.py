"""Features of shown listings for LambdaMART, as metarank's documentation builds them for search.

Counts are of earlier events only: at the time of each search, metarank knows no later ones. In a
log without times they are of the searches in other folds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from search_log_data import SearchLog

from market.core.stage import progress
from market.search.engine import Engine
from market.search.impressions import Impressions
from market.search.lexical import LexicalIndex

WINDOWS = (3, 7, 14, 30)  # days, as metarank's `rate` and `window_count` have them
RATE_WEIGHT = 10.0  # of the mean rate in each rate: metarank's default
FOLDS = 5  # of a log without times
DAY = 86_400
ITEM_QUERY = "item_query_rate"  # a listing's rate for the very query: 0 for queries never seen


@dataclass(frozen=True, eq=False)
class ShownRows:
    """The product, search and clicks of each row of some impressions.

    Attributes
    ----------
    search
        (n,) the number of the row's search.
    position
        (n,) the listing.
    query
        (searches,) the text of each search.
    key
        (searches,) the key of its query.
    seconds
        (searches,) the time of each search.
    clicked
        (n,) bool.
    """

    search: np.ndarray
    position: np.ndarray
    query: np.ndarray
    key: np.ndarray
    seconds: np.ndarray
    clicked: np.ndarray

    @classmethod
    def of(
        cls, impressions: Impressions, searches: pd.DataFrame, keys: pd.Series, engine: Engine
    ) -> ShownRows:
        """Return the rows of impressions that were collected from `searches` with these keys."""
        assert impressions.search_ids is not None
        table = searches.assign(key=keys.loc[searches.index])
        table = table.set_index("search_id").loc[impressions.search_ids]
        shown_at = [
            dict(zip(np.add(places, offset), ids, strict=True))
            for places, offset, ids in zip(
                table["places"], table["offset"], table["product_ids"], strict=True
            )
        ]
        ids = [
            shown_at[search][place]
            for search, place in zip(
                impressions.search.tolist(), impressions.place.tolist(), strict=True
            )
        ]
        return cls(
            impressions.search,
            engine.catalogue.positions(ids),
            table["query"].to_numpy(),
            table["key"].to_numpy(),
            table["timestamp"].to_numpy("datetime64[s]").astype(np.int64),
            impressions.gain > 0,
        )


class PastCounts:
    """Counts events of codes before given times, or in other folds than given ones.

    Parameters
    ----------
    codes, times
        (n,) int, at least 0: of the events. Times are in seconds, or the number of a fold.
    """

    def __init__(self, codes: np.ndarray, times: np.ndarray) -> None:
        self._start = int(times.min(initial=0))
        self._span = int(times.max(initial=0)) - self._start + 2
        self._sorted = np.sort(codes * self._span + times - self._start)

    def before(self, codes: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Return the number (m,) of events of each code before each time."""
        times = np.clip(times - self._start, 0, self._span - 1)
        first = np.searchsorted(self._sorted, codes * self._span)
        return np.searchsorted(self._sorted, codes * self._span + times) - first

    def within(self, codes: np.ndarray, times: np.ndarray, seconds: int) -> np.ndarray:
        """Return the number (m,) of events of each code in so many seconds before each time."""
        return self.before(codes, times) - self.before(codes, times - seconds)

    def elsewhere(self, codes: np.ndarray, folds: np.ndarray) -> np.ndarray:
        """Return the number (m,) of events of each code outside of each fold."""
        own = self.before(codes, folds + 1) - self.before(codes, folds)
        return self.before(codes, np.full(len(codes), self._start + self._span)) - own


def text_features(engine: Engine, rows: ShownRows, names: LexicalIndex) -> pd.DataFrame:
    """Return metarank's `field_match` (BM25, terms and bi-encoder) and `word_count` features.

    Parameters
    ----------
    engine
        With the vectors of all queries.
    rows
        The n shown listings.
    names
        The words of the listings' names alone.
    """
    vectors = engine.vectors.unsmoothed
    assert vectors is not None
    language = engine.lexical.language
    stems = [
        frozenset(map(language.stem, language.words(name))) for name in engine.listings["name"]
    ]
    sizes = np.array([len(words) for words in stems])
    table = np.zeros((len(rows.search), 4), np.float32)
    query_of_row = pd.Series(rows.query[rows.search])
    groups = query_of_row.groupby(query_of_row).indices
    query_sizes = np.zeros(len(rows.search), np.float32)
    for text, members in progress(groups.items(), desc="match fields", unit="query"):
        positions = rows.position[members]
        query = frozenset(map(language.stem, language.words(text)))
        table[members, 0] = names.scores(text)[positions]
        table[members, 1] = engine.lexical.scores(text)[positions]
        shared = [len(query & stems[position]) for position in positions.tolist()]
        table[members, 2] = np.array(shared) / max(len(query), 1)
        table[members, 3] = vectors[positions] @ engine.encode_text(text)
        query_sizes[members] = len(query)
    columns = ["name_bm25", "bm25", "name_terms", "bi_encoder"]
    return pd.DataFrame(table, columns=columns).assign(
        name_words=sizes[rows.position], query_words=query_sizes
    )


def count_features(log: SearchLog, fitting: ShownRows, rows: ShownRows) -> pd.DataFrame:
    """Return metarank's `window_count` and `rate` features of n shown listings.

    Parameters
    ----------
    log
        The part of the log that models are fitted on; only whether it has times matters.
    fitting
        What its searches showed, and what was clicked.
    rows
        The n listings shown by the fitting searches, or by later ones.
    """
    queries = {key: number for number, key in enumerate(dict.fromkeys(fitting.key), start=1)}
    size = int(max(fitting.position.max(initial=0), rows.position.max(initial=0))) + 1

    def pairs(shown: ShownRows) -> np.ndarray:
        codes = np.array([queries.get(key, 0) for key in shown.key], np.int64)
        return codes[shown.search] * size + shown.position

    if log.timed:
        times, moments = fitting.seconds[fitting.search], rows.seconds[rows.search]
    else:
        times = fitting.search % FOLDS
        moments = times if rows is fitting else np.full(len(rows.search), FOLDS)
    mean = fitting.clicked.mean() if len(fitting.clicked) else 0.0
    features: dict[str, np.ndarray] = {}
    for name, own, asked in (
        ("item", fitting.position, rows.position),
        ("item_query", pairs(fitting), pairs(rows)),
    ):
        shown = PastCounts(own, times)
        clicks = PastCounts(own[fitting.clicked], times[fitting.clicked])
        if log.timed:
            periods: Sequence[int | None] = (None, *WINDOWS) if name == "item" else (None,)
        else:
            periods = (None,)
        for days in periods:
            n_clicks, n_shown = (
                _count(counts, asked, moments, days, timed=log.timed) for counts in (clicks, shown)
            )
            suffix = "" if days is None else f"_{days}"
            features[f"{name}_clicks{suffix}"] = n_clicks
            features[f"{name}_rate{suffix}"] = (RATE_WEIGHT * mean + n_clicks) / (
                RATE_WEIGHT + n_shown
            )
    features.pop("item_query_clicks")
    return pd.DataFrame(features)


def _count(
    counts: PastCounts, codes: np.ndarray, moments: np.ndarray, days: int | None, *, timed: bool
) -> np.ndarray:
    if not timed:
        return counts.elsewhere(codes, moments)
    return (
        counts.before(codes, moments) if days is None else counts.within(codes, moments, days * DAY)
    )
