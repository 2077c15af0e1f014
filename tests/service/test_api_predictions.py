"""Predictions over HTTP."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from fastapi.testclient import TestClient

from market import predict
from market.core.params import load_params
from market.data.photo_formats import FORMAT_NAMES

pytestmark = pytest.mark.xdist_group("search_api")  # share one engine


@pytest.mark.usefixtures("predictor")
def test_service_and_command_make_the_same_prediction(
    client: TestClient, ran: Path, tmp_path: Path
) -> None:
    """Compare the service with `python stages/predict.py` for one listing."""
    bad = ("b.jpg", b"<html>")
    photo = (ran / "data/sample/raw/images").glob("*.jpg")
    good = next(path for path in sorted(photo) if path.stat().st_size > 5000)
    listing = {
        "name": "Oak bedside table, brown",
        "description": "Solid wood. Call 07700 900123",
        "location": "Reading, Berkshire",
        "price": "1234567",
    }
    files = [("photos", bad), ("photos", ("a.jpg", good.read_bytes()))]
    answer = client.post("/api/predict", data=listing, files=files)
    assert answer.status_code == 200, answer.text
    prediction = answer.json()

    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.jpg").write_bytes(good.read_bytes())
    columns = {"name": "product_name", "description": "product_description"}
    row = {"id": "1", **{columns.get(name, name): text for name, text in listing.items()}}
    pd.DataFrame([row]).to_csv(tmp_path / "Products.csv", index=False)
    images = {"id": ["a"], "product_id": ["1"]}
    pd.DataFrame(images).to_csv(tmp_path / "Images.csv", index=False)
    outcome = CliRunner().invoke(
        predict.main, ["--raw", str(tmp_path), "--out", str(tmp_path / "out.csv")]
    )
    assert outcome.exit_code == 0, outcome.output
    (expected,) = pd.read_csv(tmp_path / "out.csv").to_dict("records")

    for name in ("category", "price", "price_low", "price_high", "price_flag"):
        assert prediction[name] == expected[name], name
    for name, probability in prediction["probabilities"].items():
        assert probability == pytest.approx(expected[f"p_{name}"], abs=1e-6)
    assert sum(prediction["probabilities"].values()) == pytest.approx(1)
    assert prediction["coverage"] == load_params("regress").coverage
    assert prediction["unusable"] == [{"photo": 1, "reason": f"not one of {FORMAT_NAMES}"}]


@pytest.mark.usefixtures("predictor")
def test_prediction_from_partial_listings(client: TestClient) -> None:
    empty = client.post("/api/predict", data={"name": ""})
    assert empty.status_code == 200 and empty.json()["price_flag"] is None
    named = client.post("/api/predict", data={"name": "Gaming laptop"}).json()
    assert named["probabilities"] != empty.json()["probabilities"]
    for invalid in (
        {"price": "-1"}, {"name": "a" * 501}, {"colour": "red"}, {"price": ["cheap", ""]},
    ):  # fmt: skip
        answer = client.post("/api/predict", data=invalid)
        assert answer.status_code == 422 and list(answer.json()) == ["error"]


def test_prediction_without_models_is_503(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = client.post("/api/predict", data={"name": "Gaming laptop"})
    assert answer.status_code == 503 and "dvc repro" in answer.json()["error"]
