"""Fine-tuning of the sentence encoder: it learns, it is reproducible, and it can be saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from market.core.errors import MarketError
from market.core.settings import TrainText
from market.models.labels import Labels
from market.models.text_classifier import TextClassifier
from market.models.text_encoder import load_text_encoder
from market.models.text_network import TextNetwork
from market.models.text_training import (
    MAX_GRADIENT_NORM,
    LabelledTexts,
    batches_by_length,
    new_text_classifier,
    predict_held_out,
    score_texts,
    text_phase,
)
from market.models.training import run_phases

pytestmark = pytest.mark.slow

CLASSES = ["Garden", "Music"]
TEXTS = ["a garden shed", "garden chairs, oak", "an electric guitar", "piano, as new"] * 8
SETTINGS = TrainText(
    label_depth=1,
    max_tokens=8,
    frozen_layers=5,
    dropout=0.1,
    epochs=2,
    batch_size=8,
    learning_rate=1e-4,
    head_learning_rate=1e-2,
    weight_decay=0.01,
    label_smoothing=0.0,
    seed=0,
)


def texts() -> LabelledTexts:
    """32 train products, and four others, one of them without a text."""
    held_out = ["Lawn mower", "Violin and bow", "Spade", ""]
    table = pd.DataFrame(
        {
            "product_id": [f"p{number}" for number in range(36)],
            "name": ["", *TEXTS[1:], *held_out],
            "description": [TEXTS[0], *[""] * 35],
            "class": [0, 0, 1, 1] * 8 + [0, 1, 0, 1],
            "split": ["train"] * 32 + ["val", "val", "test", "test"],
        }
    )
    table["category"] = np.array(CLASSES)[table["class"]]
    table["category_levels"] = [[name] for name in table["category"]]
    return LabelledTexts(table, CLASSES)


def trained(**changes: Any) -> tuple[TextClassifier, list[dict[str, Any]]]:
    settings = SETTINGS.model_copy(update=changes)
    data = texts()
    labels = data.labels(settings.label_depth)
    torch.manual_seed(0)
    classifier = new_text_classifier(data, labels, settings, torch.device("cpu"))
    progress = run_phases([text_phase(data, labels, classifier, settings)])
    return classifier, progress.history


def new_network(tokens: int = 8, frozen: int = 5) -> TextNetwork:
    torch.manual_seed(0)
    return TextNetwork(load_text_encoder("cpu"), 2, tokens=tokens, frozen=frozen, dropout=0.1)


@pytest.fixture(scope="module")
def usual() -> tuple[TextClassifier, list[dict[str, Any]]]:
    return trained()


def listings(*texts: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame(texts, columns=["name", "description"])


# --- The training ---------------------------------------------------------------------------------
def test_it_learns_what_words_mean(usual: tuple) -> None:
    classifier, history = usual
    assert [row["epoch"] for row in history] == [1, 2]
    assert history[1]["train_loss"] < history[0]["train_loss"]
    # None of these words was in the training texts.
    probabilities = classifier.probabilities(listings(("Lawn mower", ""), ("", "Violin and bow")))
    assert probabilities.argmax(1).tolist() == [0, 1]
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    assert history[1]["val_accuracy"] == 1.0


def test_frozen_layers_stay_and_the_others_move(usual: tuple) -> None:
    network = usual[0].network
    before, after = new_network().state_dict(), network.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    # The bias of attention keys does not change attention: its gradient is (almost) 0.
    learning = {name for name in network.trained_weights() if "key.bias" not in name}
    assert learning <= moved <= set(network.trained_weights())
    layers = {name.split("layer.")[1][0] for name in moved if "layer." in name}
    assert layers == {"5"} and {"head.weight", "head.bias"} <= moved


def test_gradients_are_clipped_and_the_new_layer_learns_faster() -> None:
    data, labels = texts(), texts().labels(1)
    classifier = new_text_classifier(data, labels, SETTINGS, torch.device("cpu"))
    phase = text_phase(data, labels, classifier, SETTINGS)
    assert phase.max_gradient_norm == MAX_GRADIENT_NORM
    body, head = phase.optimizer.param_groups
    assert (body["lr"], head["lr"]) == (1e-4, 1e-2)
    weights = {id(weight) for group in (body, head) for weight in group["params"]}
    trained_weights = classifier.network.trained_weights()
    assert weights == {id(weight) for weight in trained_weights.values()}
    assert {id(weight) for weight in head["params"]} == {
        id(weight) for weight in classifier.network.head.parameters()
    }


def test_the_seed_determines_every_weight(usual: tuple) -> None:
    classifier, history = usual
    again, same = trained()
    assert same == history
    for name, weights in again.network.trained_weights().items():
        assert torch.equal(weights, classifier.network.trained_weights()[name]), name
    _, with_another_seed = trained(seed=1)
    assert with_another_seed[-1]["train_loss"] != history[-1]["train_loss"]


def test_a_batch_holds_texts_of_similar_length() -> None:
    lengths = np.random.default_rng(0).integers(3, 90, size=1000)
    batches = batches_by_length(lengths, 32, np.random.default_rng(1))
    assert sorted(np.concatenate(batches)) == list(range(1000))
    assert max(map(len, batches)) == 32
    padded = sum(len(batch) * lengths[batch].max() for batch in batches)
    assert padded < 1.15 * lengths.sum()
    means = [lengths[batch].mean() for batch in batches]
    assert means != sorted(means), "short and long batches alternate"
    again = batches_by_length(lengths, 32, np.random.default_rng(2))
    assert [*map(list, again)] != [*map(list, batches)]


def test_held_out_products_are_predicted_and_scored(usual: tuple) -> None:
    predictions = predict_held_out(texts(), usual[0])
    assert predictions["product_id"].tolist() == ["p32", "p33", "p34", "p35"]
    assert predictions[CLASSES].isna().all(axis=1).tolist() == [False, False, False, True]
    metrics = score_texts(texts(), predictions)
    assert (metrics["val"]["n"], metrics["test"]["n"]) == (2, 1), "the empty text is not scored"
    assert metrics["val"]["accuracy"] == 1.0 and metrics["majority_accuracy"] == 1.0


# --- The classifier -------------------------------------------------------------------------------
def test_a_prediction_does_not_depend_on_the_other_texts(usual: tuple) -> None:
    classifier, _ = usual
    together = listings(("Shed", "oak " * 50), ("Guitar", ""), ("", ""), ("Piano", "upright"))
    probabilities = classifier.probabilities(together)
    assert np.isnan(probabilities[2]).all(), "no text"
    for row in (0, 1, 3):
        alone = classifier.probabilities(together.iloc[[row]])
        np.testing.assert_allclose(probabilities[[row]], alone, atol=1e-6)
    assert classifier.probabilities(together.iloc[:0]).shape == (0, 2)


def test_predicting_keeps_the_mode_of_training(usual: tuple) -> None:
    network = usual[0].network
    for training in (True, False):
        network.train(training)
        first, second = (network.probabilities(["Shed"]) for _ in range(2))
        np.testing.assert_array_equal(first, second)  # without dropout
        assert network.training is training


def test_only_the_first_tokens_are_read() -> None:
    network = new_network(tokens=6)
    (tokens,) = network.tokenize(["one two three four five six seven"])
    assert len(tokens) == 6
    first, second = network.probabilities(
        ["one two three four\nfive", "one two three four\neleven"]
    )
    np.testing.assert_array_equal(first, second)


def test_a_classifier_is_loaded_as_it_was_saved(usual: tuple, tmp_path: Path) -> None:
    classifier, _ = usual
    classifier.save(tmp_path / "text")
    loaded = TextClassifier.load(tmp_path / "text")
    assert (loaded.categories, loaded.labels) == (CLASSES, CLASSES)
    assert loaded.parents.tolist() == [0, 1]
    some = listings(("Lawn mower", ""), ("Piano stool", ""))
    np.testing.assert_array_equal(loaded.probabilities(some), classifier.probabilities(some))


def test_only_trained_weights_are_saved(usual: tuple, tmp_path: Path) -> None:
    network = usual[0].network
    network.save(tmp_path / "model.safetensors")
    whole = sum(weights.nbytes for weights in network.state_dict().values())
    assert (tmp_path / "model.safetensors").stat().st_size < whole / 5
    with pytest.raises(MarketError, match="weights of another network: run"):
        new_network(frozen=4).load(tmp_path / "model.safetensors")


def test_labels_are_those_of_train_products_with_a_text() -> None:
    labels = texts().labels(1)
    assert isinstance(labels, Labels)
    assert labels.codes.tolist() == [0, 0, 1, 1] * 8
