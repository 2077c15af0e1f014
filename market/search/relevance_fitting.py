"""Fit where the results of a search end, on queries with known answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize

from market.core.stage import progress
from market.search.engine import Engine
from market.search.evaluation_queries import Queries
from market.search.fitting import TuningQueries
from market.search.query import Query
from market.search.relevance import KEEP_ALL, PHOTO_FEATURES, WORD_FEATURES, Cutoff, Relevance
from market.search.retrieval import Matches, retrieve
from market.search.tuning import EVERYTHING

MAX_PHOTO_QUERIES = 200  # listings of a split whose photos become queries
MIN_QUERIES = 5  # of a kind, to choose a cut-off on
MIN_ITEM_RECALL = 0.95  # share of the known items that must stay among the results
MIN_PHOTO_RECALL = 0.9  # share of the recall of all matches that searches by photo must keep
RELATED_BETA = 3  # related listings end where F3 is largest: recall counts nine times
THRESHOLDS = 400  # that are tried
PENALTY = 0.02  # of the squared weights
LOSS_SCALE = 100.0  # of the mean loss over queries, beside the penalty


@dataclass(frozen=True, eq=False)
class LabelledMatches:
    """The m matches of a query with known answers.

    Attributes
    ----------
    features
        (m, features) as in `QueryRelevance`.
    relevant
        (m,) bool.
    labelled
        (m,) bool: False for a match that nobody can call right or wrong.
    n_relevant
        The number of relevant listings, those that do not match included.
    """

    features: np.ndarray
    relevant: np.ndarray
    labelled: np.ndarray
    n_relevant: int


class Quality(NamedTuple):
    """What is shown of the matches of a query, at each of some thresholds (t,)."""

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    shown: np.ndarray


def _leaf_ids(engine: Engine) -> np.ndarray:
    """Return (n,) the number of each listing's category path; -1 without a category."""
    catalogue = engine.catalogue
    has_category = np.array([len(path) > 0 for path in catalogue.paths], bool)
    return np.where(has_category[catalogue.path_of], catalogue.path_of, -1)


def match_words(engine: Engine, queries: Queries, *, known_items: bool) -> list[LabelledMatches]:
    """Return the matches of queries in words.

    Parameters
    ----------
    engine
        Searches all listings.
    queries
        Each with its relevant ids.
    known_items
        Whether the queries are parts of names. Their other answers are unknown: listings of the
        same category, and those that contain every word of the query, have no label then.
    """
    engine = engine.with_relevance(KEEP_ALL)
    leaves = _leaf_ids(engine)
    allowed = engine.allowed(EVERYTHING)
    labelled = []
    for text, relevant_ids in progress(queries.items(), desc="match queries", unit="query"):
        query = engine.build_query(text)
        if query.bm25 is None or query.relevance is None:
            continue
        matches = retrieve(query, allowed, engine.catalogue, engine.vectors)
        positions = np.flatnonzero(matches.matched)
        answers = engine.catalogue.positions(sorted(relevant_ids))
        relevant = np.isin(positions, answers)
        has_label = np.ones(len(positions), bool)
        if known_items:
            own = leaves[answers[answers >= 0]]
            same_kind = np.isin(leaves[positions], own[own >= 0])
            has_label = relevant | ~(same_kind | _contains_all(engine, text)[positions])
        features = query.relevance.word_features(
            query.bm25[positions], _values(matches, "text_similarity", positions)
        )
        labelled.append(LabelledMatches(features, relevant, has_label, len(relevant_ids)))
    return labelled


def _contains_all(engine: Engine, text: str) -> np.ndarray:
    """Return (n,) bool: the listings that contain every word of a query."""
    contains = np.ones(len(engine.catalogue), bool)
    for word in engine.lexical.language.words(text):
        contains &= engine.lexical.scores(word) > 0
    return contains


