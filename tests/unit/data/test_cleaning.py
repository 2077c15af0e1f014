"""Cleaning: everything in the raw folder is in an output or rejected, with a reason."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image
from raw_input import input_settings

from market.core.errors import MarketError
from market.core.settings import Clean, Input
from market.data.cleaning import Cleaner
from market.data.cleaning_messages import check_prices
from market.data.listings import clean_products
from market.data.photo_store import PhotoStore
from market.data.tables import read_table

SETTINGS = Clean(
    photo_size=32,
    array_size=8,
    jpeg_quality=95,
    min_side=8,
    max_megapixels=50.0,
    placeholder_above=100_000,
    max_rejected_share=0.5,
)


def clean(raw: Path, out: Path, described: Input | None = None, **changes: float) -> dict[str, Any]:
    """Clean a folder with these changes of SETTINGS; return the metrics."""
    out.mkdir(exist_ok=True)
    settings = SETTINGS.model_copy(update=changes)
    return Cleaner(raw, settings, described or input_settings()).run(out).metrics


# --- A folder with a fault of every kind ----------------------------------------------------------
@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    """Nine products of which four are sound, nine image rows of which two are, and eight files."""
    folder = tmp_path / "raw"
    (folder / "images").mkdir(parents=True)
    (folder / "Products.csv").write_text(
        ",id,product_name,category,product_description,price,location\n"
        "0,p0,Chair,Home,Oak,£10.00,Bath\n"
        "1,p1,Lamp,Home,Blue,£20.00,Bath\n"
        "2,p1,Lamp,Home,Again,£20.00,Bath\n"
        "3,,Desk,Home,No id,£5.00,Bath\n"
        "4,p4,Desk,,No category,£5.00,Bath\n"
        "5,p5,Desk,Home,No price,,Bath\n"
        "6,p6,Desk,Home,Odd price,swap,Bath\n"
        "7,p7,,Home,,£7.00,\n"
        "8,p8,Desk,Home,Dear,£999999.00,Bath\n"
    )
    (folder / "Images.csv").write_text(
        ",id,product_id,image_ref,create_time\n"
        "0,i0,p0,x,2022-02-26\n"
        "1,i1,p1,x,not a date\n"
        "2,i1,p0,x,2022-02-26\n"
        "3,../i3,p0,x,2022-02-26\n"
        "4,i4,p0,x,2022-02-26\n"
        "5,i5,gone,x,2022-02-26\n"
        "6,i6,p6,x,2022-02-26\n"
        "7,i7,,x,2022-02-26\n"
        "8,i8,p8,x,2022-02-26\n"
    )
    photo = Image.new("RGB", (40, 40), (200, 30, 30))
    for name in ("i0.png", "i1.jpg", "i1.png", "i5.jpg", "i6.jpg", "i7.jpg", "other.jpg"):
        photo.save(folder / "images" / name)
    photo.save(folder / "i3.jpg")
    (folder / "images/i8.jpg").write_bytes(b"")
    return folder


def test_each_fault_has_its_reason(faulty: Path, tmp_path: Path) -> None:
    metrics = clean(faulty, tmp_path / "out")
    rejects = pd.read_csv(tmp_path / "out/rejects.csv", dtype=str, keep_default_na=False)
    assert rejects.to_numpy().tolist() == [
        ["Products.csv", "3", "p1", "id repeats an earlier row's"],
        ["Products.csv", "4", "", "id is missing"],
        ["Products.csv", "5", "p4", "category is missing"],
        ["Products.csv", "6", "p5", "price is missing"],
        ["Products.csv", "7", "p6", "price is not an amount in pounds"],
        ["Images.csv", "3", "i1", "id repeats an earlier row's"],
        ["Images.csv", "4", "../i3", "id is not a file name"],
        ["Images.csv", "8", "i7", "product_id is missing"],
        ["Images.csv", "5", "i4", "no file in images/"],
        ["Images.csv", "6", "i5", "its product is not in Products.csv"],
        ["Images.csv", "7", "i6", "its product was rejected"],
        ["images/i7.jpg", "", "i7", "no row in Images.csv"],
        ["images/other.jpg", "", "other", "no row in Images.csv"],
        ["images/i1.png", "", "i1", "another file has this id"],
        ["images/i8.jpg", "", "i8", "empty file"],
    ]
    products = pd.read_parquet(tmp_path / "out/products.parquet")
    assert products["product_id"].tolist() == ["p0", "p1", "p7", "p8"]
    assert products["price_is_placeholder"].tolist() == [False, False, False, True]
    images = pd.read_parquet(tmp_path / "out/images.parquet")
    assert images["image_id"].tolist() == ["i0", "i1"]
    assert images["created"].isna().tolist() == [False, True]
    assert metrics["products"]["missing_values"]["price"] == 1
    assert metrics["products"]["without_photo"] == 2
    assert metrics["photos"]["rows_without_file"] == 1
    assert metrics["photos"]["missing_create_times"] == 0
    assert metrics["photos"]["unread_create_times"] == {"is neither ISO 8601 nor unix seconds": 1}


def test_the_order_of_the_rows_does_not_change_the_photos(faulty: Path, tmp_path: Path) -> None:
    clean(faulty, tmp_path / "one")
    for name in ("Products.csv", "Images.csv"):
        header, *rows = (faulty / name).read_text().splitlines(keepends=True)
        sound = [row for row in rows if row.split(",")[0] not in "23"]
        (faulty / name).write_text(header + "".join(reversed(sound)))
    clean(faulty, tmp_path / "two")
    for name in ("images.parquet", "photos/part-00000.arrow"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_products_without_any_usable_photo_are_kept(faulty: Path, tmp_path: Path) -> None:
    for path in (faulty / "images").iterdir():
        path.write_bytes(b"")
    metrics = clean(faulty, tmp_path / "out", max_rejected_share=1)
    assert metrics["products"]["kept"] == metrics["products"]["without_photo"] == 4
    assert len(pd.read_parquet(tmp_path / "out/images.parquet")) == 0
    assert len(PhotoStore(tmp_path / "out/photos")) == 0


@pytest.mark.parametrize("absent", ["Products.csv", "Images.csv", "images"])
def test_an_absent_part_is_named(faulty: Path, tmp_path: Path, absent: str) -> None:
    if (faulty / absent).is_dir():
        shutil.rmtree(faulty / absent)
    else:
        (faulty / absent).unlink()
    with pytest.raises(MarketError, match=absent):
        clean(faulty, tmp_path / "out")


# --- Prices that the params take for placeholders -------------------------------------------------
@pytest.mark.parametrize(
    ("prices", "message"),
    [
        ([150_000, 151_000, 152_000], "3 of 3 prices are above clean.placeholder_above=100000"),
        ([150_000, 151_000, 0], "2 of 3 prices are above clean.placeholder_above=100000"),
        ([150_000, 0], "which leaves 1 to learn from: raise it in params.yaml"),
        ([12345, 11111], "all 2 prices look like placeholders"),
        ([0, 0, 0], None),
        ([0, 0, 1234567], None),
        ([5, 7, 150_000], None),
        ([], None),
    ],
)
def test_too_many_placeholders_are_one_line(prices: list[float], message: str | None) -> None:
    rows = pd.DataFrame({"id": [str(i) for i in range(len(prices))], "price": prices}, dtype="str")
    products = clean_products(rows, placeholder_above=100_000, settings=input_settings())
    path = Path("data/mine/raw/Products.csv")
    if message is None:
        check_prices(products, path, 100_000)
        return
    with pytest.raises(MarketError, match=r"^data/mine/raw/Products\.csv: ") as raised:
        check_prices(products, path, 100_000)
    assert message in str(raised.value) and "\n" not in str(raised.value)


def test_houses_end_clean_before_a_photo_is_read(faulty: Path, tmp_path: Path) -> None:
    table = read_table(faulty / "Products.csv").assign(price="£250,000.00")
    table.to_csv(faulty / "Products.csv", index=False)
    with pytest.raises(MarketError, match=r"clean\.placeholder_above=100000"):
        clean(faulty, tmp_path / "out")
    assert not (tmp_path / "out/photos").exists()


# --- An export in other words ---------------------------------------------------------------------
def test_rejects_and_metrics_name_the_columns_and_files_of_the_export(
    faulty: Path, tmp_path: Path
) -> None:
    table = read_table(faulty / "Products.csv").rename(columns={"price": "Preis", "id": "Nr"})
    table["Preis"] = ["10,00 €", "20 €", "5", "5", "5", None, "$7", "7,50", "9"]
    table.to_csv(faulty / "Artikel.txt", index=False, sep=";", encoding="cp1252")
    photos = read_table(faulty / "Images.csv").rename(columns={"product_id": "Artikel"})
    photos.to_csv(faulty / "Bilder.csv", index=False, sep=";")
    described = input_settings(
        products="Artikel.txt",
        images="Bilder.csv",
        separator=";",
        encoding="cp1252",
        columns={**input_settings().columns, "id": "Nr", "price": "Preis"},
        image_columns={"product_id": "Artikel"},
        currency="EUR",
        decimal=",",
    )
    metrics = clean(faulty, tmp_path / "out", described)
    rejects = pd.read_csv(tmp_path / "out/rejects.csv", dtype=str, keep_default_na=False)
    assert rejects[["source", "reason"]].to_numpy().tolist()[:11] == [
        ["Artikel.txt", "Nr repeats an earlier row's"],
        ["Artikel.txt", "Nr is missing"],
        ["Artikel.txt", "category is missing"],
        ["Artikel.txt", "Preis is missing"],
        ["Artikel.txt", "Preis is not an amount in euros, but in $"],
        ["Bilder.csv", "id repeats an earlier row's"],
        ["Bilder.csv", "id is not a file name"],
        ["Bilder.csv", "Artikel is missing"],
        ["Bilder.csv", "no file in images/"],
        ["Bilder.csv", "its product is not in Artikel.txt"],
        ["Bilder.csv", "its product was rejected"],
    ]
    assert metrics["products"]["missing_values"]["Preis"] == 1
    assert pd.read_parquet(tmp_path / "out/products.parquet")["price"].tolist() == [10, 20, 7.5, 9]


def test_a_listing_without_fields_that_the_export_lacks_is_kept(
    faulty: Path, tmp_path: Path
) -> None:
    described = input_settings(columns={"id": "id", "name": "product_name", "price": None})
    metrics = clean(faulty, tmp_path / "out", described, max_rejected_share=1)
    assert metrics["products"]["kept"] == 7, "all but a repeated id and a missing one"
    products = pd.read_parquet(tmp_path / "out/products.parquet")
    assert products["category"].isna().all() and products["price"].isna().all()
    assert products[["description", "location", "town"]].eq("").all(axis=None)
    assert set(metrics["ignored_columns"]["Products.csv"]) == {
        "category", "price", "product_description", "location",
    }  # fmt: skip


def test_attributes_are_in_the_table_and_the_metrics(faulty: Path, tmp_path: Path) -> None:
    table = read_table(faulty / "Products.csv").assign(size="5 cm", sold="no", when="2024-03-05")
    table.to_csv(faulty / "Products.csv", index=False)
    described = input_settings(
        columns={**input_settings().columns, "created": "when", "status": "sold"},
        attributes={"size": "number"},
    )
    metrics = clean(faulty, tmp_path / "out", described)
    products = pd.read_parquet(tmp_path / "out/products.parquet")
    assert products["attribute_size"].eq(5).all() and products["status"].eq("no").all()
    assert products["created"].eq(pd.Timestamp("2024-03-05")).all()
    assert metrics["attributes"]["size"]["unit"] == "cm"
    assert "Products.csv" not in metrics["ignored_columns"]
