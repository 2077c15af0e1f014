"""Whole exports: the section that is proposed, and what can be used with it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml
from handmade_exports import listings, put_photo
from raw_input import ORIGINAL
from repository import REPO

from market.core.settings import Clean, Input
from market.data.inspection.export import Inspection, inspect_export
from market.data.inspection.report import render
from market.data.synthetic.exports import EXPORTS, write_export

CLEAN = Clean.model_validate(
    yaml.safe_load((REPO / "params.yaml").read_text(encoding="utf-8"))["clean"]
)


def inspect(path: Path) -> Inspection:
    return inspect_export(path, CLEAN)


def test_the_original_marketplace_gives_the_default_section(raw: Path) -> None:
    found = inspect(raw)
    assert found.section == ORIGINAL
    assert not found.problems and not found.questions
    assert found.usable.listings is not None and found.usable.listings.usable > 50


@pytest.mark.parametrize("marketplace", EXPORTS)
def test_other_marketplaces_give_the_section_that_describes_them(
    marketplace: str, tmp_path: Path
) -> None:
    described = write_export(tmp_path, marketplace, 60, 3)
    found = inspect(tmp_path)
    assert found.section == described
    assert not found.problems
    settled = (found.values.currency, found.values.language, found.values.country)
    assert not any(finding.is_guess for finding in settled)
    assert found.usable.events is not None and found.usable.events.usable > 0


@pytest.mark.parametrize("column", ["price", "category", "description", "location", "created"])
def test_a_missing_field_is_left_out(column: str, tmp_path: Path) -> None:
    listings().drop(columns=column).to_csv(tmp_path / "products.csv", index=False)
    found = inspect(tmp_path)
    assert column not in found.section["columns"]
    assert found.usable.listings is not None and found.usable.listings.usable == 60
    Input.model_validate(found.section)


def test_further_columns_become_attributes(tmp_path: Path) -> None:
    listings().to_csv(tmp_path / "products.csv", index=False)
    found = inspect(tmp_path)
    assert found.section["attributes"] == {"brand": "category", "width": "number", "new": "boolean"}


def test_without_an_id_nothing_is_counted_and_the_key_is_asked_for(tmp_path: Path) -> None:
    listings().drop(columns="id").to_csv(tmp_path / "products.csv", index=False)
    found = inspect(tmp_path)
    assert "input.columns.id" in found.problems[0]
    assert found.usable.listings is None
    assert "To put right" in render(found)


def test_rows_that_clean_would_reject_are_counted_with_its_reasons(tmp_path: Path) -> None:
    table = listings()
    table.loc[0, "price"] = "ask"
    table.loc[1, "category"] = None
    table.loc[3, "id"] = table.loc[2, "id"]
    table.to_csv(tmp_path / "products.csv", index=False)
    count = inspect(tmp_path).usable.listings
    assert count is not None and (count.usable, count.total) == (57, 60)
    assert {*count.reasons} == {
        "price is not an amount in pounds", "category is missing", "id repeats an earlier row's",
    }  # fmt: skip


def test_files_that_are_no_photos_are_counted(tmp_path: Path) -> None:
    table = listings()
    table.to_csv(tmp_path / "products.csv", index=False)
    for listing in table["id"]:
        put_photo(tmp_path / "images" / f"{listing}.jpg")
    (tmp_path / "images" / f"{table['id'][0]}.jpg").write_text("no photo")
    put_photo(tmp_path / "images" / "logo.png")
    usable = inspect(tmp_path).usable
    assert usable.photos is not None and usable.decoded is not None
    assert (usable.photos.usable, usable.photos.total) == (60, 61)
    assert (usable.decoded.usable, usable.decoded.total) == (59, 60)


def test_photos_to_fetch_are_no_problem(tmp_path: Path) -> None:
    table = listings().assign(image=lambda rows: "https://example.com/" + rows["id"] + ".jpg")
    table.to_csv(tmp_path / "products.csv", index=False)
    found = inspect(tmp_path)
    assert found.photos.unfetched == 1
    assert not found.problems


def test_times_in_an_ambiguous_form_are_named(tmp_path: Path) -> None:
    listings().assign(created="03/04/2024").to_csv(tmp_path / "products.csv", index=False)
    found = inspect(tmp_path)
    assert found.section["columns"]["created"] == "created"
    assert any("03/04/2024" in note for note in found.notes)


def test_what_only_the_language_suggests_is_asked_for(tmp_path: Path) -> None:
    table = listings(price=lambda number: number.randint(1, 99)).drop(columns="location")
    table.to_csv(tmp_path / "products.csv", index=False)
    questions = " ".join(inspect(tmp_path).questions)
    assert "input.country" in questions and "input.currency" in questions


def test_large_amounts_suggest_a_higher_limit_of_placeholders(tmp_path: Path) -> None:
    table = listings(price=lambda number: f"{number.randint(1, 9)}50,000円")
    table.to_csv(tmp_path / "products.csv", index=False)
    assert any("clean.placeholder_above" in note for note in inspect(tmp_path).notes)


def test_tables_in_different_encodings_are_a_problem(tmp_path: Path) -> None:
    table = listings("de", price=lambda number: f"{number.randint(1, 99)},50 €")
    table.to_csv(tmp_path / "Anzeigen.csv", index=False, encoding="cp1252")
    log = pd.DataFrame(
        {
            "Nutzer": [f"Jörg{row % 5}" for row in range(60)],
            "Anzeige": table["id"],
            "Zeit": "2024-01-01T10:00:00",
        }
    )
    log.to_csv(tmp_path / "Ereignisse.csv", index=False, encoding="utf-16")
    assert any("Ereignisse.csv" in line for line in inspect(tmp_path).problems)


def test_the_section_of_the_report_is_the_section(tmp_path: Path) -> None:
    listings().to_csv(tmp_path / "products.csv", index=False)
    found = inspect(tmp_path)
    text = render(found)
    assert yaml.safe_load(text[text.index("\ninput:") :])["input"] == found.section
    assert all(len(line) < 130 for line in text.splitlines())


def test_a_guess_is_marked_in_the_report(tmp_path: Path) -> None:
    table = listings(price=lambda number: number.randint(1, 99))
    table.to_csv(tmp_path / "products.csv", index=False)
    lines = render(inspect(tmp_path)).splitlines()
    assert any("currency: GBP  # guess" in line for line in lines)
    assert any(line.split()[:3] == ["currency", "GBP", "(guess)"] for line in lines)
