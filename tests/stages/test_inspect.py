"""The command `python -m market.inspect`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from handmade_exports import listings
from repository import REPO

from market.inspect import main


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with params.yaml and an export in data/mine/raw, as the working directory."""
    shutil.copy(REPO / "params.yaml", tmp_path)
    (tmp_path / "data/mine/raw").mkdir(parents=True)
    listings().to_csv(tmp_path / "data/mine/raw/products.csv", index=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def last_line(result: Result) -> str:
    return result.output.strip().splitlines()[-1]


def test_the_last_line_is_the_next_command(project: Path) -> None:
    before = (project / "params.yaml").read_bytes()
    result = run("data/mine/raw")
    assert result.exit_code == 0, result.output
    assert last_line(result) == "Next: python -m market.inspect data/mine/raw --write"
    assert (project / "params.yaml").read_bytes() == before
    written = run("data/mine/raw", "--write")
    assert last_line(written) == "Next: dvc repro"
    params = yaml.safe_load((project / "params.yaml").read_text(encoding="utf-8"))
    assert params["dataset"] == "mine"
    assert params["input"]["products"] == "products.csv"
    assert "  dataset: sample -> mine\n" in written.output


def test_an_export_elsewhere_is_copied_first(project: Path) -> None:
    (project / "data/mine/raw").rename(project / "my export")
    result = run("my export", "--write")
    assert last_line(result) == (
        "Next: mkdir -p data/mine && cp -r 'my export' data/mine/raw && "
        "python -m market.inspect data/mine/raw --write"
    )
    params = yaml.safe_load((project / "params.yaml").read_text(encoding="utf-8"))
    assert params["input"]["products"] == "products.csv"
    assert params["dataset"] == yaml.safe_load((REPO / "params.yaml").read_text())["dataset"]


def test_a_section_is_kept_while_another_dataset_is_in_use(project: Path) -> None:
    run("data/mine/raw", "--write")
    by_hand = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    by_hand["input"]["currency"] = "NZD"
    Path("params.yaml").write_text(yaml.safe_dump(by_hand, sort_keys=False), encoding="utf-8")
    Path("data/other/raw").mkdir(parents=True)
    listings().to_csv("data/other/raw/adverts.csv", index=False)
    # As `dvc exp run -S dataset=other` leaves it.
    text = (
        Path("params.yaml").read_text(encoding="utf-8").replace("dataset: mine", "dataset: other")
    )
    Path("params.yaml").write_text(text, encoding="utf-8")

    switched = run("data/other/raw", "--write")
    assert "The former section `input` is kept in data/mine/input.yaml" in switched.output
    assert not Path("data/other/input.yaml").exists()
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    assert (params["dataset"], params["input"]["products"]) == ("other", "adverts.csv")

    back = run("data/mine/raw", "--write")
    assert "Written to params.yaml from data/mine/input.yaml" in back.output
    assert yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8")) == by_hand
    assert "adverts.csv" in Path("data/other/input.yaml").read_text(encoding="utf-8")


def test_a_kept_section_that_is_wrong_is_named(project: Path) -> None:
    Path("data/mine/input.yaml").write_text("currency: 5\n", encoding="utf-8")
    before = Path("params.yaml").read_bytes()
    result = run("data/mine/raw", "--write")
    assert result.exit_code == 1
    assert "data/mine/input.yaml: " in last_line(result)
    assert Path("params.yaml").read_bytes() == before


def test_photos_on_the_web_are_fetched_first(project: Path) -> None:
    table = listings().assign(image=lambda rows: "https://example.com/" + rows["id"] + ".jpg")
    table.to_csv("data/mine/raw/products.csv", index=False)
    assert last_line(run("data/mine/raw", "--write")) == (
        "Next: python -m market.fetch_photos && dvc repro"
    )


def test_an_export_without_ids_is_reported_and_not_written(project: Path) -> None:
    before = (project / "params.yaml").read_bytes()
    listings().drop(columns="id").to_csv("data/mine/raw/products.csv", index=False)
    report = run("data/mine/raw")
    assert report.exit_code == 0
    assert last_line(report).startswith("Next: put right what is listed above")
    written = run("data/mine/raw", "--write")
    assert written.exit_code == 1
    assert last_line(written).endswith("nothing was written")
    assert (project / "params.yaml").read_bytes() == before


def test_a_path_without_a_table_is_one_clear_line(project: Path) -> None:
    result = run("nowhere")
    assert result.exit_code == 1
    assert result.output == (
        "Error: nowhere does not exist: name a table, or a folder of tables and photos\n"
    )
