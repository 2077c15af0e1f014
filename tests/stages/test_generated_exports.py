"""Synthetic exports of other countries: each differs from the sample as its settings say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

from market.core.errors import MarketError
from market.core.settings import Input
from market.data.language import Language
from market.data.synthetic.adverts import PLACEHOLDERS, draw_adverts
from market.data.synthetic.draws import trap_count
from market.data.synthetic.exports import EXPORTS, write_export
from market.data.synthetic.shapes import SHAPES
from market.data.synthetic.vocabulary import COLOURS
from market.generate import main
from market.search.lexical import LexicalIndex

LISTINGS, SEED = 40, 3


def read(folder: Path, settings: dict[str, Any], name: str) -> pd.DataFrame:
    path = folder / settings[name]
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    if path.suffix == ".jsonl":
        rows = path.read_text(encoding="utf-8").split("\n")
        return pd.DataFrame([json.loads(row) for row in rows if row])
    return pd.read_csv(path, sep=settings["separator"], encoding=settings["encoding"], dtype="str")


@pytest.fixture(scope="module", params=sorted(EXPORTS))
def export(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path, dict[str, Any]]:
    """A marketplace's name, its folder and the settings that describe it."""
    folder = tmp_path_factory.mktemp(request.param)
    return request.param, folder, write_export(folder, request.param, LISTINGS, SEED)


def test_the_settings_name_the_columns_of_the_files(
    export: tuple[str, Path, dict[str, Any]],
) -> None:
    _, folder, settings = export
    listings, log = read(folder, settings, "products"), read(folder, settings, "interactions")
    assert {*settings["columns"].values(), *settings["attributes"]} <= {*listings.columns}
    assert {*settings["event_columns"].values()} == {*log.columns}
    assert set(log[settings["event_columns"]["event"]]) <= set(settings["events"])
    assert set(log[settings["event_columns"]["product_id"]]) <= set(
        listings[settings["columns"]["id"]]
    )
    assert listings[settings["columns"]["id"]].is_unique and len(listings) == LISTINGS


def test_the_settings_are_valid(export: tuple[str, Path, dict[str, Any]]) -> None:
    _, _, settings = export
    Input.model_validate({name: settings[name] for name in Input.model_fields if name in settings})


def test_the_photos_are_where_the_settings_say(export: tuple[str, Path, dict[str, Any]]) -> None:
    _, folder, settings = export
    ids = read(folder, settings, "products")[settings["columns"]["id"]]
    photos = [
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in (".jpg", ".jpeg") and path.is_file()
    ]
    assert len(photos) > LISTINGS
    if settings["photos"] == "column":
        fields = read(folder, settings, "products")[settings["photo_columns"][0]].dropna()
        named = {path for field in fields for path in field.split(settings["photo_separator"])}
        assert named == {path.relative_to(folder).as_posix() for path in photos}
    elif settings["photos"] == "names":
        assert {path.name.split("_")[0] for path in photos} <= set(ids)
    else:
        assert {path.parent.name for path in photos} <= set(ids)
        assert {path.parent.parent.name for path in photos} == {settings["photo_folder"]}


def test_the_same_seed_gives_the_same_bytes(
    export: tuple[str, Path, dict[str, Any]], tmp_path: Path
) -> None:
    name, folder, _ = export
    write_export(tmp_path, name, LISTINGS, SEED)
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    assert files == [path for path in files if (tmp_path / path).exists()]
    for path in files:
        assert (folder / path).read_bytes() == (tmp_path / path).read_bytes(), path


@pytest.mark.parametrize("marketplace", sorted(EXPORTS))
def test_every_vocabulary_can_be_painted_and_traps_are_there(marketplace: str) -> None:
    vocabulary = EXPORTS[marketplace].vocabulary
    kinds = [kind for kinds in vocabulary.catalogue.values() for kind in kinds]
    assert {kind.shape for kind in kinds} <= set(SHAPES)
    assert set(vocabulary.colours.values()) == set(COLOURS)
    adverts = draw_adverts(np.random.default_rng(SEED), vocabulary, 100, step=1.0)
    assert adverts["price"].isin(PLACEHOLDERS).sum() >= 2
    assert adverts["price"].isna().any() and adverts["town"].isna().any()
    assert adverts["text"].duplicated().sum() >= trap_count(40)
    assert (adverts["price"] == 0).any()


@pytest.mark.parametrize(("marketplace", "right", "wrong"), [("german", "de", "en")])
def test_the_right_stemmer_finds_other_forms_more_often(
    marketplace: str, right: str, wrong: str
) -> None:
    vocabulary = EXPORTS[marketplace].vocabulary
    adverts = draw_adverts(np.random.default_rng(SEED), vocabulary, 400, step=1.0)
    names, texts = adverts["title"].tolist(), [""] * len(adverts)
    indices = [LexicalIndex.build(names, texts, [], code) for code in (right, wrong)]
    kinds = [kind for kinds in vocabulary.catalogue.values() for kind in kinds]
    found = []
    for kind in kinds:  # the singular finds listings that are named in the plural
        plural = np.array([kind.many in name and kind.one not in name for name in names])
        if plural.any():
            found.append([(index.scores(kind.one)[plural] > 0).mean() for index in indices])
    of_right, of_wrong = np.array(found).T
    assert of_right.mean() > 0.9 and (of_right - of_wrong).mean() > 0.1
    assert (of_right >= of_wrong).all()


def test_japanese_titles_have_no_spaces_but_words() -> None:
    vocabulary = EXPORTS["japanese"].vocabulary
    adverts = draw_adverts(np.random.default_rng(SEED), vocabulary, 100, step=100.0)
    assert not adverts["title"].str.contains(" ").any()
    assert adverts["title"].map(Language("ja").words).str.len().mean() > 2


@pytest.mark.parametrize("file_format", ["csv", "jsonl", "parquet"])
def test_every_format_has_the_same_listings(file_format: str, tmp_path: Path) -> None:
    settings = write_export(tmp_path / file_format, "american", LISTINGS, SEED, file_format)
    own = write_export(tmp_path / "own", "american", LISTINGS, SEED)
    table, same = (
        read(tmp_path / folder, found, "products").drop(columns="is_sold")
        for folder, found in ((file_format, settings), ("own", own))
    )
    pd.testing.assert_frame_equal(
        table.fillna("").astype(str), same.fillna("").astype(str), check_dtype=False
    )


def test_the_command_writes_the_folder_and_the_settings(tmp_path: Path) -> None:
    options = ["--marketplace", "german", "--listings", "40", "--params", str(tmp_path / "p.yaml")]
    result = CliRunner().invoke(main, [str(tmp_path / "raw"), *options])
    assert result.exit_code == 0, result.output
    section = yaml.safe_load((tmp_path / "p.yaml").read_text(encoding="utf-8"))["input"]
    assert (tmp_path / "raw" / section["products"]).exists()
    again = CliRunner().invoke(main, [str(tmp_path / "raw"), *options])
    assert again.exit_code != 0 and "exists: remove it" in again.output


def test_too_few_listings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MarketError, match="draw at least 40"):
        write_export(tmp_path / "raw", "german", 39, SEED)
