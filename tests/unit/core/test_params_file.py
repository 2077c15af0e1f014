"""Writing values into params.yaml."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from repository import REPO

from market.core.errors import MarketError
from market.core.params_file import update_params

PARAMS = Path("params.yaml")


@pytest.fixture
def original(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The text of params.yaml in the working directory."""
    shutil.copy(REPO / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return PARAMS.read_text(encoding="utf-8")


def comments(text: str) -> list[str]:
    return [line.partition("#")[2] for line in text.splitlines() if "#" in line]


def test_values_change_and_every_comment_and_other_key_stays(original: str) -> None:
    changes = {
        "dataset": "mine",
        "input": {
            "products": "Anzeigen.csv", "separator": ";", "images": "", "currency": "EUR",
            "columns": {"id": "Nummer", "name": "Titel"}, "attributes": {"Marke": "category"},
            "photos": "column", "photo_columns": ["Bilder"], "image_columns": {"id": None},
        },
    }  # fmt: skip
    lines = update_params(changes)
    text = PARAMS.read_text(encoding="utf-8")
    assert comments(text) == comments(original)
    written, before = yaml.safe_load(text), yaml.safe_load(original)
    for key, value in changes["input"].items():  # type: ignore[attr-defined]
        assert written["input"].pop(key) == value
        before["input"].pop(key)
    assert written.pop("dataset") == "mine"
    before.pop("dataset")
    assert written == before
    assert "input.products: Products.csv -> Anzeigen.csv" in lines
    assert len(lines) == 10


def test_lists_and_mappings_can_be_emptied_again(original: str) -> None:
    full = {"attributes": {"brand": "category"}, "events": {"click": "view"}}
    update_params({"input": full})
    update_params({"input": {"attributes": {}, "events": {}}})
    text = PARAMS.read_text(encoding="utf-8")
    assert yaml.safe_load(text) == yaml.safe_load(original)
    assert comments(text) == comments(original)


def test_the_same_values_change_no_byte(original: str) -> None:
    assert update_params({"input": yaml.safe_load(original)["input"]}) == []
    assert PARAMS.read_text(encoding="utf-8") == original


def test_a_file_that_would_not_be_valid_is_not_written(original: str) -> None:
    with pytest.raises(MarketError, match="currency.*nothing was written"):
        update_params({"input": {"currency": "XXL", "products": "other.csv"}})
    assert PARAMS.read_text(encoding="utf-8") == original


def test_a_dataset_of_digits_stays_a_name(original: str) -> None:
    update_params({"dataset": "2024"})
    assert yaml.safe_load(PARAMS.read_text(encoding="utf-8"))["dataset"] == "2024"
