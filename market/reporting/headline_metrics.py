"""The numbers that are told first, of all that the stages measure, and where each one stands.

A path names a stage and its keys: "classify.fused.ece" is fused.ece in metrics/classify.json.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from market.core.errors import MarketError

Metrics = dict[str, dict[str, Any]]  # by the stage that wrote them


class Headline(NamedTuple):
    """A score: its path, those of a simpler and of a trivial way to get one, and of its n.

    Of several simpler ways, by their names, the one with the highest score counts.
    """

    title: str
    measure: str
    model: str
    baseline: str | dict[str, str] = ""
    trivial: str = ""
    n: str = ""  # "": beside the model's score


MAJORITY = "classify.majority_accuracy"
SVM = "classify.text_baseline.accuracy"
LAYER = "train_cnn.new_layer.test_accuracy"
NAMES, ITEMS = "evaluate.search.category_names", "evaluate.search.known_items"
PHOTO, LOG = "evaluate.photo_to_photo", "evaluate.personalised.log"
LAST_OUT = "evaluate.personalised.leave_last_out"


def _ways(of: str, **names: str) -> dict[str, str]:
    """The NDCG@10 of several simpler ways: their keys below `of`, by the names to show."""
    return {name: f"{of}.{key}.ndcg@10" for key, name in names.items()}


SEARCH_WAYS = {"bm25": "BM25", "embedding": "embedding", "reciprocal_rank_fusion": "RRF"}
USER_WAYS = {"popular": "popular", "recent_popular": "recent"}

# fmt: off
HEADLINES = (
    Headline("category of a photo", "accuracy", "train_cnn.test.accuracy",
             "classify_rf.accuracy", "train_cnn.majority_accuracy"),
    Headline("– by the new layer, mean of 3 trainings", "accuracy", f"{LAYER}.mean",
             n="train_cnn.test.n"),
    Headline("– the same, were photos split: leaks", "accuracy", f"{LAYER}_if_split_by_photo.mean",
             n="train_cnn.test.n"),
    Headline("category by text", "accuracy", "classify.text.accuracy", SVM, MAJORITY),
    Headline("category by photos", "accuracy", "classify.photo.accuracy", "", MAJORITY),
    Headline("category by text and photos", "accuracy", "classify.fused.accuracy", SVM, MAJORITY),
    Headline("– without the near-copies", "accuracy",
             "classify.fused_without_near_copies.accuracy"),
    Headline("category by text and photos", "macro F1", "classify.fused.macro_f1",
             "classify.text_baseline.macro_f1"),
    Headline("category by text and photos", "calibration error", "classify.fused.ece"),
    Headline("price", "RMSLE", "regress.model.rmsle",
             "regress.ridge.rmsle", "regress.constant.rmsle"),
    Headline("price", "median error in £", "regress.model.median_ae",
             "regress.ridge.median_ae", "regress.constant.median_ae"),
    Headline("price", "share in interval", "regress.interval.coverage"),
    Headline("price, placeholders left out", "RMSLE", "regress.without_placeholders.model.rmsle",
             "regress.without_placeholders.ridge.rmsle",
             "regress.without_placeholders.constant.rmsle"),
    Headline("search by names of categories", "NDCG@10", f"{NAMES}.model.ndcg@10",
             _ways(NAMES, **SEARCH_WAYS), f"{NAMES}.random.ndcg@10"),
    Headline("search for one known listing", "NDCG@10", f"{ITEMS}.model.ndcg@10",
             _ways(ITEMS, **SEARCH_WAYS), f"{ITEMS}.random.ndcg@10"),
    Headline("a product's other photo by one", "recall@1", f"{PHOTO}.model.recall@1",
             "", f"{PHOTO}.random.recall@1"),
    Headline("a product's other photo by one", "recall@10", f"{PHOTO}.model.recall@10",
             "", f"{PHOTO}.random.recall@10"),
    Headline("next-item recommendation, split by time", "NDCG@10", f"{LOG}.model.ndcg@10",
             _ways(LOG, **USER_WAYS), f"{LOG}.random.ndcg@10"),
    Headline("– the same, leave-last-out: later events leak", "NDCG@10",
             f"{LAST_OUT}.model.ndcg@10", _ways(LAST_OUT, **USER_WAYS),
             f"{LAST_OUT}.random.ndcg@10"),
)
# fmt: on


def read_metrics(folder: Path, stages: Iterable[str] = ()) -> Metrics:
    """The metrics in a folder, of the `stages` named or of all that are there.

    Raises MarketError if those of a named stage, or those of `clean`, are not there.
    """
    named = [folder / f"{name}.json" for name in stages]
    found = {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in named or sorted(folder.glob("*.json"))
        if path.exists()
    }
    for name in ("clean", *(path.stem for path in named)):
        if name not in found:
            raise MarketError(f"{folder}/ has no metrics of {name}: run `dvc repro` first")
    return found


def number_at(metrics: Metrics, path: str) -> float | None:
    """The number at a path; None if a small dataset, or an older run, has none there."""
    found: Any = metrics
    for key in path.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found


def best_baseline(metrics: Metrics, headline: Headline) -> tuple[str, float | None]:
    """The name and score of the best simpler way, "" where there is but one, or no score."""
    if isinstance(headline.baseline, str):
        return "", number_at(metrics, headline.baseline)
    scores = {name: number_at(metrics, path) for name, path in headline.baseline.items()}
    known = {name: score for name, score in scores.items() if score is not None}
    best = max(known, key=lambda name: known[name], default="")
    return best, known.get(best)


def measured(metrics: Metrics, headline: Headline) -> list[float | None]:
    """The score, a simpler way's, a trivial way's, and n."""
    beside = headline.model.rpartition(".")[0] + ".n"
    model, trivial, n = (
        number_at(metrics, path)
        for path in (headline.model, headline.trivial, headline.n or beside)
    )
    return [model, best_baseline(metrics, headline)[1], trivial, n]
