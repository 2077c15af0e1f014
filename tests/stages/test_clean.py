"""Cleaning: whatever was in the raw folder is in an output or in rejects.csv, with a reason."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from PIL import Image
from repository import contents

from market.data.images import decode_photo, to_array
from market.data.photo_store import PhotoStore, open_photo
from market.data.synthetic.listings import draw_products
from market.data.synthetic.photo_files import ODD_FILES, draw_images
from market.data.synthetic.vocabulary import CLASSES
from market.data.tables import read_table
from stages import clean

REASONS = {
    "one pixel": "a side under 8 pixels (1x1)",
    "truncated": "damaged",
    "empty": "empty file",
    "text": "not one of JPEG, PNG",
    "missing": "no file in images/",
}


@pytest.fixture(scope="module")
def drawn(ran: Path) -> pd.DataFrame:
    """The rows of Images.csv with what the sample put into each file, by id."""
    params = yaml.safe_load((ran / "params.yaml").read_text(encoding="utf-8"))["sample"]
    rng = np.random.Generator(np.random.PCG64(params["seed"]))
    products = draw_products(rng, params["products"])
    images = draw_images(rng, products).set_index("id")
    return images[images["product_id"].isin(products["id"])]


@pytest.fixture(scope="module")
def images(ran: Path) -> pd.DataFrame:
    return pd.read_parquet(ran / "data/clean/images.parquet")


@pytest.fixture(scope="module")
def rejects(ran: Path) -> pd.DataFrame:
    return pd.read_csv(ran / "data/clean/rejects.csv", dtype=str)


# --- The sample, cleaned as a script --------------------------------------------------------------
def test_each_product_is_kept_or_rejected(ran: Path, rejects: pd.DataFrame) -> None:
    table = read_table(ran / "data/sample/raw/Products.csv")
    kept = pd.read_parquet(ran / "data/clean/products.parquet")["product_id"]
    rejected = rejects.loc[rejects["source"] == "Products.csv", "id"]
    assert sorted([*kept, *rejected]) == sorted(table["id"])


def test_each_image_row_is_kept_or_rejected_once(
    ran: Path, images: pd.DataFrame, rejects: pd.DataFrame
) -> None:
    rows = read_table(ran / "data/sample/raw/Images.csv")["id"]
    no_row = rejects["reason"] == "no row in Images.csv"
    of_images = rejects[rejects["source"].ne("Products.csv") & ~no_row]
    assert sorted([*images["image_id"], *of_images["id"]]) == sorted(rows)


def test_each_file_is_kept_or_rejected(
    ran: Path, images: pd.DataFrame, rejects: pd.DataFrame
) -> None:
    files = {path.stem for path in (ran / "data/sample/raw/images").iterdir()}
    assert files == (set(images["image_id"]) | set(rejects["id"])) & files
    unlisted = rejects.loc[rejects["reason"] == "no row in Images.csv", "source"]
    assert unlisted.str.fullmatch(r"images/[\w-]+\.jpg").all() and len(unlisted) == 5


@pytest.mark.parametrize("content", ["missing", *ODD_FILES])
def test_odd_files_are_kept_or_rejected_for_what_they_are(
    images: pd.DataFrame, rejects: pd.DataFrame, drawn: pd.DataFrame, content: str
) -> None:
    odd = drawn.index[drawn["content"] == content]
    assert len(odd)
    if content in REASONS:
        reasons = rejects.set_index("id").loc[odd, "reason"]
        assert reasons.str.startswith(REASONS[content]).all()
        assert not images["image_id"].isin(odd).any()
    else:
        formats = images.set_index("image_id").loc[odd, "format"]
        pngs, gifs = ("png", "palette", "alpha"), ("animated",)
        expected = "PNG" if content in pngs else "GIF" if content in gifs else "JPEG"
        assert formats.eq(expected).all()


def test_copies_and_no_others_have_one_pixel_hash(
    images: pd.DataFrame, drawn: pd.DataFrame
) -> None:
    original = images["image_id"].map(drawn["same_as"])
    assert images.groupby(original)["pixel_hash"].nunique().eq(1).all()
    assert images["pixel_hash"].nunique() == original.nunique() < len(images)


def test_packed_photos_are_squares_in_the_tables_order(ran: Path, images: pd.DataFrame) -> None:
    store = PhotoStore(ran / "data/clean/photos")
    batches = list(store.batches())
    ids = [image for batch in batches for image in batch["image_id"].to_pylist()]
    assert ids == images["image_id"].tolist() == sorted(ids)
    for index in range(0, len(ids), 7):
        path = ran / f"data/sample/raw/images/{ids[index]}.jpg"
        picture, size, _ = decode_photo(path, size=64, min_side=8, max_megapixels=50)
        packed = open_photo(store[index]).astype(int)
        assert packed.shape == (64, 64, 3)
        assert np.abs(packed - np.asarray(picture)).mean() < 6
        assert size == tuple(images.loc[index, ["width", "height"]])
        array = batches[0]["image_array"].to_numpy_ndarray()[index]
        np.testing.assert_array_equal(array, to_array(picture, 56))
        squeezed = to_array(Image.fromarray(packed.astype(np.uint8)), 56)
        assert np.abs(array.astype(int) - squeezed).mean() < 6


def test_metrics_count_what_is_in_the_outputs(
    ran: Path, images: pd.DataFrame, rejects: pd.DataFrame
) -> None:
    metrics = json.loads((ran / "metrics/clean.json").read_text(encoding="utf-8"))
    products = pd.read_parquet(ran / "data/clean/products.parquet")
    assert metrics["dataset"] == "sample"
    counts = metrics["products"]
    assert counts["read"] == counts["kept"] + counts["rejected"] == len(products)
    assert not any(counts["missing_values"].values())
    assert counts["placeholder_prices"] == products["price_is_placeholder"].sum() > 0
    without = set(products["product_id"]) - set(images["product_id"])
    assert counts["without_photo"] == len(without) > 0
    assert metrics["photos"]["kept"] == len(images)
    assert metrics["photos"]["files"] == len(list((ran / "data/sample/raw/images").iterdir()))
    assert sum(metrics["rejected"].values()) == len(rejects)


def test_tables_are_typed(ran: Path, images: pd.DataFrame) -> None:
    products = pd.read_parquet(ran / "data/clean/products.parquet")
    assert products["price"].dtype == float and products["price_is_placeholder"].dtype == bool
    assert products["category"].nunique() == len(CLASSES)
    assert products["category_levels"].str.len().between(2, 4).all()
    assert images["created"].dt.year.eq(2022).all()
    assert not products["description"].str.contains("Posted by|\r|@example.com").any()


def test_workers_do_not_change_a_byte(
    ran: Path, make_project: Callable[..., Path], run_stage: Callable, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project")
    for stage in ("clean", "merge"):
        run_stage(project, stage, WORKERS="2")
    for out in ("data/clean", "data/merged", "metrics"):
        for path in sorted((project / out).rglob("*.*")):
            assert path.read_bytes() == (ran / path.relative_to(project)).read_bytes(), path.name


# --- What refuses most of a table -----------------------------------------------------------------
PRODUCTS = "id,product_name,category,product_description,price,location\n"


@pytest.fixture
def project(
    make_project: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A project of four sound products with a photo and an event each; the working folder."""
    project = make_project(tmp_path / "project", {"dataset": "mine"})
    raw = project / "data/mine/raw"
    (raw / "images").mkdir(parents=True)
    products = [f"p{i},Lamp,Home / Lamps,Blue,£{i + 5}.00,Bath\n" for i in range(4)]
    (raw / "Products.csv").write_text(PRODUCTS + "".join(products))
    rows = [f"i{i},p{i},2022-02-26\n" for i in range(4)]
    (raw / "Images.csv").write_text("id,product_id,create_time\n" + "".join(rows))
    events = [f"u{i},p{i},view,2024-03-0{i + 1}\n" for i in range(4)]
    (raw / "interactions.csv").write_text("user_id,product_id,event,timestamp\n" + "".join(events))
    for i in range(4):
        Image.new("RGB", (40, 40), (50 * i, 30, 30)).save(raw / f"images/i{i}.png")
    monkeypatch.chdir(project)
    return project


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def run(code: int) -> str:
    """Run stage clean; return what it printed, in one line if it ended in an error."""
    result = CliRunner().invoke(clean.main)
    assert result.exit_code == code, result.output
    if code:
        assert len(result.stderr.splitlines()) == 1 and not isinstance(result.exception, KeyError)
    return result.output


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("Products.csv", "£", "$", "4 of 4 rows are rejected: price is not an amount in pounds"),
        ("Products.csv", r"\.00", " p", "(the first is row 1, 'p0', price '£5 p'): correct them"),
        ("Products.csv", "Home / Lamps", " / ", "4 of 4 rows are rejected: category is missing"),
        (
            "Images.csv",
            r",p(?=\d)",
            ",q",
            "4 of 4 rows are rejected: its product is not in Products.csv",
        ),
        (
            "Images.csv",
            r",p(?=\d)",
            ",q",
            "product_id 'q0'): correct them, or raise clean.max_rejected_",
        ),
        (
            "interactions.csv",
            r",p(?=\d)",
            ",q",
            "rows are rejected: its product is not in Products.csv",
        ),
        ("interactions.csv", "2024-03-", "13/13/", "timestamp is neither ISO 8601 nor unix"),
        ("interactions.csv", "2024-03-0", "2611-03-0", "timestamp is not between 1990 and 2100"),
    ],
)
def test_what_refuses_most_rows_ends_the_run_and_is_named(
    project: Path, file: str, old: str, new: str, said: str
) -> None:
    run(0)
    before = contents(project / "data/clean")
    path = project / "data/mine/raw" / file
    sound = path.read_text(encoding="utf-8")
    path.write_text(re.sub(old, new, sound), encoding="utf-8")
    message = run(1)
    assert f"data/mine/raw/{file}: " in message and said in message
    assert "all rejects so far are in data/clean.rejects.csv" in message
    rejects = pd.read_csv("data/clean.rejects.csv", dtype=str, keep_default_na=False)
    assert rejects["source"].eq(file).sum() == 4
    assert contents(project / "data/clean") == before, "the former run's, whole"
    path.write_text(sound, encoding="utf-8")
    run(0)
    assert not Path("data/clean.rejects.csv").exists(), "of a run that ended well"