def match_photos(engine: Engine, drawn: np.ndarray) -> list[LabelledMatches]:
    """Return the matches of photos of listings; listings of the same category are relevant.

    Parameters
    ----------
    engine
        Searches all listings.
    drawn
        Positions of listings, the first photo of each of which is a query. Those without a photo
        or a category are left out. Copies of the listing are no answers.
    """
    engine = engine.with_relevance(KEEP_ALL)
    leaves = _leaf_ids(engine)
    everything = engine.allowed(EVERYTHING)
    labelled = []
    for position in progress(drawn.tolist(), desc="match photos", unit="photo"):
        rows, _ = engine.catalogue.photos.rows(np.array([position]))
        allowed = everything & ~engine.catalogue.in_groups_of(np.array([position]))
        answers = (leaves == leaves[position]) & allowed
        if not len(rows) or leaves[position] < 0 or not answers.any():
            continue
        vector = engine.vectors.images.vectors(rows[:1])[0]
        query = engine.with_end(Query(image_vector=vector))
        assert query.relevance is not None
        matches = retrieve(query, allowed, engine.catalogue, engine.vectors)
        positions = np.flatnonzero(matches.matched)
        features = query.relevance.photo_features(_values(matches, "image_similarity", positions))
        ones = np.ones(len(positions), bool)
        labelled.append(LabelledMatches(features, answers[positions], ones, int(answers.sum())))
    return labelled


def _values(matches: Matches, name: str, positions: np.ndarray) -> np.ndarray:
    values = matches.features.get(name)
    return np.zeros(len(positions)) if values is None else values[positions]


# --- Quality of what is shown ---------------------------------------------------------------------
def measure(
    query: LabelledMatches, chances: np.ndarray, thresholds: np.ndarray, beta: float = 1
) -> Quality:
    """Return precision, recall, F and the number of matches shown, for each threshold (t,).

    Parameters
    ----------
    query
        A query with known answers.
    chances
        (m,) what must reach the threshold for a match to be shown.
    thresholds
        (t,). Matches without a label count neither for nor against precision.
    beta
        How much more recall counts than precision in F.
    """

    def count(kept: np.ndarray) -> np.ndarray:
        below = np.searchsorted(np.sort(chances[kept]), thresholds, side="left")
        return (kept.sum() - below).astype(float)

    right, labelled = count(query.relevant), count(query.labelled)
    precision = right / np.maximum(labelled, 1)
    recall = right / query.n_relevant
    bottom = np.maximum(beta**2 * precision + recall, 1e-12)
    f_score = (1 + beta**2) * precision * recall / bottom
    return Quality(precision, recall, f_score, count(np.ones(len(chances), bool)))


def measure_cutoff(cutoff: Cutoff | None, query: LabelledMatches) -> dict[str, float]:
    """Return precision, recall, F1 and the number of results of a query that ends at a cut-off.

    Without a cut-off, all matches are results.
    """
    if cutoff is None:
        quality = measure(query, np.zeros(len(query.relevant)), np.zeros(1))
    else:
        chances = cutoff.probabilities(query.features)
        quality = measure(query, chances, np.array([cutoff.min_relevant]))
    return {name: float(values[0]) for name, values in quality._asdict().items()}


# --- Fitting --------------------------------------------------------------------------------------
def fit_cutoff(
    names: tuple[str, ...],
    complete: Sequence[LabelledMatches],
    items: Sequence[LabelledMatches] = (),
    *,
    min_recall: float = 0.0,
) -> Cutoff | None:
    """Return the cut-off with the largest mean F1 on training queries.

    Parameters
    ----------
    names
        The features, in the order of the columns.
    complete
        Queries whose relevant listings are all known: F1 is measured on them.
    items
        Queries for known items, of which MIN_ITEM_RECALL must stay among the results. F1 is
        measured on them if there are fewer than MIN_QUERIES others.
    min_recall
        The share of the mean recall of all matches that must stay, on `complete`.

    Returns
    -------
    Cutoff or None
        None if there are too few queries.
    """
    kinds = [kind for kind in (complete, items) if len(kind) >= MIN_QUERIES]
    if not kinds:
        return None
    weights, intercept = _fit_logistic(kinds)
    cutoff = Cutoff(dict(zip(names, weights.tolist(), strict=True)), intercept, 0.0, 0.0)
    chances = [[cutoff.probabilities(query.features) for query in kind] for kind in kinds]
    values = np.concatenate([chance for kind in chances for chance in kind])
    if not len(values):
        return None
    shares = np.linspace(0, 1, THRESHOLDS)
    # Most matches are irrelevant, so most of the thresholds to try are among the best matches.
    tried = np.unique(np.quantile(values, np.r_[shares**0.2, shares if min_recall else []]))
    relevant = _best_threshold(kinds, chances, tried, beta=1, min_recall=min_recall)
    related = _best_threshold(kinds, chances, tried, beta=RELATED_BETA, min_recall=min_recall)
    return Cutoff(cutoff.weights, intercept, relevant, min(related, relevant))


