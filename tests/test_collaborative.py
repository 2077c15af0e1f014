"""The collaborative signals: what goes together, what comes next, what is popular and of late."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from shared.collaborative import COLLABORATIVE, CollaborativeModel

START = pd.Timestamp("2022-03-01")


def make_log(sequences: list[list[str]]) -> pd.DataFrame:
    """A log of views, a user for each sequence, a user a day and a view a minute."""
    return pd.DataFrame(
        [
            (f"u{user}", product, "view", START + pd.Timedelta(days=user, minutes=minute))
            for user, sequence in enumerate(sequences)
            for minute, product in enumerate(sequence)
        ],
        columns=["user_id", "product_id", "event", "timestamp"],
    )


def history(*products: str) -> pd.DataFrame:
    return make_log([list(products)])[["product_id", "event", "timestamp"]]


@pytest.fixture(scope="module")
def log() -> pd.DataFrame:
    """Two crowds, whose products come in a fixed order from a random start."""
    rng = np.random.default_rng(0)
    sequences = []
    for user in range(80):
        start = rng.integers(6)
        sequences.append([f"{'ab'[user % 2]}{(start + step) % 6}" for step in range(4)])
    return make_log(sequences)


@pytest.fixture(scope="module")
def model(log: pd.DataFrame) -> CollaborativeModel:
    return CollaborativeModel.fit(log)


def test_it_finds_what_goes_together_and_what_comes_next(model: CollaborativeModel) -> None:
    found = model.signals(history("a1", "a2"))
    crowd = found.index.str.startswith("a")
    assert found.loc[crowd, "together"].mean() > found.loc[~crowd, "together"].max()
    assert found["next"].idxmax() == "a3"


def test_signals_have_a_row_for_every_product_and_one_scale(
    model: CollaborativeModel, log: pd.DataFrame
) -> None:
    found = model.signals(history("a1", "b2", "unheard of"))
    assert found.columns.tolist() == COLLABORATIVE
    assert found.index.tolist() == sorted(log["product_id"].unique())
    assert (found.min() >= 0).all() and (found.max() == 1).all()


@pytest.mark.parametrize("past", [history(), history("unheard of")])
def test_a_new_person_has_no_taste_yet(model: CollaborativeModel, past: pd.DataFrame) -> None:
    found = model.signals(past)
    assert (found[["together", "next"]] == 0).all(axis=None)
    assert (found["popular"] > 0).all()


def test_what_was_saved_again_is_the_same(model: CollaborativeModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    again = CollaborativeModel.load(tmp_path)
    past = history("a1", "a2")
    pd.testing.assert_frame_equal(again.signals(past), model.signals(past))