def test_photos_that_cannot_be_decoded_end_the_run_too(project: Path) -> None:
    for number in range(3):
        (project / f"data/mine/raw/images/i{number}.png").write_bytes(b"<html>")
    message = run(1)
    assert "3 of 4 rows are rejected: not one of JPEG" in message
    assert "the first is images/i0.png" in message
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["clean"]["max_rejected_share"] = 0.75
    Path("params.yaml").write_text(yaml.safe_dump(params))
    assert "4 products and 1 photos" in run(0)


def test_a_consequence_is_not_the_cause(project: Path) -> None:
    """Events and photos of one product only, whose price is refused."""
    raw = project / "data/mine/raw"
    change(raw / "Products.csv", "£5.00", "$5.00")
    for file in ("Images.csv", "interactions.csv"):
        for number in (1, 2, 3):
            change(raw / file, f",p{number},", ",p0,")
    message = run(1)
    assert "interactions.csv: 4 of 4 rows are rejected: its product was rejected" in message
    rejects = pd.read_csv("data/clean.rejects.csv", dtype=str, keep_default_na=False)
    assert rejects["reason"].iloc[0] == "price is not an amount in pounds, but in $"
    (raw / "interactions.csv").unlink()
    assert "3 products and 0 photos" in run(0)


def test_rejects_are_written_whatever_ends_the_run(project: Path) -> None:
    change(project / "data/mine/raw/Products.csv", "£5.00", "$5.00")
    (project / "data/mine/raw/Images.csv").unlink()
    assert "Images.csv does not exist" in run(1)
    rejects = pd.read_csv("data/clean.rejects.csv", dtype=str)
    assert rejects["id"].tolist() == ["p0"]


