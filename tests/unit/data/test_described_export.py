"""A raw folder beside the section `input` that describes it, or another one."""

from __future__ import annotations

from pathlib import Path

import pytest
from raw_input import input_settings

from market.core.errors import MarketError
from market.data.described_export import check_described
from market.data.raw_folder import RawFolder

GERMAN = input_settings(products="Anzeigen.csv", images="", interactions="Ereignisse.csv")


def test_a_section_of_another_export_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    for name in ("Products.csv", "Images.csv", "interactions.csv", ".DS_Store"):
        (tmp_path / name).touch()
    with pytest.raises(MarketError) as error:
        check_described(tmp_path, GERMAN)
    found = "Images.csv, Products.csv, interactions.csv"
    assert str(error.value) == (
        f"{tmp_path} has no Anzeigen.csv, which input.products in params.yaml names, but {found}: "
        f"the section `input` describes another export. Run `python -m market.inspect {tmp_path} "
        "--write`, which writes it for this one and keeps the other in the other's folder, or set "
        "`dataset` to the export that it describes"
    )
    with pytest.raises(MarketError, match="describes another export"):
        RawFolder(tmp_path, GERMAN).listings(labelled=True)


def test_many_files_are_counted(tmp_path: Path) -> None:
    for number in range(8):
        (tmp_path / f"part{number}.csv").touch()
    with pytest.raises(MarketError, match=r"part4\.csv and 3 more: the section"):
        check_described(tmp_path, GERMAN)


@pytest.mark.parametrize("name", ["Anzeigen.csv", "anzeigen.JSONL", "Ereignisse.csv"])
def test_a_folder_with_one_of_its_tables_is_the_one_described(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    check_described(tmp_path, GERMAN)


def test_an_empty_or_absent_folder_is_for_others_to_report(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    check_described(tmp_path, GERMAN)
    check_described(tmp_path / "absent", GERMAN)
