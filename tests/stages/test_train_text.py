"""Fine-tuning the sentence encoder: it learns, it is the same every time, and it can be saved."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from market.models.labels import sum_by_category
from market.models.text_classifier import TextClassifier, join_text
from market.models.text_encoder import load_text_encoder
from stages import train_text

TEXTS = ["a garden shed", "garden chairs, oak", "an electric guitar", "piano, as new"] * 8
CODES = np.array([0, 0, 1, 1] * 8)
SETTINGS = {
    "epochs": 2,
    "batch_size": 8,
    "lr": 1e-4,
    "head_lr": 1e-2,
    "weight_decay": 0.01,
    "label_smoothing": 0.0,
    "seed": 0,
}


def new_model(tokens: int = 8, frozen: int = 5) -> TextClassifier:
    torch.manual_seed(0)
    return TextClassifier(load_text_encoder("cpu"), 2, tokens=tokens, frozen=frozen, dropout=0.1)


def trained(**changes: Any) -> tuple[TextClassifier, list[dict[str, Any]]]:
    model = new_model()
    reported: list[dict[str, Any]] = []
    history = train_text.train(
        model, TEXTS, CODES, lambda: {"loss": 0.5}, reported.append, **{**SETTINGS, **changes}
    )
    assert reported == history
    return model, history


@pytest.fixture(scope="module")
def usual() -> tuple[TextClassifier, list[dict[str, Any]]]:
    return trained()


def listings(*texts: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame(texts, columns=["name", "description"])


def about(ran: Path) -> dict[str, Any]:
    return json.loads((ran / "models/text/model.json").read_text(encoding="utf-8"))


def saved_model(ran: Path) -> TextClassifier:
    saved = about(ran)
    shape = {name: saved[name] for name in ("tokens", "frozen")}
    model = TextClassifier(load_text_encoder("cpu"), len(saved["labels"]), **shape)
    return model.load(ran / "models/text/model.safetensors")


# --- The training ---------------------------------------------------------------------------------
def test_it_learns_what_words_mean(usual: tuple) -> None:
    model, history = usual
    assert [row["epoch"] for row in history] == [1, 2]
    assert history[1]["train_loss"] < history[0]["train_loss"]
    assert all(row["val_loss"] == 0.5 for row in history)
    # No word of these was among the texts.
    found = model.probabilities(listings(("Lawn mower", ""), ("", "Violin and bow")))
    assert found.argmax(1).tolist() == [0, 1]
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-5)


def test_frozen_layers_stay_and_the_others_move(usual: tuple) -> None:
    model, _ = usual
    before, after = new_model().state_dict(), model.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    # A bias of the attention's keys moves no attention: its gradient is 0, or nearly.
    learned = {name for name in model.learned() if "key.bias" not in name}
    assert learned <= moved <= set(model.learned())
    layers = {name.split("layer.")[1][0] for name in moved if "layer." in name}
    assert layers == {"5"} and {"head.weight", "head.bias"} <= moved


def test_the_gradient_of_all_weights_is_clipped(monkeypatch: pytest.MonkeyPatch) -> None:
    clipped: list[set[int]] = []
    real = torch.nn.utils.clip_grad_norm_

    def clip(weights: Any, largest: float) -> torch.Tensor:
        weights = list(weights)
        clipped.append({id(weight) for weight in weights})
        return real(weights, largest)

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", clip)
    model, _ = trained(epochs=1)
    assert clipped and all(
        ids == {id(weight) for weight in model.learned().values()} for ids in clipped
    )


def test_the_seed_fixes_every_bit(usual: tuple) -> None:
    model, history = usual
    again, same = trained()
    assert same == history
    for name, weights in again.learned().items():
        assert torch.equal(weights, model.learned()[name]), name
    _, other = trained(seed=1)
    assert other[-1]["train_loss"] != history[-1]["train_loss"]


def test_every_text_is_in_one_batch_among_its_like() -> None:
    lengths = np.random.default_rng(0).integers(3, 90, size=1000)
    batches = train_text.batches_by_length(lengths, 32, np.random.default_rng(1))
    assert sorted(np.concatenate(batches)) == list(range(1000))
    assert max(map(len, batches)) == 32
    padded = sum(len(batch) * lengths[batch].max() for batch in batches)
    assert padded < 1.15 * lengths.sum()
    means = [lengths[batch].mean() for batch in batches]
    assert means != sorted(means), "short and long ones take turns"
    again = train_text.batches_by_length(lengths, 32, np.random.default_rng(2))
    assert [*map(list, again)] != [*map(list, batches)]


# --- The classifier -------------------------------------------------------------------------------
def test_an_answer_does_not_depend_on_the_company(usual: tuple) -> None:
    model, _ = usual
    together = listings(("Shed", "oak " * 50), ("Guitar", ""), ("", ""), ("Piano", "upright"))
    found = model.probabilities(together)
    assert np.isnan(found[2]).all(), "nothing to read"
    for row in (0, 1, 3):
        alone = model.probabilities(together.iloc[[row]])
        np.testing.assert_allclose(found[[row]], alone, atol=1e-6)
    assert model.probabilities(together.iloc[:0]).shape == (0, 2)


def test_predicting_leaves_a_training_as_it_was(usual: tuple) -> None:
    model, _ = usual
    for learning in (True, False):
        model.train(learning)
        first, second = (model.probabilities(listings(("Shed", ""))) for _ in range(2))
        np.testing.assert_array_equal(first, second)  # without dropout
        assert model.training is learning


def test_the_first_tokens_count() -> None:
    model = new_model(tokens=6)
    (tokens,) = model.tokenize(["one two three four five six seven"])
    assert len(tokens) == 6
    first, second = model.probabilities(
        listings(("one two three four", "five"), ("one two three four", "eleven"))
    )
    np.testing.assert_array_equal(first, second)


def test_saved_is_what_was_learned_and_no_more(usual: tuple, tmp_path: Path) -> None:
    model, _ = usual
    model.save(tmp_path / "model.safetensors")
    again = new_model().load(tmp_path / "model.safetensors")
    some = listings(("Lawn mower", ""), ("Piano stool", ""))
    np.testing.assert_array_equal(again.probabilities(some), model.probabilities(some))
    whole = sum(weights.nbytes for weights in model.state_dict().values())
    assert (tmp_path / "model.safetensors").stat().st_size < whole / 5
    with pytest.raises(ValueError, match="another classifier"):
        new_model(frozen=4).load(tmp_path / "model.safetensors")


# --- The stage ------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def products(ran: Path) -> pd.DataFrame:
    columns = ["product_id", "name", "description", "category", "category_levels", "split"]
    listings = pd.read_parquet(ran / "data/merged/listings.parquet", columns=columns)
    return listings.drop_duplicates("product_id").set_index("product_id", drop=False)


@pytest.fixture(scope="module")
def answers(ran: Path) -> pd.DataFrame:
    return pd.read_parquet(ran / "data/text/probabilities.parquet").set_index("product_id")


def test_validation_and_test_products_have_answers(
    products: pd.DataFrame, answers: pd.DataFrame
) -> None:
    judged = products[products["split"] != "train"]
    assert answers.index.tolist() == judged.index.tolist()
    assert answers["split"].tolist() == judged["split"].tolist()
    readable = join_text(judged) != ""
    sums = answers.drop(columns="split").sum(axis=1, skipna=False)
    np.testing.assert_allclose(sums[readable], 1, rtol=1e-5)
    assert sums[~readable].isna().all()


def test_the_saved_model_gives_the_answers(
    ran: Path, products: pd.DataFrame, answers: pd.DataFrame
) -> None:
    saved = about(ran)
    backwards = products.loc[answers.index[::-1]]  # each its own, whatever the order
    found = saved_model(ran).probabilities(backwards)
    by_category = sum_by_category(found, np.array(saved["parents"]), len(saved["classes"]))
    expected = answers.loc[backwards.index, saved["classes"]]
    np.testing.assert_allclose(by_category, expected, atol=1e-5)


def test_labels_are_of_train_products(ran: Path, products: pd.DataFrame) -> None:
    saved = about(ran)
    parents = np.array(saved["classes"])[saved["parents"]]
    for name, parent in zip(saved["labels"], parents, strict=True):
        assert name == parent or name.startswith(f"{parent} / ")
    train = products[products["split"] == "train"]
    paths = {" / ".join(of[:2]) for of in train["category_levels"]}
    assert set(saved["labels"]) <= paths | set(saved["classes"])


def test_metrics_are_of_the_answers(
    ran: Path, products: pd.DataFrame, answers: pd.DataFrame
) -> None:
    metrics = json.loads((ran / "metrics/train_text.json").read_text(encoding="utf-8"))
    for split in ("val", "test"):
        of = answers[answers["split"] == split].drop(columns="split").dropna()
        actual = products.loc[of.index, "category"]
        assert metrics[split]["n"] == len(of)
        assert metrics[split]["accuracy"] == pytest.approx((of.idxmax(axis=1) == actual).mean())
    commonest = products.loc[products["split"] == "train", "category"].mode()
    assert metrics["majority_accuracy"] in [(actual == name).mean() for name in commonest]
    assert metrics["epochs"] == 1 and metrics["seed"] == 42
    plot = pd.read_csv(ran / "plots/train_text.csv")
    assert plot.columns.tolist() == ["epoch", "train_loss", "val_loss", "val_accuracy"]
    assert plot["epoch"].tolist() == [1]
    assert plot["val_loss"].iloc[-1] == pytest.approx(metrics["val"]["loss"], abs=1e-5)
    assert plot["val_accuracy"].iloc[-1] == pytest.approx(metrics["val"]["accuracy"], abs=1e-5)


def test_test_products_teach_nothing(
    ran: Path, run_stage: Callable, tmp_path: Path, products: pd.DataFrame
) -> None:
    """With other labels and texts in validation and test the weights are the same bytes."""
    project = tmp_path / "project"
    shutil.copytree(ran / "stages", project / "stages")
    shutil.copy(ran / "params.yaml", project)
    changed = products.copy()
    others = changed["split"] != "train"
    changed.loc[others, "description"] = "Nothing of the sort"
    changed.loc[others, "category"] = changed.loc[others, "category"].to_numpy()[::-1]
    (project / "data/merged").mkdir(parents=True)
    changed.to_parquet(project / "data/merged/listings.parquet", index=False)
    run_stage(project, "train_text")
    for name in ("model.safetensors", "model.json"):
        path = Path("models/text") / name
        assert (project / path).read_bytes() == (ran / path).read_bytes(), name
