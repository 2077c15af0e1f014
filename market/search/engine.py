"""The search engine: finds, filters, ranks, explains; the one module here that composes others.

A search runs in three steps. The strict filters leave the listings that may be shown. Words (BM25),
meaning (text embeddings) and looks (photo embeddings) each name their nearest among those. The
ranker then weighs all signals of the candidates, the shopper's tastes among them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from scipy import sparse
from sklearn.preprocessing import normalize

from market.data.images import to_array, to_jpeg
from market.data.photo_store import open_photo
from market.models.backbones import Classifier
from market.models.photo_reader import PhotoReader
from market.models.text_encoder import load_text_encoder
from market.search.collaborative import (
    SHARED_FEATURES,
    CollaborativeModel,
    event_weights,
    new_user_features,
)
from market.search.gazetteer import distance_km, fold, on_sphere
from market.search.lexical import LexicalIndex, split_words
from market.search.photo_space import PhotoSpace, colour_histogram
from market.search.ranker import QUERY_FEATURES, Ranker
from market.search.user_features import (
    USER_FEATURES,
    Attributes,
    compute_user_features,
    event_decay,
    proximity,
)
from market.search.vectors import VectorIndex

DEPTH = 200  # candidates that each of words, meaning and looks names: they are ranked
FEEDBACK = 5  # best candidates that say what was meant
FEEDBACK_WEIGHT = 0.6  # of their meaning beside the query's
LEAST_MEANING = 0.2  # cosine below which a listing that shares no word is no answer
MIN_TEXT_SIMILARITY = 0.32  # the same between two listings, whose texts are nearer than a query's
MIN_IMAGE_SIMILARITY = 0.12  # cosine below which a photo does not match (docs/decisions.md)
BROWSED = 2000  # candidates where nothing is asked for
REMEMBERED = 4096  # queries whose meaning is kept: typing, and the next page, ask again
LATEST = 20  # listings of a history that candidates are sought near
POOL = 250  # best candidates that variety is chosen among; the same for every page of an answer
SAME_LOOK = 0.97  # cosine of two photos above which they show the same thing in the same picture
VARIETY = 0.3  # of MMR: 0 is relevance alone
FRESH_DAYS = 14.0  # after which a listing's newness halves

NO_HISTORY = pd.DataFrame(
    {"product_id": pd.Series(dtype=str), "event": pd.Series(dtype=str),
     "timestamp": pd.Series(dtype="datetime64[ns]")}
)  # fmt: skip


@dataclass(frozen=True)
class Filters:
    """What a listing must satisfy to be shown; None asks nothing. A listing whose price or place is
    not known passes no filter on it.

    price_min, price_max: pounds. category: a name at any level of the path, or a path "A / B".
    near: a town ("Leeds" or "Leeds, West Yorkshire"), radius_km around it. flagged: whether
    listings whose price is a placeholder or far off are let in.
    """

    price_min: float | None = None
    price_max: float | None = None
    category: str | None = None
    near: str | None = None
    radius_km: float | None = None
    flagged: bool = False


@dataclass(frozen=True)
class Hit:
    """A listing found: `why` is each signal's part in `score`, the largest first."""

    product_id: str
    score: float
    why: dict[str, float]
    distance_km: float | None


@dataclass(frozen=True)
class Answer:
    """The hits asked for, of `total` listings that match.

    Offsets up to `total` page through all of them, each once. First come the candidates, in the
    ranker's order. All other matches follow: those of a query by the ranker's weights of its words,
    meaning and looks alone, those of a browse by date, the newest first.

    understood: the query after mending typing errors, if that changed it; "" where nothing of it
    can be searched for ("the", "🔥"), and the answer is one without words. unplaced: a `near` that
    no place is known for; then there are no hits.
    """

    hits: list[Hit]
    total: int
    understood: str | None = None
    unplaced: str | None = None


@dataclass(frozen=True, eq=False)
class Query:
    """What is asked for: a vector of meaning, one of looks, scores of words; None where nothing."""

    words: np.ndarray | None = None  # (n,) of every listing
    meaning: np.ndarray | None = None  # (width,)
    looks: np.ndarray | None = None  # (width,)
    min_meaning: float = LEAST_MEANING  # cosine to `meaning` from which a listing matches

    @property
    def empty(self) -> bool:
        return self.words is None and self.meaning is None and self.looks is None


@dataclass(frozen=True, eq=False)
class Retrieved:
    """The listings that match a query.

    candidates: positions (m,), ascending, of those to rank. matched: (n,) bool, all of them.
    features: of each retriever (n,), 0 where it did not retrieve the listing; they order the
    matches that are not ranked.
    """

    candidates: np.ndarray
    matched: np.ndarray
    features: dict[str, np.ndarray]


