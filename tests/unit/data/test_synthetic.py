"""The synthetic marketplace: the real one's format and every trap it is there to hold."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, UnidentifiedImageError
from repository import REPO

from market.core.errors import MarketError
from market.data.synthetic.draws import trap_count
from market.data.synthetic.listings import draw_products
from market.data.synthetic.marketplace import write_marketplace
from market.data.synthetic.photo_files import ODD_FILES, ONLY_PHOTO, draw_images
from market.data.synthetic.shapes import SHAPES, parse_shape
from market.data.synthetic.vocabulary import CATALOGUE, CLASSES, PHONES, PLACEHOLDERS

pytestmark = pytest.mark.slow

PRODUCTS, SEED = 60, 7


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("marketplace") / "raw"
    write_marketplace(folder, PRODUCTS, SEED)
    return folder


@pytest.fixture(scope="module")
def products(raw: Path) -> pd.DataFrame:
    return pd.read_csv(raw / "Products.csv", lineterminator="\n", dtype=str)


@pytest.fixture(scope="module")
def images(raw: Path) -> pd.DataFrame:
    return pd.read_csv(raw / "Images.csv", lineterminator="\n", dtype=str)


@pytest.fixture(scope="module")
def log(raw: Path) -> pd.DataFrame:
    return pd.read_csv(raw / "interactions.csv", dtype=str)


@pytest.fixture(scope="module")
def files(raw: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in sorted((raw / "images").iterdir())}


# --- Products.csv ---------------------------------------------------------------------------------
def test_products_have_the_raw_format(raw: Path, products: pd.DataFrame) -> None:
    header = (raw / "Products.csv").read_text(encoding="utf-8").split("\n", 1)[0]
    assert header == ",id,product_name,category,product_description,price,location"
    assert len(products) == PRODUCTS
    assert products.notna().all().all()
    assert products["id"].is_unique
    assert products["product_name"].str.fullmatch(r"[^|]+ \| in [^|]+ \| Gumtree").all()
    assert products["category"].str.count(" / ").between(1, 3).all()
    assert products["product_description"].str.len().between(15, 600).all()
    assert products["price"].str.fullmatch(r"£\d{1,3}(,\d{3})*\.\d\d").all()
    assert np.diff(products.iloc[:, 0].astype(int)).max() > 1, "the running index has gaps"


def test_every_class_is_there(products: pd.DataFrame) -> None:
    assert set(products["category"].str.split(" / ").str[0]) == set(CLASSES)
    assert len(CLASSES) == 13


def test_bare_returns_break_a_naive_reader(raw: Path, products: pd.DataFrame) -> None:
    assert 0.2 < products["product_description"].str.contains("\r").mean() < 0.5
    assert b"\r\n" not in (raw / "Products.csv").read_bytes()
    assert len(pd.read_csv(raw / "Products.csv")) > PRODUCTS


@pytest.mark.parametrize(
    "pattern",
    [
        r"Posted by \w+ in ",
        r"07700|7946|0 7 7 0 0|\+44 7700",
        r"@example\.com",
        r"\b[A-Z]{1,2}\d{1,2} \d[A-Z]{2}\b",
        r"[\u2600-\U0001faff]",
    ],
)
def test_descriptions_hold(products: pd.DataFrame, pattern: str) -> None:
    assert products["product_description"].str.contains(pattern).any()


def test_telephone_numbers_are_fictional() -> None:
    drama = re.compile(r"(\+?447700900|07700900|02079460)\d{3}")
    for phone in PHONES:
        assert drama.fullmatch(re.sub(r"[^\d+]", "", phone.format(42)))


def test_prices_hold_zeros_and_placeholders(products: pd.DataFrame) -> None:
    pounds = products["price"].str.replace("[£,]", "", regex=True).astype(float)
    assert (pounds == 0).any()
    assert pounds.isin(PLACEHOLDERS).sum() >= 2
    assert 10 < pounds.median() < 150


def test_some_locations_lack_the_county(products: pd.DataFrame) -> None:
    assert 0 < (~products["location"].str.contains(",")).mean() < 0.2


def test_listings_share_descriptions_and_names(products: pd.DataFrame) -> None:
    adverts = products.groupby("product_description")
    assert (adverts["id"].nunique() > 1).sum() >= 2
    assert (products.groupby("product_name")["product_description"].nunique() > 1).sum() >= 2


# --- Images.csv and images/ -----------------------------------------------------------------------
def test_images_have_the_raw_format(raw: Path, images: pd.DataFrame) -> None:
    header = (raw / "Images.csv").read_text(encoding="utf-8").split("\n", 1)[0]
    assert header == ",id,product_id,image_ref,create_time"
    assert images["id"].is_unique
    assert images["image_ref"].str.fullmatch(r"[A-Za-z0-9]{16}").all()
    assert images["create_time"].between("2022-02-26", "2022-02-28").all()


def test_most_products_have_two_photos(products: pd.DataFrame, images: pd.DataFrame) -> None:
    counts = products["id"].map(images["product_id"].value_counts()).fillna(0)
    assert counts.value_counts().to_dict() == {2: 42, 1: 17, 0: 1}


def test_rows_and_files_do_not_match_up(
    products: pd.DataFrame, images: pd.DataFrame, files: dict[str, bytes]
) -> None:
    assert len(set(files) - set(images["id"])) == 5
    assert len(set(images["id"]) - set(files)) == trap_count(PRODUCTS)
    assert len(set(images["product_id"]) - set(products["id"])) == 2


def test_products_share_photos(images: pd.DataFrame, files: dict[str, bytes]) -> None:
    content = images["id"].map(files).dropna()
    owners = images.loc[content.index].groupby(content)["product_id"].nunique()
    assert (owners > 1).sum() == trap_count(PRODUCTS)


def test_odd_files_are_what_they_say(
    products: pd.DataFrame, images: pd.DataFrame, files: dict[str, bytes], raw: Path
) -> None:
    owned = images[images["product_id"].isin(products["id"]) & images["id"].isin(files)]
    seen = [look(raw / "images" / f"{image}.jpg") for image in owned["id"]]
    for kind in ODD_FILES:
        assert sum(kind in traits for traits in seen) == 1, kind
    assert sum(not traits for traits in seen) > 0.7 * len(seen), "most are plain JPEGs"


def look(path: Path) -> set[str]:
    """Return the keys of ODD_FILES that the file answers to; none for a plain small JPEG."""
    if path.stat().st_size == 0:
        return {"empty"}
    try:
        with Image.open(path) as photo:
            traits = {
                "png": photo.format == "PNG" and photo.mode == "RGB",
                "alpha": photo.format == "PNG" and photo.mode == "RGBA",
                "palette": photo.format == "PNG" and photo.mode == "P",
                "animated": photo.format == "GIF" and getattr(photo, "n_frames", 1) == 3,
                "progressive": "progressive" in photo.info,
                "cmyk": photo.format == "JPEG" and photo.mode == "CMYK",
                "rotated": photo.getexif().get(0x0112) == 6,
                "one pixel": photo.size == (1, 1),
                "huge": photo.width * photo.height == 40_000_000,
            }
            assert traits["huge"] or max(photo.size) <= 224
            if not traits["huge"]:
                photo.load()
        return {kind for kind, found in traits.items() if found}
    except UnidentifiedImageError:
        return {"text"} if path.read_bytes().decode() else set()
    except OSError as error:
        return {"truncated"} if "truncated" in str(error) else set()


def test_some_products_have_no_photo_that_decodes(
    images: pd.DataFrame, files: dict[str, bytes]
) -> None:
    only = images.groupby("product_id").filter(lambda rows: len(rows) == 1)["id"]
    hopeless = [image for image in only if files.get(image, b"?")[:5] in (b"", b"<html")]
    assert len(hopeless) == len(ONLY_PHOTO)


# --- interactions.csv -----------------------------------------------------------------------------
def test_interactions_keep_the_rules(products: pd.DataFrame, log: pd.DataFrame) -> None:
    assert list(log.columns) == ["user_id", "product_id", "event", "timestamp", "search_id"]
    assert log["user_id"].str.startswith("simulated-").all()
    assert log["user_id"].nunique() == PRODUCTS // 3
    assert log["user_id"].value_counts().between(5, 40).all()
    assert set(log["product_id"]) <= set(products["id"])
    assert log["timestamp"].is_monotonic_increasing
    assert log["timestamp"].str.fullmatch(r"2022-0\d-\d\dT\d\d:\d\d:\d\d").all()
    bought = log[log["event"] == "buy"]
    assert not bought.duplicated(["user_id", "product_id"]).any()
    assert set(log["event"]) == {"view", "save", "message", "buy"}
    assert (log["event"] == "view").mean() > 0.5


def test_nobody_acts_on_what_they_have_not_viewed(log: pd.DataFrame) -> None:
    first = log.drop_duplicates(["user_id", "product_id"])
    assert (first["event"] == "view").all()


def test_shoppers_have_a_taste(products: pd.DataFrame, log: pd.DataFrame) -> None:
    leaf = log["product_id"].map(products.set_index("id")["category"])
    top = leaf.groupby(log["user_id"]).agg(lambda own: own.value_counts(normalize=True).iloc[0])
    assert top.mean() > 2 * leaf.value_counts(normalize=True).iloc[0]


# --- searches.csv ---------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def searches(raw: Path) -> pd.DataFrame:
    return pd.read_csv(raw / "searches.csv", dtype=str, keep_default_na=False)


def test_searches_lead_to_the_events_that_name_them(
    products: pd.DataFrame, log: pd.DataFrame, searches: pd.DataFrame
) -> None:
    assert searches["search_id"].is_unique and searches["timestamp"].is_monotonic_increasing
    linked = log.dropna(subset="search_id").merge(searches, on="search_id", suffixes=("", "_then"))
    assert len(linked) == log["search_id"].notna().sum() > 0.1 * len(log)
    assert linked["user_id"].eq(linked["user_id_then"]).all()
    assert (linked["timestamp_then"] < linked["timestamp"]).all()
    shown = linked["product_ids"].str.split()
    places = [ids.index(own) for ids, own in zip(shown, linked["product_id"], strict=True)]
    assert np.mean(places) < 0.4 * shown.map(len).mean(), "users look at the top most"
    assert searches["product_ids"].str.split().explode().dropna().isin(products["id"]).all()


def test_some_searches_have_no_click_no_result_or_no_user(
    log: pd.DataFrame, searches: pd.DataFrame
) -> None:
    unclicked = ~searches["search_id"].isin(log["search_id"])
    assert 0.1 < unclicked.mean() < 0.4
    assert searches["total"].eq(searches["product_ids"].str.count(r"\S+").astype(str)).mean() > 0.3
    assert (searches["total"].eq("0") == searches["product_ids"].eq("")).all()
    assert searches["query"].ne("").all() and searches["query"].duplicated().any()


# --- The whole ------------------------------------------------------------------------------------
def test_same_seed_same_bytes_in_another_process(raw: Path, tmp_path: Path) -> None:
    code = (
        "import pathlib; from market.data.synthetic.marketplace import write_marketplace; "
        "write_marketplace(pathlib.Path({!r}), {}, {})"
    )
    subprocess.run(
        [sys.executable, "-c", code.format(str(tmp_path), PRODUCTS, SEED)],
        cwd=REPO,
        env={**os.environ, "PYTHONHASHSEED": "1"},
        check=True,
    )
    assert contents(tmp_path) == contents(raw)


def contents(folder: Path) -> dict[str, bytes]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_seeds_differ_and_the_smallest_sample_holds_every_trap() -> None:
    ids = set()
    for seed in range(20):
        rng = np.random.Generator(np.random.PCG64(seed))
        listings = draw_products(rng, 40)
        images = draw_images(rng, listings)
        assert set(images["content"]) == {"photo", "missing", *ODD_FILES}
        assert (images["same_as"] != images["id"]).sum() == trap_count(40)
        ids |= set(listings["id"])
    assert len(ids) == 20 * 40


def test_too_small_a_sample_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MarketError, match="at least 40"):
        write_marketplace(tmp_path / "raw", 39, SEED)


def test_the_folder_says_that_it_is_synthetic(raw: Path) -> None:
    assert "synthetic" in (raw / "README.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_shapes_fill_their_square(shape: str) -> None:
    points = np.concatenate([points for _, points in parse_shape(SHAPES[shape])])
    assert points.min() >= -2 and points.max() <= 102
    assert np.ptp(points, axis=0).max() > 80


def test_every_item_has_a_shape_and_every_shape_an_item() -> None:
    items = [item for items in CATALOGUE.values() for item in items]
    assert {shape for _, shape, _ in items} == set(SHAPES)
