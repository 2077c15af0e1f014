"""`python -m market.fetch_photos` from the table of listings to photos that clean reads."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from photo_server import running
from raw_input import input_settings

from market import fetch_photos
from market.data.photo_files import read_images
from market.data.raw_folder import RawFolder

SETTINGS = input_settings(photos="column", photo_columns=["pictures"])
ARGUMENTS = ["--allow-private", "--delay", "0", "--timeout", "2"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a raw folder, with the settings that read it."""
    original = fetch_photos.load_params

    def load_params(*names: str):
        found = original(*names)
        return tuple(
            SETTINGS if name == "input" else value for name, value in zip(names, found, strict=True)
        )

    monkeypatch.setattr(fetch_photos, "load_params", load_params)
    (tmp_path / "raw").mkdir()
    return tmp_path / "raw"


def fetch(raw: Path, *options: str) -> Result:
    return CliRunner().invoke(fetch_photos.main, ["--raw", str(raw), *ARGUMENTS, *options])


def test_a_second_run_fetches_only_what_is_missing(project: Path) -> None:
    with running() as server:
        photos = f"{server.url('photo')},{server.url('png')}"
        (project / "Products.csv").write_text(
            f'id,pictures\np0,"{photos}"\np1,{server.url("status/404")}\np2,local.jpg\n'
        )
        first = fetch(project, "--max-photos", "2")
        assert first.exit_code == 0, first.output
        assert "2 photos fetched" in first.output and "1 left by --max-photos" in first.output
        second = fetch(project)
        assert second.exit_code == 1
        assert "1 of 1 (100%): HTTP 404, such as http://127.0.0.1" in second.output
        assert server.requests == {"photo": 1, "png": 1, "status/404": 1}
        record = pd.read_csv(project / fetch_photos.RECORD)
        assert record["url"].tolist() == photos.split(",")
        assert all((project / file).exists() for file in record["file"])
        failures = pd.read_csv(project.with_name("raw.unfetched.csv"))
        assert failures["reason"].tolist() == ["HTTP 404"]
    folder = RawFolder(project, SETTINGS)
    listings = folder.listings(labelled=False)
    images = read_images(folder, listings, listings.rows["id"].notna().to_numpy())
    assert images.usable["id"].tolist() == ["p0-0001", "p0-0002"]
    assert len(images.rejects) == 2  # the absent photo, and local.jpg


def test_a_folder_without_urls_needs_no_network(project: Path) -> None:
    (project / "Products.csv").write_text("id,pictures\np0,a.jpg\n")
    result = fetch(project)
    assert result.exit_code == 0
    assert "nothing to fetch (input.photos is column)" in result.output
