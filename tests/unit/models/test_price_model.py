"""The price model as an artefact: what is loaded predicts what was saved."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from simulated_prices import SETTINGS, changed, draw

from market.core.errors import MarketError
from market.models.price_baselines import BASELINES
from market.models.price_model import BOOSTED, PriceModel
from market.models.price_training import fit_baseline, fit_stacked

pytestmark = pytest.mark.slow

FAST = changed(n_estimators=5, epochs=1)


def fit(name: str) -> PriceModel:
    table, price = draw(60, 4)
    fold = np.arange(60) % 3
    if name == BOOSTED:
        return fit_stacked(table, price, fold, FAST).model
    return fit_baseline(name, table, price, fold, FAST).model


@pytest.mark.parametrize("name", [BOOSTED, *BASELINES])
def test_a_loaded_model_predicts_as_the_saved_one(tmp_path: Path, name: str) -> None:
    model = fit(name)
    model.save(tmp_path / "price")
    loaded = PriceModel.load(tmp_path / "price")
    assert type(loaded.estimator) is type(model.estimator)
    assert (loaded.margins, loaded.coverage) == (model.margins, SETTINGS.coverage)
    table, _ = draw(20, 5)
    pd.testing.assert_frame_equal(loaded.predict(table), model.predict(table))


def test_saving_leaves_nothing_of_another_model(tmp_path: Path) -> None:
    fit(BOOSTED).save(tmp_path / "price")
    fit("constant").save(tmp_path / "price")
    names = {path.name for path in (tmp_path / "price").iterdir()}
    assert names == {"constant.skops", "model.json"}


def test_the_models_of_a_stacked_model_can_be_told_apart() -> None:
    columns = set(fit(BOOSTED).predict(draw(5, 6)[0]))
    assert {"linear", "network", "seed_0", "seed_1", "seed_2"} <= columns
    assert set(fit("ridge").predict(draw(5, 6)[0])) == {
        "price", "price_low", "price_high", "flag_below", "flag_above",
    }  # fmt: skip


def test_an_absent_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(MarketError, match=r"model\.json not found: run `dvc repro`"):
        PriceModel.load(tmp_path)


def test_a_model_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        fit("constant").coverage = 0.5  # type: ignore[misc]
