"""Exports of other countries through `clean`: what is kept, what is rejected, and typed values."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import Result
from repository import REPO

from market.data.synthetic.adverts import PLACEHOLDERS, draw_adverts
from market.data.synthetic.export_formats import EXPORTS
from market.data.synthetic.exports import write_export

LISTINGS, SEED = 60, 1


@pytest.fixture(scope="module", params=sorted(EXPORTS))
def cleaned(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    invoke_stage: Callable[..., Result],
) -> tuple[str, Path]:
    """A marketplace's name, and a project in which its export was cleaned."""
    project = tmp_path_factory.mktemp(request.param)
    section = write_export(project / "data/own/raw", request.param, LISTINGS, SEED)
    params = yaml.safe_load((REPO / "params.yaml").read_text(encoding="utf-8"))
    params |= {"dataset": "own", "input": {**params["input"], **section}}
    params["clean"] |= {"photo_size": 32, "array_size": 32, "placeholder_above": 10**6}
    (project / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    invoke_stage(project, "clean")
    return request.param, project


def drawn(marketplace: str) -> pd.DataFrame:
    """Return the adverts that the export was written from."""
    export = EXPORTS[marketplace]
    rng = np.random.Generator(np.random.PCG64(SEED))
    return draw_adverts(rng, export.vocabulary, LISTINGS, step=export.step)


def test_only_faulty_rows_are_rejected(cleaned: tuple[str, Path]) -> None:
    marketplace, project = cleaned
    adverts = drawn(marketplace)
    metrics = json.loads((project / "metrics/clean.json").read_text(encoding="utf-8"))
    complete = adverts["price"].notna() & adverts["category"].notna()
    assert metrics["products"]["kept"] == complete.sum() > LISTINGS - 6
    assert metrics["products"]["rejected"] == (~complete).sum()
    # Every event but those of rejected listings, so every time and every name of an event.
    log = metrics["interactions"]
    rejects = pd.read_csv(project / "data/clean/rejects.csv", dtype="str")
    of_log = rejects[
        rejects["source"].str.startswith(EXPORTS[marketplace].settings["interactions"])
    ]
    assert log["rejected"] == of_log["reason"].eq("its product was rejected").sum()
    assert log["kept"] > 100 and not log["unknown_events"] and not metrics["ignored_columns"]
    assert all(column["unreadable"] == 0 for column in metrics["attributes"].values())
    assert metrics["photos"]["kept"] > 0.8 * adverts.loc[complete, "photos"].sum()


def test_values_are_typed_as_they_were_drawn(cleaned: tuple[str, Path]) -> None:
    marketplace, project = cleaned
    adverts = drawn(marketplace)
    adverts = adverts[adverts["price"].notna() & adverts["category"].notna()]
    products = pd.read_parquet(project / "data/clean/products.parquet")
    # Sellers write dollars without cents, and "1.5k".
    assert products["price"].tolist() == pytest.approx(adverts["price"].tolist(), abs=0.5)
    placeholders = adverts["price"].isin((0.0, *PLACEHOLDERS))
    assert products["price_is_placeholder"][placeholders.to_numpy()].all()
    assert products["category_levels"].map(tuple).tolist() == adverts["category"].tolist()
    assert products["name"].str.len().gt(0).all() and not products["name"].str.contains("�").any()
    text = products["description"]
    assert text.str.contains(r"\[phone\]|\[email\]").any() and not text.str.contains("@").any()
    assert not text.str.contains(r"(?:\d\D?){7}").any(), "a telephone number"
    minutes = products["created"].dt.floor("min")
    if marketplace != "american":  # its times have zones
        assert minutes.tolist() == adverts["created"].dt.floor("min").tolist()
    assert minutes.notna().all() and products["seller_id"].tolist() == adverts["seller"].tolist()
