"""Headline metrics: the few that README, model card and report show, and where to find each one.

This is the only module that knows a path into `metrics/*.json`. A path names a stage and its keys:
"classify.fused.ece" is the value at fused.ece in metrics/classify.json.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from market.core.errors import MarketError

Metrics = dict[str, dict[str, Any]]  # the content of metrics/*.json, by stage


class Headline(NamedTuple):
    """A score of the model, beside its baselines.

    Parameters
    ----------
    title
        The task. A title that begins with "–" is a variant of the row above it.
    measure
        The measure, with its unit if it has one.
    model
        Path of the model's score.
    baseline
        Path of a simple baseline's score, or paths by the baselines' names: the highest counts.
    trivial
        Path of the score without any model, such as the majority class or a random order.
    n
        Path of the number of test cases. By default `n` stands beside the model's score.
    """

    title: str
    measure: str
    model: str
    baseline: str | dict[str, str] = ""
    trivial: str = ""
    n: str = ""

    def paths(self) -> set[str]:
        """Return every path given, without the default one of `n`."""
        named = self.baseline.values() if isinstance(self.baseline, dict) else [self.baseline]
        return {self.model, *named, self.trivial, self.n} - {""}


def _ndcg(task: str, **names: str) -> dict[str, str]:
    """Return the paths of several baselines' NDCG@10 for a task, by the names to show."""
    return {name: f"{task}.{baseline}.ndcg@10" for baseline, name in names.items()}


_MAJORITY = "classify.majority_accuracy"
_SVM = "classify.text_baseline.accuracy"
_HEAD = "train_cnn.new_layer.test_accuracy"
_CATEGORY_NAMES = "evaluate.search.category_names"
_KNOWN_ITEMS = "evaluate.search.known_items"
_SAME_PRODUCT = "evaluate.photo_to_photo"
_TIME_SPLIT = "evaluate.personalised.log"
_LEAVE_LAST_OUT = "evaluate.personalised.leave_last_out"
_RETRIEVERS = {"bm25": "BM25", "embedding": "embedding", "reciprocal_rank_fusion": "RRF"}
_POPULARITY = {"popular": "popular", "recent_popular": "recent"}
_PLAIN_PRICES = "regress.without_placeholders"

# fmt: off
HEADLINES = (
    Headline("category from one photo", "accuracy", "train_cnn.test.accuracy",
             "classify_rf.accuracy", "train_cnn.majority_accuracy"),
    Headline("– linear head only, mean of 3 seeds", "accuracy", f"{_HEAD}.mean",
             n="train_cnn.test.n"),
    Headline("– linear head, split by photo (leaks)", "accuracy",
             f"{_HEAD}_if_split_by_photo.mean", n="train_cnn.test.n"),
    Headline("category from text", "accuracy", "classify.text.accuracy", _SVM, _MAJORITY),
    Headline("category from photos", "accuracy", "classify.photo.accuracy", "", _MAJORITY),
    Headline("category from text and photos", "accuracy", "classify.fused.accuracy",
             _SVM, _MAJORITY),
    Headline("– without near-duplicates", "accuracy",
             "classify.fused_without_near_duplicates.accuracy"),
    Headline("category from text and photos", "macro F1", "classify.fused.macro_f1",
             "classify.text_baseline.macro_f1"),
    Headline("category from text and photos", "calibration error", "classify.fused.ece"),
    Headline("price", "RMSLE", "regress.model.rmsle",
             "regress.ridge.rmsle", "regress.constant.rmsle"),
    Headline("price", "median error", "regress.model.median_ae",
             "regress.ridge.median_ae", "regress.constant.median_ae"),
    Headline("price", "interval coverage", "regress.interval.coverage"),
    Headline("price, placeholders excluded", "RMSLE", f"{_PLAIN_PRICES}.model.rmsle",
             f"{_PLAIN_PRICES}.ridge.rmsle", f"{_PLAIN_PRICES}.constant.rmsle"),
    Headline("search by category name", "NDCG@10", f"{_CATEGORY_NAMES}.model.ndcg@10",
             _ndcg(_CATEGORY_NAMES, **_RETRIEVERS), f"{_CATEGORY_NAMES}.random.ndcg@10"),
    Headline("known-item search", "NDCG@10", f"{_KNOWN_ITEMS}.model.ndcg@10",
             _ndcg(_KNOWN_ITEMS, **_RETRIEVERS), f"{_KNOWN_ITEMS}.random.ndcg@10"),
    Headline("same-product photo retrieval", "recall@1", f"{_SAME_PRODUCT}.model.recall@1",
             "", f"{_SAME_PRODUCT}.random.recall@1"),
    Headline("same-product photo retrieval", "recall@10", f"{_SAME_PRODUCT}.model.recall@10",
             "", f"{_SAME_PRODUCT}.random.recall@10"),
    Headline("next-item recommendation, time split", "NDCG@10", f"{_TIME_SPLIT}.model.ndcg@10",
             _ndcg(_TIME_SPLIT, **_POPULARITY), f"{_TIME_SPLIT}.random.ndcg@10"),
    Headline("– leave-last-out (later events leak)", "NDCG@10",
             f"{_LEAVE_LAST_OUT}.model.ndcg@10",
             _ndcg(_LEAVE_LAST_OUT, **_POPULARITY), f"{_LEAVE_LAST_OUT}.random.ndcg@10"),
)
# fmt: on
HEADLINE_STAGES = tuple(
    sorted({path.split(".")[0] for headline in HEADLINES for path in headline.paths()})
)