# --- What is not understood -----------------------------------------------------------------------
def test_columns_and_events_that_are_not_read_are_named(project: Path) -> None:
    raw = project / "data/mine/raw"
    change(raw / "Products.csv", "location\n", "location,colour\n")
    change(raw / "Products.csv", "Bath\n", "Bath,blue\n")
    change(raw / "Images.csv", "create_time", "createTime")
    log = "user_id,product_id,event_type,timestamp\nu,p0,buy,2024-03-01\nu,p1,buy,2024-03-01\n"
    (raw / "interactions.csv").write_text(log)
    said = run(0)
    assert "Products.csv: column 'colour' (4 values) is not read\n" in said
    assert "Images.csv: column 'createTime' (4 values) is not read: rename it if 'create_time'" in (
        said
    )
    assert "column 'event_type' (2 values) is not read: rename it if 'event' is meant" in said
    assert "interactions.csv: no column 'event': every row counts as a view" in said
    metrics = json.loads(Path("metrics/clean.json").read_text(encoding="utf-8"))
    assert metrics["ignored_columns"] == {
        "Products.csv": {"colour": 4},
        "Images.csv": {"createTime": 4},
        "interactions.csv": {"event_type": 2},
    }
    assert metrics["photos"]["missing_create_times"] == 4
    change(raw / "interactions.csv", "event_type", "event")
    change(raw / "interactions.csv", "p1,buy", "p1,views")
    change(raw / "interactions.csv", "p0,buy", "p0,add_to_cart")
    said = run(0)
    assert "event 'views' (1 rows) counts as a view: rename it if 'view' is meant" in said
    assert "event 'add_to_cart' (1 rows) counts as a view (events with a weight: view, save" in said
    metrics = json.loads(Path("metrics/clean.json").read_text(encoding="utf-8"))
    assert metrics["interactions"]["unknown_events"] == {"add_to_cart": 1, "views": 1}


def test_mixed_offsets_of_create_time_are_read(project: Path) -> None:
    path = project / "data/mine/raw/Images.csv"
    for number, written in enumerate(["09:00:00+00", "09:00:00+01", "09:00:00Z", "09:00:00"]):
        change(path, f"p{number},2022-02-26", f"p{number},2022-02-26 {written}")
    run(0)
    hours = pd.read_parquet("data/clean/images.parquet")["created"].dt.hour
    assert hours.tolist() == [9, 8, 9, 9]


def test_the_letter_case_of_the_photo_folder_does_not_matter(project: Path) -> None:
    (project / "data/mine/raw/images").rename(project / "data/mine/raw/Images")
    assert "4 products and 4 photos in data/clean" in run(0)