def _fit_logistic(kinds: Sequence[Sequence[LabelledMatches]]) -> tuple[np.ndarray, float]:
    """Return weights, none below 0, and an intercept; each kind and each query count the same."""
    features, targets, shares = [], [], []
    for kind in kinds:
        for query in kind:
            features.append(query.features[query.labelled])
            targets.append(query.relevant[query.labelled])
            count = max(int(query.labelled.sum()), 1)
            shares.append(np.full(int(query.labelled.sum()), LOSS_SCALE / count / len(kind)))
    table, target, share = (np.concatenate(part) for part in (features, targets, shares))

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        weights = parameters[:-1]
        scores = table @ weights + parameters[-1]
        value = share @ (np.logaddexp(0, scores) - target * scores)
        error = share * (1 / (1 + np.exp(-scores)) - target)
        gradient = np.append(table.T @ error + PENALTY * weights, error.sum())
        return float(value + PENALTY * weights @ weights / 2), gradient

    bounds = [(0, None)] * table.shape[1] + [(None, None)]
    start = np.zeros(table.shape[1] + 1)
    parameters = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return parameters[:-1], float(parameters[-1])


def _best_threshold(
    kinds: Sequence[Sequence[LabelledMatches]],
    chances: Sequence[Sequence[np.ndarray]],
    tried: np.ndarray,
    *,
    beta: float,
    min_recall: float,
) -> float:
    """Return the threshold with the best F of the first kind, among those that keep enough.

    That is the share `min_recall` of the recall of the first kind, and the items.
    """
    f_score, recall, item_recall = (
        np.mean(
            [
                getattr(measure(query, chance, tried, beta), name)
                for query, chance in zip(kinds[kind], chances[kind], strict=True)
            ],
            axis=0,
        )
        for kind, name in ((0, "f1"), (0, "recall"), (-1, "recall"))
    )
    keeps_enough = recall >= min_recall * recall[0]
    if len(kinds) > 1:
        keeps_enough &= item_recall >= MIN_ITEM_RECALL * item_recall[0]
    return float(tried[np.argmax(np.where(keeps_enough, f_score, -1))])


def draw_photo_queries(split: np.ndarray, part: str, seed: int) -> np.ndarray:
    """Return the positions of MAX_PHOTO_QUERIES random listings of a part of the split (n,)."""
    positions = np.flatnonzero(split == part)
    return np.random.default_rng(seed).permutation(positions)[:MAX_PHOTO_QUERIES]


def tune_relevance(
    engine: Engine, queries: TuningQueries, photos: np.ndarray
) -> tuple[Relevance, list[Cutoff | None], dict[str, Any]]:
    """Choose where the results of searches by words and by photo end.

    Parameters
    ----------
    engine
        Searches all listings.
    queries
        Category names, whose relevant listings are all known, and train items.
    photos
        Positions of train listings, whose photos are queries.

    Returns
    -------
    relevance, tested, metrics
        The cut-offs to serve, chosen on all category names, train items and photos; the cut-off of
        words for each test of `tune_weights`, chosen without its queries; and the quality of the
        former on the queries that they were chosen on.
    """
    halves = [match_words(engine, half, known_items=False) for half in queries.category_halves]
    items = match_words(engine, queries.train_items, known_items=True)
    by_first, by_second = (fit_cutoff(WORD_FEATURES, half, items) for half in halves)
    names = halves[0] + halves[1]
    by_photo = match_photos(engine, photos)
    relevance = Relevance(
        fit_cutoff(WORD_FEATURES, names, items),
        fit_cutoff(PHOTO_FEATURES, by_photo, min_recall=MIN_PHOTO_RECALL),
    )
    metrics = {
        "category_names": average_quality(relevance.words, names),
        "known_items": average_quality(relevance.words, items),
        "photos": average_quality(relevance.photo, by_photo),
    }
    return relevance, [by_second, by_first, by_first], metrics


def average_quality(
    cutoff: Cutoff | None, queries: Sequence[LabelledMatches]
) -> dict[str, dict[str, float]]:
    """Return the mean quality of results that end at a cut-off, beside that of all matches.

    Returns
    -------
    dict
        "model" and "all_matches": "precision", "recall", "f1", "shown" (results per query) and
        "n"; empty without queries.
    """
    if not queries:
        return {}
    methods = {"model": cutoff, "all_matches": None}
    tables = {
        method: [measure_cutoff(each, query) for query in queries]
        for method, each in methods.items()
    }
    return {
        method: {
            **{name: float(np.mean([row[name] for row in rows])) for name in rows[0]},
            "n": len(rows),
        }
        for method, rows in tables.items()
    }