# Other values that the documents show.
FACTS = {
    "dataset": "clean.dataset",
    "product_counts": "clean.products",
    "photo_counts": "clean.photos",
    "log_counts": "clean.interactions",
    "rejected": "clean.rejected",
    "missing_values": "clean.products.missing_values",
    "products": "clean.products.kept",
    "photos": "clean.photos.kept",
    "placeholders": "clean.products.placeholder_prices",
    "without_photo": "clean.products.without_photo",
    "split_seed": "merge.seed",
    "train_products": "merge.splits.train.products",
    "val_products": "merge.splits.val.products",
    "test_products": "merge.splits.test.products",
    "leakage": "merge.leakage",
    "classified_products": "classify.n",
    "model_seed": "classify.seed",
    "fused_accuracy": "classify.fused.accuracy",
    "text_accuracy": "classify.text.accuracy",
    "photo_accuracy": "classify.photo.accuracy",
    "majority_accuracy": _MAJORITY,
    "calibration_error": "classify.fused.ece",
    "label_errors": "classify.label_errors",
    "within_25pct": "regress.model.within_25pct",
    "target_coverage": "regress.interval.target_coverage",
    "coverage": "regress.interval.coverage",
    "interval_ratio": "regress.interval.median_high_over_low",
    "simulated_users": "evaluate.personalised.simulated",
}


def read_metrics(folder: Path, stages: Iterable[str] = ()) -> Metrics:
    """Read a folder of metrics.

    Parameters
    ----------
    folder
        Holds <stage>.json.
    stages
        The stages to read; by default all that the folder has.

    Raises
    ------
    MarketError
        If the metrics of `clean`, or of a stage in `stages`, are missing.
    """
    requested = [folder / f"{stage}.json" for stage in stages]
    metrics = {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in requested or sorted(folder.glob("*.json"))
        if path.exists()
    }
    for stage in ("clean", *(path.stem for path in requested)):
        if stage not in metrics:
            raise MarketError(f"{folder}/{stage}.json not found: run `dvc repro` or `dvc pull`")
    return metrics


def value_at(metrics: Metrics, path: str) -> Any:
    """Return the value at a path; None if a small dataset, or an older run, does not have it.

    Examples
    --------
    >>> value_at({"classify": {"fused": {"ece": 0.02}}}, "classify.fused.ece")
    0.02
    """
    value: Any = metrics
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def skipped_stages(metrics: Metrics) -> dict[str, str]:
    """Return why each stage that had nothing to learn from was skipped, by stage.

    Examples
    --------
    >>> skipped_stages({"clean": {}, "regress": {"n": 0, "skipped": "no listing has a price"}})
    {'regress': 'no listing has a price'}
    """
    return {
        stage: content["skipped"]
        for stage, content in sorted(metrics.items())
        if "skipped" in content
    }


def facts(metrics: Metrics, *names: str) -> dict[str, Any]:
    """Return the values of FACTS with these names.

    Raises
    ------
    MarketError
        If the metrics lack one of them.
    """
    values = {name: value_at(metrics, FACTS[name]) for name in names}
    for name, value in values.items():
        if value is None:
            raise MarketError(f"the metrics have no {FACTS[name]}: run `dvc repro`")
    return values


def best_baseline(metrics: Metrics, headline: Headline) -> tuple[str, float | None]:
    """Return the name and score of the best simple baseline.

    The name is empty if the headline has a single baseline; the score is None if it has none, or
    none was measured.
    """
    if isinstance(headline.baseline, str):
        return "", value_at(metrics, headline.baseline)
    scores = {name: value_at(metrics, path) for name, path in headline.baseline.items()}
    measured = {name: score for name, score in scores.items() if score is not None}
    best = max(measured, key=lambda name: measured[name], default="")
    return best, measured.get(best)


def headline_scores(metrics: Metrics, headline: Headline) -> list[float | None]:
    """Return the scores of the model, of the best simple and of the trivial baseline, and n."""
    n_path = headline.n or headline.model.rpartition(".")[0] + ".n"
    return [
        value_at(metrics, headline.model),
        best_baseline(metrics, headline)[1],
        value_at(metrics, headline.trivial),
        value_at(metrics, n_path),
    ]