class Engine:
    """All there is to search in, in memory. Its methods may run in several threads at once."""

    def __init__(
        self,
        listings: pd.DataFrame,
        places: pd.DataFrame,
        lexical: LexicalIndex,
        texts: VectorIndex,
        photos: VectorIndex,
        shown: pd.DataFrame,
        alike: np.ndarray,
        ranker: Ranker,
        collaborative: CollaborativeModel | None,
        read_text: Callable[[str], np.ndarray],
        read_photo: Callable[[Image.Image], np.ndarray],
    ) -> None:
        """`listings`, `places`, `shown` (owner, a position among the listings, in order; number, of
        the packed photo) and `alike` (n, k) as stage index writes them. `read_text` and
        `read_photo` return a unit vector (width,) of the index."""
        self.ranker = ranker
        self.listings = listings
        self.collaborative = collaborative
        self._lexical, self._texts, self._photos = lexical, texts, photos
        self._alike = alike
        self._read_text, self._read_photo = read_text, read_photo
        self._places = places.drop_duplicates("name").set_index("name")[["latitude", "longitude"]]
        self._ids = listings["product_id"].tolist()
        self._position = {id_: row for row, id_ in enumerate(self._ids)}
        self._price = listings["price"].to_numpy(float)
        self._flagged = listings["price_flag"].ne("").to_numpy()
        self._meant_price = np.where(self._flagged, np.nan, self._price)
        self._place = listings[["latitude", "longitude"]].to_numpy(float)
        self._sphere = on_sphere(self._place)
        self._group, groups = pd.factorize(listings["group"])  # 0 … self._groups - 1
        self._groups = len(groups)
        paths = [tuple(path) for path in listings["category_levels"]]
        self._path_of, found = pd.factorize(pd.Series(paths, dtype=object), sort=True)
        self._paths = np.asarray(found, dtype=object)
        self._owner = shown["owner"].to_numpy(np.int64)
        self._photo_number = shown["number"].to_numpy(np.int64)
        self._first_photo = np.searchsorted(self._owner, np.arange(len(listings) + 1))
        self._created = listings["created"].to_numpy("datetime64[us]")  # NaT where unknown
        self._last_created = listings["created"].max()
        age = (self._last_created - listings["created"]) / pd.Timedelta(days=1)
        self._newest = np.argsort(age.fillna(np.inf).to_numpy(float), kind="stable")
        expected = np.log1p(listings["price_expected"].to_numpy(float))
        # What costs as expected or less is fair: far less is no virtue, but something is amiss.
        saving = np.clip(expected - np.log1p(self._price), -1, 0)
        self._fair = np.where(self._flagged, np.nan, 1 + saving)

    @classmethod
    def load(
        cls,
        index: Path = Path("models/index"),
        rank: Path | None = Path("models/rank"),
        embed: Path = Path("models/embed"),
        *,
        device: str = "cpu",
        read_text: Callable[[str], np.ndarray] | None = None,
    ) -> Engine:
        """Open what the stages index, rank and embed wrote; the networks load when first needed.

        Without `rank` nothing was learned: the ranker is Ranker.prior(). Without `read_text` it is
        a TextReader.
        """
        about = json.loads((index / "index.json").read_text(encoding="utf-8"))
        space = PhotoSpace.load(index / "photo_space.npz")
        crowd = rank / "collaborative" if rank else None
        return cls(
            pd.read_parquet(index / "listings.parquet"),
            pd.read_parquet(index / "places.parquet"),
            LexicalIndex.load(index / "words"),
            VectorIndex.load(index / "text.faiss", about["breadth"]),
            VectorIndex.load(index / "photo.faiss", about["breadth"]),
            pd.read_parquet(index / "shown.parquet"),
            np.load(index / "alike.npy"),
            Ranker.load(rank) if rank else Ranker.prior(),
            CollaborativeModel.load(crowd) if crowd and crowd.exists() else None,
            read_text or TextReader.load(index, device),
            PhotoEncoder(embed, space, about["array_size"], device),
        )

    def with_ranker(self, ranker: Ranker) -> Engine:
        """Return this engine with another ranker."""
        other = copy(self)
        other.ranker = ranker
        return other

    def with_collaborative(self, collaborative: CollaborativeModel | None) -> Engine:
        """Return this engine with another collaborative model, or with none."""
        other = copy(self)
        other.collaborative = collaborative
        return other

    # --- Asking ---------------------------------------------------------------------------------
    def search(
        self,
        text: str = "",
        *,
        photo: Image.Image | None = None,
        like: str | None = None,
        history: pd.DataFrame | None = None,
        filters: Filters = Filters(),
        limit: int = 20,
        offset: int = 0,
    ) -> Answer:
        """Find listings by words, by a photo, by a listing (`like`, its id), or by several of them.

        With nothing asked for, what suits the shopper. `history` is what they did: product_id,
        event, timestamp, in order of time. Raises KeyError for an unknown `like`.

        What passes the filters matches if it has a word of the query (spelling corrected, stems
        compared), or its text is near enough in meaning (LEAST_MEANING; MIN_TEXT_SIMILARITY for
        `like` alone), or one of its photos is near enough to the photo (MIN_IMAGE_SIMILARITY); with
        nothing asked for, all of it. Words are compared with every listing. So are vectors where
        the index is "Flat"; for IVF and HNSW see VectorIndex.within.
        """
        # What has no words would find nothing, and an encoder makes of "🔥" what it makes of any
        # sign that it does not know: the shopper gets what they would get without it.
        says_something = split_words(text) or not text.strip()
        understood = self._lexical.mend(text) if says_something else ""
        query = self.build_query(understood, photo=photo, like=like)
        own = None if like is None else self._position[like]
        changed = understood if understood != text else None
        return self._answer(query, history, filters, limit, offset, own=own, understood=changed)

    def similar(
        self,
        product_id: str,
        *,
        history: pd.DataFrame | None = None,
        filters: Filters = Filters(),
        limit: int = 12,
        offset: int = 0,
    ) -> Answer:
        """Listings like this one: never itself, its copies, or the same photo; no two alike.

        What passes the filters matches if its text or one of its photos is near enough, as for
        `search`. Copies of one product count once. Raises KeyError for an unknown id.
        """
        own = self._position[product_id]
        query = self.build_query(like=product_id)
        return self._answer(query, history, filters, limit, offset, own=own, varied=True)

    def recommend(
        self,
        history: pd.DataFrame | None,
        *,
        filters: Filters = Filters(),
        limit: int = 20,
        offset: int = 0,
        as_of: pd.Timestamp | None = None,
    ) -> Answer:
        """Listings for a shopper, none that they have met; for a new one a mix of all kinds.

        All that passes the filters and was not met matches. Copies of one product count once.
        `as_of`: the moment at which to recommend, by default the newest that is known of.
        """
        return self._answer(
            Query(), history, filters, limit, offset, varied=True, unseen=True, as_of=as_of
        )

    def build_query(
        self, text: str = "", *, photo: Image.Image | None = None, like: str | None = None
    ) -> Query:
        """What a search looks for, from the same arguments as `search`."""
        words = meaning = looks = None
        if text.strip():
            words = self._lexical.scores(text)
            # Of "qwxz" an encoder makes something, but it means nothing.
            if self._lexical.knows(text):
                meaning = self._read_text(text)
        if photo is not None:
            looks = self._read_photo(photo)
        if like is not None:
            own = self._position[like]
            meaning = _sum(meaning, self._texts.vectors(np.array([own]))[0])
            shown = self._cover(np.array([own]))[0]
            looks = _sum(looks, shown if shown.any() else None)
        min_meaning = MIN_TEXT_SIMILARITY if words is None else LEAST_MEANING
        return Query(words, meaning, looks, min_meaning)

    # --- Answering ------------------------------------------------------------------------------
    def _answer(
        self,
        query: Query,
        history: pd.DataFrame | None,
        filters: Filters,
        limit: int,
        offset: int,
        *,
        own: int | None = None,
        understood: str | None = None,
        varied: bool = False,
        unseen: bool = False,
        as_of: pd.Timestamp | None = None,
    ) -> Answer:
        here = None
        if filters.near:
            here = self.place(filters.near)
            if here is None:
                return Answer([], 0, understood, unplaced=filters.near)
        away = distance_km(*here, self._sphere) if here is not None else None
        allowed = self.allowed(filters, away)
        if own is not None:
            allowed &= (self._group != self._group[own]) & ~self._same_picture(own)
        if unseen:
            allowed &= ~self.already_seen(history)
        past = NO_HISTORY if history is None else history
        crowd = None if self.collaborative is None else self.collaborative.features(past, as_of)
        retrieved = self._retrieve(query, allowed, past, crowd, as_of)
        candidates = retrieved.candidates
        scores, parts = self._ranker_for(query).score(
            self._features(query, candidates, past, crowd, away, as_of)
        )
        order = np.argsort(-scores, kind="stable")
        if varied:
            order = self._vary(candidates, scores, order, offset + limit)
        matched = retrieved.matched
        if varied:  # of a product and its copies only one is shown
            matched = self._are_groups_of(retrieved.matched)
        total = int(matched.sum())
        ranked = order[offset : offset + limit]
        hits = self._hits(candidates[ranked], parts.iloc[ranked], away)
        if offset + limit > len(order) and total > len(order):
            rest = self._unranked(query, retrieved, one_of_each=varied)
            start = max(offset - len(order), 0)
            rest = rest[start : offset + limit - len(order)]
            features = {name: values[rest] for name, values in retrieved.features.items()}
            if query.empty:
                features["recency"] = np.nan_to_num(self._freshness(rest, as_of))
            weighted = replace(self._ranker_for(query), trees=None)
            hits += self._hits(rest, weighted.score(pd.DataFrame(features))[1], away)
        return Answer(hits, total, understood)

    def _hits(
        self, positions: np.ndarray, parts: pd.DataFrame, away: np.ndarray | None
    ) -> list[Hit]:
        """The hits at these positions (m,); `parts` (m rows) are those of their scores."""
        names, part_of = list(parts.columns), parts.to_numpy()
        hits = []
        for position, of_hit in zip(positions, part_of, strict=True):
            largest = np.argsort(-np.abs(of_hit), kind="stable")
            why = {names[number]: float(of_hit[number]) for number in largest}
            hits.append(
                Hit(
                    product_id=self._ids[position],
                    score=float(of_hit.sum()),
                    why={name: part for name, part in why.items() if part},
                    distance_km=None if away is None else _known(away[position]),
                )
            )
        return hits

    def _unranked(self, query: Query, retrieved: Retrieved, *, one_of_each: bool) -> np.ndarray:
        """Positions (m,) of the matches that are not candidates, in the order of `Answer`.

        `one_of_each`: of copies of one product only the first, and none of a candidate.
        """
        rest = retrieved.matched.copy()
        rest[retrieved.candidates] = False
        if query.empty:
            positions = self._newest[rest[self._newest]]
        else:
            positions = np.flatnonzero(rest)
            weights = self._ranker_for(query).weights
            scores = np.zeros(len(positions))
            for name, values in retrieved.features.items():
                scores += weights[name] * values[positions]
            positions = positions[np.argsort(-scores, kind="stable")]
        if one_of_each:
            ranked = self._are_groups_of(retrieved.candidates)
            positions = positions[~ranked[self._group[positions]]]
            positions = positions[~pd.Series(self._group[positions]).duplicated().to_numpy()]
        return positions

    def allowed(self, filters: Filters, away: np.ndarray | None = None) -> np.ndarray:
        """Return (n,) bool: what may be shown. `away` is each listing's distance from `near`."""
        allowed = np.ones(len(self.listings), bool)
        # A comparison with NaN is false: what is not known passes no filter.
        if filters.price_min is not None:
            allowed &= self._price >= filters.price_min
        if filters.price_max is not None:
            allowed &= self._price <= filters.price_max
        if not filters.flagged:
            allowed &= ~self._flagged
        if filters.category:
            wanted = tuple(level.strip().casefold() for level in filters.category.split(" / "))
            inside = [
                _contains(tuple(level.casefold() for level in path), wanted) for path in self._paths
            ]
            allowed &= np.array(inside, bool)[self._path_of]
        if away is not None and filters.radius_km is not None:
            allowed &= away <= filters.radius_km
        return allowed

    def candidates(
        self,
        query: Query,
        allowed: np.ndarray,
        history: pd.DataFrame | None = None,
        *,
        away: np.ndarray | None = None,
        as_of: pd.Timestamp | None = None,
    ) -> tuple[np.ndarray, pd.DataFrame]:
        """Return the positions (m,) of listings worth ranking, and their signals.

        Words, meaning and looks each name DEPTH of the `allowed`, if so many match; where
        nothing is asked for they are BROWSED. `away`: each listing's distance (n,) in km from the
        place asked for. `as_of`: the moment of the answer, by default the newest that is known of.
        Features are computed as of then, and listings not yet on offer are left out.
        """
        past = NO_HISTORY if history is None else history
        crowd = None if self.collaborative is None else self.collaborative.features(past, as_of)
        candidates = self._retrieve(query, allowed, past, crowd, as_of).candidates
        return candidates, self._features(query, candidates, past, crowd, away, as_of)

    def _retrieve(
        self,
        query: Query,
        allowed: np.ndarray,
        past: pd.DataFrame,
        crowd: pd.DataFrame | None,
        as_of: pd.Timestamp | None,
    ) -> Retrieved:
        """All of the `allowed`, (n,) bool, that match, and which of them are candidates."""
        if as_of is not None:
            allowed = allowed & self._on_offer(as_of)
        if query.empty:
            return Retrieved(np.unique(self._browse(allowed, past, crowd)), allowed, {})
        matched = np.zeros(len(allowed), bool)
        features: dict[str, np.ndarray] = {}
        candidates = []
        if query.words is not None:
            worded = np.where(allowed, query.words, 0)
            best = np.argpartition(-worded, min(DEPTH, len(worded) - 1))[:DEPTH]
            candidates.append(best[worded[best] > 0])
            matched |= worded > 0
            features["bm25"] = np.square(worded)
        if query.meaning is not None:
            near, cosines = self._texts.within(
                query.meaning[None], query.min_meaning, allowed, min_breadth=DEPTH
            )
            candidates.append(near[_largest(cosines, DEPTH)])
            matched[near] = True
            features["text_similarity"] = np.zeros(len(allowed), np.float32)
            features["text_similarity"][near] = cosines
        if query.looks is not None:
            rows, cosines = self._photos.within(
                query.looks[None],
                MIN_IMAGE_SIMILARITY,
                allowed[self._owner],
                min_breadth=2 * DEPTH,
            )
            owners = self._owner[rows]
            candidates.append(owners[_largest(cosines, 2 * DEPTH)])
            matched[owners] = True
            features["image_similarity"] = np.zeros(len(allowed), np.float32)
            np.maximum.at(features["image_similarity"], owners, cosines)
        return Retrieved(np.unique(np.concatenate(candidates)), matched, features)

    def _features(
        self,
        query: Query,
        candidates: np.ndarray,
        past: pd.DataFrame,
        crowd: pd.DataFrame | None,
        away: np.ndarray | None,
        as_of: pd.Timestamp | None,
    ) -> pd.DataFrame:
        """The ranker's features of candidates (m,), a row each."""
        attributes = self._attributes(candidates)
        features = self._query_signals(query, candidates, attributes)
        person = self._person_signals(past, crowd, candidates, attributes, query.empty)
        fresh = self._freshness(candidates, as_of)
        item = pd.DataFrame({"recency": fresh, "price_fairness": self._fair[candidates]})
        features = pd.concat([features, person, item], axis=1)
        if away is not None:  # the place asked for, not where the shopper usually looks
            features["proximity"] = proximity(away[candidates])
        return features

    def _query_signals(
        self, query: Query, candidates: np.ndarray, attributes: Attributes
    ) -> pd.DataFrame:
        """words, meaning and looks of what is asked for, the latter two over their largest.

        After words, two things more. What the listings most alike have of words and meaning speaks
        for a candidate too (`meaning.alike`). And the best FEEDBACK candidates say what was meant:
        the query's meaning moves towards theirs, and what looks like them comes first
        (pseudo-relevance feedback).
        """
        signals = {}
        texts = attributes.text
        if query.words is not None:
            # Squared: a listing with all the words is what was asked for, one with half may not be.
            signals["bm25"] = np.square(query.words[candidates])
        if query.meaning is not None:
            signals["text_similarity"] = _share_of_largest(texts @ query.meaning)
        if query.looks is not None:
            signals["image_similarity"] = _share_of_largest(
                self._nearest_photo(query.looks, candidates)
            )
        if query.words is not None and query.meaning is not None and len(candidates):
            others, place = np.unique(self._alike[candidates], return_inverse=True)
            place = place.reshape(len(candidates), -1)
            worded = np.square(query.words[others])
            others_texts = self._texts.vectors(others)

            def read(meaning: np.ndarray) -> None:
                """Set the signals of a meaning."""
                own = np.clip(texts @ meaning, 0, None)
                largest = max(float(own.max()), 1e-9)
                signals["text_similarity"] = own / largest
                if len(others):
                    theirs = np.clip(others_texts @ meaning / largest, 0, 1)
                    signals["text_similarity.neighbours"] = ((worded + theirs) / 2)[place].mean(
                        axis=1
                    )

            read(query.meaning)
            # Not with the ranker's own weights: these are chosen on what this function returns.
            weights = self._weights_for(query, self.ranker.feedback)
            table = np.column_stack(list(signals.values()))
            scores = np.nan_to_num(table) @ np.array([weights[name] for name in signals])
            best = np.argsort(-scores, kind="stable")[:FEEDBACK]
            trust = np.clip(scores[best], 0, None)
            trust = trust / trust.sum() if trust.any() else np.full(len(best), 1 / len(best))
            read(query.meaning + FEEDBACK_WEIGHT * (trust @ texts[best]))
            if query.looks is None:
                covers = attributes.photo
                seen = _share_of_largest(covers @ (trust @ covers[best]))
                signals["image_similarity"] = np.where(covers.any(1), seen, np.nan)
        return pd.DataFrame(signals, index=range(len(candidates)))

    def _ranker_for(self, query: Query) -> Ranker:
        """The ranker, with weights that fit what is asked with."""
        weights = {name: self.ranker.weights[name] for name in QUERY_FEATURES}
        return self.ranker.with_weights(self._weights_for(query, weights))

    @staticmethod
    def _weights_for(query: Query, weights: dict[str, float]) -> dict[str, float]:
        """Those of QUERY_FEATURES, changed to fit what is asked with.

        They were chosen on texts, whose looks are but a guess. A photo or a listing asked with
        means its looks: text and photo count alike, and either alone has all the weight.
        """
        if query.words is not None and query.looks is None:
            return weights
        total = sum(weights.values())
        if query.words is None:
            given = {"text_similarity": query.meaning, "image_similarity": query.looks}
            asked = [name for name, vector in given.items() if vector is not None]
            return weights | {name: total / len(asked) for name in asked}
        of_text = total - weights["image_similarity"]
        share = total / 2 / of_text if of_text else 0.0
        return {name: weight * share for name, weight in weights.items()} | {
            "image_similarity": total / 2
        }

    def _on_offer(self, as_of: pd.Timestamp) -> np.ndarray:
        """Return (n,) bool: listings that may have been on offer at a time, the undated included.

        A listing with an event before was, whatever its date: sellers replace photos.
        """
        late = np.flatnonzero(self._created > as_of.to_datetime64())
        allowed = np.ones(len(self._created), bool)
        allowed[late] = False
        if self.collaborative is not None and len(late):
            allowed[late] = self.collaborative.seen_before(as_of, [self._ids[row] for row in late])
        return allowed

    def _freshness(self, positions: np.ndarray, as_of: pd.Timestamp | None) -> np.ndarray:
        """Return (m,): 1 for what was listed just now, half of it with every FRESH_DAYS, NaN where
        the time of listing is unknown."""
        if pd.isna(self._last_created):
            return np.full(len(positions), np.nan)
        if as_of is None:
            ends = [] if self.collaborative is None else [self.collaborative.end]
            as_of = max([self._last_created, *ends])
        age = (as_of.to_datetime64() - self._created[positions]) / np.timedelta64(1, "D")
        return 0.5 ** (np.maximum(age, 0) / FRESH_DAYS)

    def _person_signals(
        self,
        past: pd.DataFrame,
        crowd: pd.DataFrame | None,
        candidates: np.ndarray,
        attributes: Attributes,
        browsing: bool,
    ) -> pd.DataFrame:
        """What tastes and `crowd`, the collaborative signals, both of `past`, say of candidates.

        `browsing`: nothing was asked for.
        """
        liked = self._positions(past["product_id"])
        known, liked = past[liked >= 0], liked[liked >= 0]
        if len(liked):
            weights = event_weights(known["event"]) * event_decay(known["timestamp"])
            tastes = compute_user_features(self._attributes(liked), weights, attributes)
        else:
            tastes = pd.DataFrame(np.nan, index=range(len(candidates)), columns=USER_FEATURES)
        if crowd is None or self.collaborative is None:
            return tastes
        of_candidates = crowd.reindex([self._ids[position] for position in candidates])
        if not past["product_id"].isin(self.collaborative.index).any():
            # Of somebody that the crowd knows nothing of, nothing but what is everybody's is known.
            shared_by_all = of_candidates[SHARED_FEATURES]
            of_candidates = new_user_features(shared_by_all) if browsing else shared_by_all
        return pd.concat([tastes, of_candidates.reset_index(drop=True)], axis=1)

    def _attributes(self, positions: np.ndarray) -> Attributes:
        return Attributes(
            category=self._paths[self._path_of[positions]],
            price=self._meant_price[positions],
            text=self._texts.vectors(positions),
            photo=self._cover(positions),
            place=self._place[positions],
        )

    def _photo_rows(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of all photos of these listings, and which of them each row is of."""
        starts, ends = self._first_photo[positions], self._first_photo[positions + 1]
        of = np.repeat(np.arange(len(positions)), ends - starts)
        rows = np.arange(len(of)) - np.repeat(np.cumsum(ends - starts) - ends, ends - starts)
        return rows, of

    def _cover(self, positions: np.ndarray) -> np.ndarray:
        """The mean look (m, width) of each listing's photos, of length 1; zeros without any."""
        rows, of = self._photo_rows(positions)
        ones = np.ones(len(rows), np.float32)
        each = sparse.csr_array((ones, (of, np.arange(len(rows)))), (len(positions), len(rows)))
        total = each @ self._photos.vectors(rows)
        return normalize(total) if len(total) else total

    def _nearest_photo(self, looks: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """The cosine (m,) to each listing's photo that is nearest; NaN without any."""
        rows, of = self._photo_rows(positions)
        nearest = np.full(len(positions), -np.inf)
        np.maximum.at(nearest, of, self._photos.vectors(rows) @ looks)
        return np.where(np.isinf(nearest), np.nan, nearest)

    def _are_groups_of(self, listings: np.ndarray) -> np.ndarray:
        """Return (groups,) bool: those of the listings, given by positions or as (n,) bool."""
        groups = np.zeros(self._groups, bool)
        groups[self._group[listings]] = True
        return groups

    def _same_picture(self, own: int) -> np.ndarray:
        """Return (n,) bool: the listings with a photo that is all but the same as one of `own`."""
        rows, _ = self._photo_rows(np.array([own]))
        near, _ = self._photos.within(self._photos.vectors(rows), SAME_LOOK)
        same = np.zeros(len(self.listings), bool)
        same[self._owner[near]] = True
        return same

    def already_seen(self, history: pd.DataFrame | None) -> np.ndarray:
        """Return (n,) bool: the listings of a history, and copies of them."""
        past = NO_HISTORY if history is None else history
        positions = self._positions(past["product_id"])
        return np.isin(self._group, self._group[positions[positions >= 0]])

    def _positions(self, ids: Iterable[str]) -> np.ndarray:
        """The positions of listings by their ids, -1 where there is none."""
        return np.array([self._position.get(id_, -1) for id_ in ids], np.int64)

    def _browse(
        self, allowed: np.ndarray, past: pd.DataFrame, crowd: pd.DataFrame | None
    ) -> np.ndarray:
        """Candidates where nothing is asked for: near what the shopper met, liked by the crowd, and
        the newest."""
        positions = np.flatnonzero(allowed)
        if len(positions) <= BROWSED:
            return positions
        share = BROWSED // 4
        found = []
        met = self._positions(past["product_id"].drop_duplicates(keep="last"))
        met = met[met >= 0][-LATEST:]
        if len(met):
            each = -(-share // len(met))
            best = self._texts.search(self._texts.vectors(met), each, allowed)[1]
            found.append(best[best >= 0])
            seen = self._cover(met)
            best = self._photos.search(seen[seen.any(1)], each, allowed[self._owner])[1]
            found.append(self._owner[best[best >= 0]])
        if crowd is not None:
            for name in ("co_occurrence", "next_item", "popularity"):
                liked = crowd.loc[crowd[name] > 0, name]
                best = self._positions(liked.nlargest(share).index)
                found.append(best[(best >= 0) & allowed[best]])
        near = np.unique(np.concatenate([np.empty(0, np.int64), *found]))
        rest = allowed.copy()
        rest[near] = False
        newest = self._newest[rest[self._newest]][: max(BROWSED - len(near), 0)]
        return np.concatenate([near, newest])

    def _vary(
        self, candidates: np.ndarray, scores: np.ndarray, order: np.ndarray, count: int
    ) -> np.ndarray:
        """Reorder so that the first `count` are not all alike: maximal marginal relevance
        (Carbonell and Goldstein 1998), among the first POOL. No two copies of one product.

        A larger `count` goes on where a smaller one ended: pages fit together.
        """
        first = ~pd.Series(self._group[candidates[order]]).duplicated().to_numpy()
        order = order[first]
        pool = order[:POOL]
        if len(pool) < 2:
            return order
        texts = self._texts.vectors(candidates[pool])
        relevance = scores[pool] - scores[pool].min()
        relevance = relevance / (relevance.max() or 1)
        nearest = np.zeros(len(pool))  # to what was picked already
        left = np.ones(len(pool), bool)
        picked = []
        for _ in range(min(count, len(pool))):
            gain = np.where(left, (1 - VARIETY) * relevance - VARIETY * nearest, -np.inf)
            best = int(gain.argmax())
            picked.append(best)
            left[best] = False
            nearest = np.maximum(nearest, texts @ texts[best])
        return np.concatenate([pool[picked], pool[left], order[POOL:]])

    # --- Looking up -----------------------------------------------------------------------------
    def place(self, name: str) -> tuple[float, float] | None:
        """Latitude and longitude of "Leeds" or "Leeds, West Yorkshire"; None if unknown."""
        for spelling in (name, name.partition(",")[0]):
            if fold(spelling) in self._places.index:
                latitude, longitude = self._places.loc[fold(spelling)]
                return float(latitude), float(longitude)
        return None

    def listing(self, product_id: str) -> dict[str, Any]:
        """All that is shown of a listing; `photos` are numbers for `photo`. KeyError if unknown."""
        position = self._position[product_id]
        row = self.listings.iloc[position]
        rows, _ = self._photo_rows(np.array([position]))
        shown = ["product_id", "name", "description", "location", "price_flag"]
        return {
            **{name: row[name] for name in shown},
            "category": list(row["category_levels"]),
            "price": float(row["price"]),
            "price_expected": float(row["price_expected"]),
            "photos": self._photo_number[rows].tolist(),
            "created": None if pd.isna(row["created"]) else row["created"].date().isoformat(),
        }

    def photo_vectors(self, numbers: np.ndarray) -> np.ndarray:
        """The look (m, width) of photos, by their numbers among the packed."""
        row_of = np.argsort(self._photo_number)
        found = np.searchsorted(self._photo_number, numbers, sorter=row_of)
        return self._photos.vectors(row_of[found])

    def categories(self) -> list[tuple[str, int]]:
        """Every path of categories, at each of its depths, and how many listings it holds."""
        counts: Counter[tuple[str, ...]] = Counter()
        for path, count in zip(self._paths, np.bincount(self._path_of), strict=True):
            for depth in range(1, len(path) + 1):
                counts[path[:depth]] += int(count)
        return sorted((" / ".join(path), count) for path, count in counts.items())

    def places(self) -> list[str]:
        """The locations of the listings that a place is known for, the commonest first."""
        known = ~np.isnan(self._place).any(1)
        return self.listings.loc[known, "location"].value_counts().index.tolist()


class TextReader:
    """Reads a query as a unit vector; one thread at a time, and the same query once."""

    def __init__(self, encoder: Callable[[], Any]) -> None:
        """`encoder` loads a SentenceTransformer, when the first query is read."""
        self._open = encoder
        self._lock = Lock()
        self._read: dict[str, np.ndarray] = {}  # the one that was asked for last comes last

    @classmethod
    def load(cls, index: Path, device: str) -> TextReader:
        """The reader whose vectors are those of this index: the same encoder, by its weights."""
        about = json.loads((index / "index.json").read_text(encoding="utf-8"))["encoder"]
        return cls(partial(load_text_encoder, device, about["name"], about["sha256"]))

    def __call__(self, text: str) -> np.ndarray:
        text = " ".join(text.split())
        with self._lock:
            vector = self._read.pop(text, None)
            self._read[text] = self._encode([text])[0] if vector is None else vector
            if len(self._read) > REMEMBERED:
                del self._read[next(iter(self._read))]
            return self._read[text]

    def read_ahead(self, texts: Iterable[str]) -> None:
        """Read queries together, which is faster than one by one, and remember them."""
        new = list(dict.fromkeys(" ".join(text.split()) for text in texts))[:REMEMBERED]
        with self._lock:
            self._read |= zip(new, self._encode(new), strict=True)

    @cached_property
    def _encoder(self) -> Any:
        return self._open()

    def _encode(self, texts: list[str]) -> np.ndarray:
        return self._encoder.encode_query(texts, normalize_embeddings=True, show_progress_bar=False)


class PhotoEncoder:
    """Reads a photo as a unit vector of the index; one thread at a time."""

    def __init__(self, embed: Path, space: PhotoSpace, array_size: int, device: str) -> None:
        self._embed, self._space, self._array_size = embed, space, array_size
        self._device = device
        self._lock = Lock()

    def __call__(self, photo: Image.Image) -> np.ndarray:
        photo = photo.convert("RGB")
        colours = colour_histogram(to_array(photo, self._array_size))
        with self._lock:
            features = self._reader.features(self._reader.pixels(photo)[None]).cpu().numpy()
        return self._space.transform(features, colours[None])[0]

    @cached_property
    def _reader(self) -> PhotoReader:
        return PhotoReader.load(
            self._embed,
            self._device,
            load_network=Classifier.load,
            encode=to_jpeg,
            decode=open_photo,
        )


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """Where the `count` largest are, or all if there are no more."""
    if len(values) <= count:
        return np.arange(len(values))
    return np.argpartition(-values, count)[:count]


def _known(number: float) -> float | None:
    return None if np.isnan(number) else float(number)


def _sum(one: np.ndarray | None, other: np.ndarray | None) -> np.ndarray | None:
    """The direction of both vectors; None is no vector."""
    given = [vector for vector in (one, other) if vector is not None]
    return normalize(np.sum(given, axis=0)[None])[0] if given else None


def _share_of_largest(values: np.ndarray) -> np.ndarray:
    """Values below 0 become 0, the largest 1; NaN stays."""
    above = np.clip(values, 0, None)
    largest = np.nanmax(above, initial=0.0)
    return above / largest if largest > 0 else above


def _contains(path: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    """Whether `wanted` is a run of names within the path."""
    starts = range(len(path) - len(wanted) + 1)
    return any(path[start : start + len(wanted)] == wanted for start in starts)
