"""The numbers that are told first, of all that the stages measure, and where each one stands.

A path names a stage and its keys: "classify.fused.ece" is fused.ece in metrics/classify.json.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from click import ClickException

Metrics = dict[str, dict[str, Any]]  # by the stage that wrote them


class Headline(NamedTuple):
    """A score: its path, those of a simpler and of a trivial way to get one, and of its n."""

    title: str
    measure: str
    model: str
    baseline: str = ""
    trivial: str = ""
    n: str = ""  # "": beside the model's score


MAJORITY = "classify.majority_accuracy"
SVM = "classify.text_baseline.accuracy"
LAYER = "train_cnn.new_layer.test_accuracy"
NAMES, ITEMS = "rank.search.category_names", "rank.search.known_items"
PHOTO, LOG = "rank.photo_to_photo", "rank.personalised.log"
SHOPPERS = "rank.personalised.simulated.after_10"

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
             f"{NAMES}.bm25.ndcg@10", f"{NAMES}.random.ndcg@10"),
    Headline("search for one known listing", "NDCG@10", f"{ITEMS}.model.ndcg@10",
             f"{ITEMS}.bm25.ndcg@10", f"{ITEMS}.random.ndcg@10"),
    Headline("a product's other photo by one", "recall@1", f"{PHOTO}.model.recall@1",
             "", f"{PHOTO}.random.recall@1"),
    Headline("a product's other photo by one", "recall@10", f"{PHOTO}.model.recall@10",
             "", f"{PHOTO}.random.recall@10"),
    Headline("what a shopper of the log took last", "NDCG@10", f"{LOG}.model.ndcg@10",
             f"{LOG}.popular.ndcg@10", f"{LOG}.random.ndcg@10"),
    Headline("simulated shoppers, after 10 events", "NDCG@10", f"{SHOPPERS}.model.ndcg@10",
             f"{SHOPPERS}.popular.ndcg@10", f"{SHOPPERS}.random.ndcg@10"),
)
# fmt: on


def read_metrics(folder: Path, stages: Iterable[str] = ()) -> Metrics:
    """The metrics in a folder, of the `stages` named or of all that are there.

    Raises ClickException if those of a named stage, or those of `clean`, are not there.
    """
    named = [folder / f"{name}.json" for name in stages]
    found = {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in named or sorted(folder.glob("*.json"))
        if path.exists()
    }
    for name in ("clean", *(path.stem for path in named)):
        if name not in found:
            raise ClickException(f"{folder}/ has no metrics of {name}: run `dvc repro` first")
    return found


def number_at(metrics: Metrics, path: str) -> float | None:
    """The number at a path; None if a small dataset, or an older run, has none there."""
    found: Any = metrics
    for key in path.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found


def measured(metrics: Metrics, headline: Headline) -> list[float | None]:
    """The score, a simpler way's, a trivial way's, and n."""
    beside = headline.model.rpartition(".")[0] + ".n"
    paths = (headline.model, headline.baseline, headline.trivial, headline.n or beside)
    return [number_at(metrics, path) for path in paths]
