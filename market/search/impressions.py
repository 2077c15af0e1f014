"""Impressions: the listings that searches showed, with the ranker's features of that moment."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from market.core.errors import MarketError
from market.core.stage import progress
from market.data.holdouts import histories_at
from market.search.candidate_features import (
    User,
    listing_attributes,
    request_time,
    user_and_listing_features,
)
from market.search.cases import sample_rows
from market.search.collaborative import EVENT_WEIGHTS, CollaborativeModel
from market.search.distances import distance_km
from market.search.engine import Engine
from market.search.filters import Filters
from market.search.query_features import query_features
from market.search.retrieval import retrieve
from market.search.rule_kinds import stems_of
from market.search.tuning import EVERYTHING

WINDOWS = 4  # parts of the time, each with a collaborative model of the events before it
SATISFIED_SECONDS = 30.0  # a view of at least this dwell counts fully
MIN_VIEW_GAIN = 0.1  # of a view that ends at once
READ_FILTERS: dict[str, Callable[[Any], Any]] = {
    "price_min": float, "price_max": float, "category": str, "near": str, "radius_km": float,
    "latitude": float, "longitude": float, "seller_id": str,
}  # fmt: skip
MAX_WEIGHT = 10.0  # largest inverse propensity: one lucky click must not outweigh all others


@dataclass(frozen=True, eq=False)
class Impressions:
    """The n listings that some searches showed; rows of a search are adjacent, in its order.

    Listings that a rule placed or raised are left out: a rule is no choice of the ranker. The
    places of the others count them all the same.

    Attributes
    ----------
    features
        n rows: the ranker's features, NaN where unknown.
    search
        (n,) the number of the search, from 0 and ascending.
    place
        (n,) from 0, hits on earlier pages included.
    gain
        (n,) 0 without a click, else the weight of the strongest event.
    query
        (searches,) codes: searches with the same words have the same code.
    weight
        (n,) the inverse probability that exploration showed the listing at its place, as a share of
        the mean at this place, so that no place counts for more searches than there were; 1 without
        exploration.
    search_ids
        (searches,) ids; (0,) if unknown.
    listing
        (n,) the position of each listing; (0,) if unknown.
    """

    features: pd.DataFrame
    search: np.ndarray
    place: np.ndarray
    gain: np.ndarray
    query: np.ndarray
    weight: np.ndarray
    search_ids: np.ndarray = field(default_factory=lambda: np.empty(0, object))
    listing: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))

    def __len__(self) -> int:
        """Return the number of searches."""
        return len(self.query)

    @property
    def clicked(self) -> np.ndarray:
        """(searches,) bool: whether a listing of the search was clicked."""
        return np.bincount(self.search, self.gain, minlength=len(self)) > 0

    def select(self, searches: np.ndarray) -> Impressions:
        """Return the impressions of some searches, (searches,) bool."""
        rows = searches[self.search]
        return Impressions(
            self.features[rows].reset_index(drop=True),
            (np.cumsum(searches) - 1)[self.search[rows]],
            self.place[rows],
            self.gain[rows],
            self.query[searches],
            self.weight[rows],
            self.search_ids[searches] if len(self.search_ids) else self.search_ids,
            self.listing[rows] if len(self.listing) else self.listing,
        )

    def limit_queries(self, searches: int) -> Impressions:
        """Return the same rows, with less weight for the searches of frequent queries.

        All searches for a query together count as `searches` of them, at most.
        """
        number = np.unique(self.query, return_inverse=True)[1]
        share = np.minimum(1.0, searches / np.bincount(number))[number]
        return replace(self, weight=self.weight * share[self.search])

    @classmethod
    def collect(
        cls,
        engine: Engine,
        searches: pd.DataFrame,
        clicks: pd.DataFrame,
        log: pd.DataFrame,
        *,
        max_searches: int,
        seed: int,
        windows: int = WINDOWS,
    ) -> Impressions:
        """Compute the features that the engine would have had at the time of each search.

        The query is compared with all its candidates and the shown listings together, because its
        features are shares of the largest value among them. The history of a user ends before the
        search, and so do the events that the collaborative model learns from.

        Parameters
        ----------
        engine
            The engine that learns. Models of earlier events replace its collaborative model.
        searches
            The log of searches, in the columns of `market.data.searches`. Only searches in words of
            the kind "search" are read, and only shown listings that the engine has.
        clicks
            search_id, product_id, event and dwell_seconds, as `clicks_of` returns them.
        log
            user_id, product_id, event and timestamp, in order of time.
        max_searches
            Of more searches, this many are drawn with `seed`.
        windows
            The number of collaborative models, each for an equal number of searches.
        """
        chosen = searches[in_words(searches)].sort_values(["timestamp", "search_id"], kind="stable")
        chosen = chosen.iloc[sample_rows(np.arange(len(chosen)), max_searches, seed)]
        shown = _shown_listings(engine, chosen.reset_index(drop=True), clicks)
        kept = np.unique(shown["search"])
        shown["search"] = np.searchsorted(kept, shown["search"])
        chosen = chosen.iloc[kept].reset_index(drop=True)
        features = pd.concat(
            [
                _query_columns(engine, chosen, shown),
                _user_columns(engine, chosen, shown, log, windows),
            ],
            axis=1,
        )
        keys = query_keys(engine, chosen["query"])
        return cls(
            features,
            shown["search"].to_numpy(),
            shown["place"].to_numpy(),
            shown["gain"].to_numpy(float),
            pd.factorize(pd.Series(keys, dtype=object), sort=True)[0],
            shown["weight"].to_numpy(float),
            chosen["search_id"].to_numpy(),
            shown["position"].to_numpy(np.int64),
        )


def in_words(searches: pd.DataFrame) -> pd.Series:
    """Return (n,) bool: the searches that have a query in words."""
    return searches["kind"].eq("search") & searches["query"].str.strip().ne("")


def query_keys(engine: Engine, texts: Sequence[str] | pd.Series) -> list[str]:
    """Return a key of each query: the same for queries with the same words.

    Spelling, word endings and the order of the words make no difference.
    """
    key_of = {}
    for text in progress(dict.fromkeys(texts), desc="compare queries", unit="query"):
        stems = stems_of(engine.correct(engine.understand(text).words), engine.lexical.language)
        key_of[text] = " ".join(sorted(set(stems))) or text.strip().casefold()
    return [key_of[text] for text in texts]


def click_gains(clicks: pd.DataFrame) -> pd.Series:
    """Return the gain of the strongest event by search_id and product_id.

    An event has its weight of EVENT_WEIGHTS. A view of a known dwell below SATISFIED_SECONDS counts
    in proportion to it, at least MIN_VIEW_GAIN.
    """
    gain = clicks["event"].map(EVENT_WEIGHTS).fillna(1.0).astype(float)
    dwell = clicks["dwell_seconds"].astype(float)
    share = (dwell / SATISFIED_SECONDS).clip(MIN_VIEW_GAIN, 1.0).fillna(1.0)
    gain = gain.where(clicks["event"].isin(EVENT_WEIGHTS) & (clicks["event"] != "view"), share)
    return gain.groupby([clicks["search_id"], clicks["product_id"]]).max()


def _shown_listings(engine: Engine, searches: pd.DataFrame, clicks: pd.DataFrame) -> pd.DataFrame:
    """Return search, place, position, gain and weight; a row for each shown listing."""
    sizes = searches["product_ids"].map(len).to_numpy(np.int64)
    numbers = np.repeat(np.arange(len(searches)), sizes)
    ids = [product_id for shown in searches["product_ids"] for product_id in shown]
    table = pd.DataFrame({"search": numbers, "product_id": pd.Series(ids, dtype=str)})
    places = [place for shown in searches["places"] for place in shown]
    offsets = searches["offset"].to_numpy(np.int64)
    table["place"] = np.array(places, np.int64) + offsets[numbers]
    table["position"] = engine.catalogue.positions(table["product_id"])
    gains = click_gains(clicks).rename("gain").reset_index()
    table["search_id"] = searches["search_id"].to_numpy()[numbers]
    table = table.merge(gains, on=["search_id", "product_id"], how="left")
    inverse = np.concatenate(
        [np.empty(0)]
        + [
            _inverse_propensities(propensities, size)
            for propensities, size in zip(searches["propensities"], sizes, strict=True)
        ]
    )
    place_means = pd.Series(inverse).groupby(table["place"]).transform("mean")
    table["weight"] = (inverse / place_means).fillna(1.0)
    placed = [set(rules) for rules in searches["rules"]]
    by_rule = np.array(
        [product_id in placed[number] for number, product_id in zip(numbers, ids, strict=True)],
        bool,
    )
    kept = (table["position"] >= 0) & ~by_rule & ~table.duplicated(["search", "product_id"])
    return table[kept].fillna({"gain": 0.0}).reset_index(drop=True)


def _inverse_propensities(propensities: Sequence[float] | None, size: int) -> np.ndarray:
    """Return 1 / propensity (size,) for the listings of a search; NaN where it is not logged."""
    if propensities is None or len(propensities) != size:
        return np.full(size, np.nan)
    return 1 / np.clip(np.asarray(propensities, float), 1 / MAX_WEIGHT, 1.0)


# --- Features -------------------------------------------------------------------------------------
def _query_columns(engine: Engine, searches: pd.DataFrame, shown: pd.DataFrame) -> pd.DataFrame:
    """Return the query features of the shown listings, computed once for each query."""
    tables = [pd.DataFrame(index=shown.index[:0])]
    engine.encode_ahead(searches["query"].unique().tolist())
    rows_of = shown.groupby("search").indices
    groups = searches.groupby(["query", "filters"], sort=False).indices
    for (text, filters), members in progress(groups.items(), desc="read queries", unit="query"):
        rows = np.concatenate([rows_of[number] for number in members])
        positions = shown["position"].to_numpy()[rows]
        table = _features_of_query(engine, text, read_filters(filters), np.unique(positions))
        tables.append(table.loc[positions].set_axis(rows))
    return pd.concat(tables).sort_index()


def _features_of_query(
    engine: Engine, text: str, filters: Filters, shown: np.ndarray
) -> pd.DataFrame:
    """Return the query features of shown positions (k,), by position."""
    understanding = engine.understand(text, filters)
    query = engine.build_query(
        engine.correct(understanding.words), category=filters.category, is_typing=True
    )
    if query.empty:
        return pd.DataFrame(index=shown)
    filters = understanding.filters
    allowed = engine.allowed(filters, _distances(engine, filters))
    matches = retrieve(query, allowed, engine.catalogue, engine.vectors)
    candidates = np.union1d(matches.candidates, shown)
    attributes = listing_attributes(candidates, engine.catalogue, engine.vectors)
    table = query_features(query, candidates, attributes, engine.vectors, engine.ranker.feedback)
    return table.set_axis(candidates).loc[shown]


def _user_columns(
    engine: Engine, searches: pd.DataFrame, shown: pd.DataFrame, log: pd.DataFrame, windows: int
) -> pd.DataFrame:
    """Return the features of the shown listings that do not depend on the query."""
    tables = [pd.DataFrame(index=shown.index[:0])]
    rows_of = shown.groupby("search").indices
    histories = histories_at(log, searches["user_id"], searches["timestamp"])
    models = _models_of_windows(searches["timestamp"], log, windows)
    with progress(total=len(searches), desc="read users", unit="search") as bar:
        for number, (search, history, model) in enumerate(
            zip(searches.itertuples(), histories, models, strict=True)
        ):
            rows = rows_of[number]
            positions = shown["position"].to_numpy()[rows]
            table = user_and_listing_features(
                positions,
                listing_attributes(positions, engine.catalogue, engine.vectors),
                User.build(history, model, search.timestamp),
                engine.catalogue,
                engine.vectors,
                browsing=False,
                now=request_time(search.timestamp, engine.catalogue, model),
                distances=_distances(engine, read_filters(search.filters)),
            )
            tables.append(table.set_axis(rows))
            bar.update()
    return pd.concat(tables).sort_index()


def _models_of_windows(
    times: pd.Series, log: pd.DataFrame, windows: int
) -> Iterator[CollaborativeModel | None]:
    """Yield for each time, in order, a model of the events before the time's window."""
    for part in np.array_split(np.arange(len(times)), windows):
        if len(part):
            earlier = log[log["timestamp"] < times.iloc[part[0]]]
            model = CollaborativeModel.fit(earlier) if len(earlier) else None
            yield from [model] * len(part)


def read_filters(text: str) -> Filters:
    """Return the filters of a logged search that decide what its hits are compared with.

    They are named as the API names them. Others are ignored: conditions on attributes, and those of
    another system. Listings that are flagged or sold by now may have been shown then.
    """
    given = json.loads(text)
    try:
        values = {name: kind(given[name]) for name, kind in READ_FILTERS.items() if name in given}
        return replace(EVERYTHING, **values)
    except (MarketError, TypeError, ValueError):
        return EVERYTHING


def _distances(engine: Engine, filters: Filters) -> np.ndarray | None:
    """Return the kilometres (n,) of all listings from the place of filters, if there is one."""
    place = engine.place_of(filters)
    return None if place is None else distance_km(*place, engine.catalogue.sphere)
