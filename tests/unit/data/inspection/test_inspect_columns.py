"""The field of each column, by name and values."""

from __future__ import annotations

import pandas as pd
import pytest
from handmade_exports import listings

from market.data.inspection.columns import LISTING_CHECKS, SEEMS_LISTING, match_columns
from market.data.inspection.names import LISTING_NAMES, event_kind, match_name, normalise
from market.data.inspection.profiles import profile_columns

pytestmark = pytest.mark.slow

FIELDS = ("id", "name", "description", "category", "price", "location", "created", "seller")
RENAMED = {
    "en": "Item ID|Ad Title|Details|Department|Asking price|City|Posted on|Vendor",
    "de": "Artikelnummer|Bezeichnung|Artikelbeschreibung|Rubrik|Verkaufspreis|Standort|Erstellt am"
    "|Anbieter",
    "fr": "Référence|Titre de l'annonce|Descriptif|Catégorie|Prix (€)|Ville|Date de publication"
    "|Vendeur",
    "es": "Código|Título|Descripción|Categoría|Precio|Ciudad|Fecha de publicación|Vendedor",
    "ja": "管理番号|タイトル|商品の説明|カテゴリー|販売価格|都道府県|登録日|出品者ID",
}


def fields_of(table: pd.DataFrame) -> dict[str, str]:
    matches = match_columns(profile_columns(table), LISTING_NAMES, LISTING_CHECKS, SEEMS_LISTING)
    return {field: match.column for field, match in matches.items()}


@pytest.mark.parametrize("language", RENAMED)
@pytest.mark.parametrize("seed", [1, 2])
def test_renamed_and_shuffled_columns_keep_their_fields(language: str, seed: int) -> None:
    names = dict(zip(FIELDS, RENAMED[language].split("|"), strict=True))
    table = listings(language).rename(columns=names).sample(frac=1, axis=1, random_state=seed)
    expected = {("seller_id" if field == "seller" else field): names[field] for field in FIELDS}
    assert fields_of(table) == expected


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (
            {"id": "Handle", "name": "Title", "description": "Body (HTML)",
             "price": "Variant Price", "category": "Product Category", "brand": "Vendor"},
            {"id": "Handle", "name": "Title", "description": "Body (HTML)",
             "price": "Variant Price", "category": "Product Category", "seller_id": "Vendor"},
        ),
        (
            {"id": "id", "name": "title", "description": "description", "price": "price",
             "category": "google_product_category", "new": "availability"},
            {"id": "id", "name": "title", "description": "description", "price": "price",
             "category": "google_product_category", "status": "availability"},
        ),
        (
            {"id": "ItemID", "name": "Title", "description": "Description", "price": "CurrentPrice",
             "category": "PrimaryCategory", "location": "Location"},
            {"id": "ItemID", "name": "Title", "description": "Description", "price": "CurrentPrice",
             "category": "PrimaryCategory", "location": "Location"},
        ),
        (
            {"id": "SKU", "name": "TITLE", "description": "DESCRIPTION", "price": "PRICE"},
            {"id": "SKU", "name": "TITLE", "description": "DESCRIPTION", "price": "PRICE"},
        ),
        (
            {"id": "train_id", "name": "name", "description": "item_description", "price": "price",
             "category": "category_name", "brand": "brand_name", "new": "item_condition_id"},
            {"id": "train_id", "name": "name", "description": "item_description", "price": "price",
             "category": "category_name"},
        ),
    ],
    ids=["shopify", "facebook", "ebay", "etsy", "mercari"],
)  # fmt: skip
def test_headers_of_platforms_are_known(columns: dict, expected: dict) -> None:
    assert fields_of(listings()[[*columns]].rename(columns=columns)) == expected


def test_values_tell_fields_whose_names_say_nothing() -> None:
    table = listings()[["id", "name", "description", "category", "price"]]
    unnamed = table.set_axis(["c1", "c2", "c3", "c4", "c5"], axis=1)
    assert fields_of(unnamed) == {
        "id": "c1", "name": "c2", "description": "c3", "category": "c4", "price": "c5",
    }  # fmt: skip


def test_a_name_that_the_values_contradict_is_no_field() -> None:
    table = listings().assign(price="see text", latitude="north")
    assert not {"price", "latitude"} & {*fields_of(table)}


def test_a_column_that_fits_as_well_is_named() -> None:
    table = listings().assign(**{"sale price": "£5.00"})
    matches = match_columns(profile_columns(table), LISTING_NAMES, LISTING_CHECKS, SEEMS_LISTING)
    assert matches["price"].column == "price"
    assert matches["price"].others == ("sale price",)
    assert matches["price"].is_guess


def test_times_are_the_creation_if_no_column_is_named_so() -> None:
    found = fields_of(listings().rename(columns={"created": "when"}))
    assert found["created"] == "when"


def test_coordinates_need_fractions_within_their_range() -> None:
    table = listings().assign(
        lat=[f"{50 + row / 7:.5f}" for row in range(60)],
        lng=[f"{-1 - row / 7:.5f}" for row in range(60)],
    )
    found = fields_of(table)
    assert (found["latitude"], found["longitude"]) == ("lat", "lng")


@pytest.mark.parametrize(
    ("name", "plain"),
    [("itemTitle", "item title"), ("Verkäufer_ID", "verkaufer id"), ("Größe", "grosse"),
     ("Ｐｒｉｃｅ", "price"), ("カテゴリ", "カテゴリ")],
)  # fmt: skip
def test_names_are_compared_as_plain_words(name: str, plain: str) -> None:
    assert normalise(name) == plain


def test_the_name_of_a_brand_is_no_name_of_a_listing() -> None:
    assert match_name("brand_name", LISTING_NAMES["name"]).score == 0


@pytest.mark.parametrize(
    ("event", "kind"),
    [("click", "view"), ("view_item", "view"), ("add_to_cart", "save"), ("AddToCart", "save"),
     ("purchase", "buy"), ("Kauf", "buy"), ("contact_seller", "message"), ("いいね", "save"),
     ("購入", "buy"), ("favoris", "save"), ("remove_from_cart", None), ("scroll", None)],
)  # fmt: skip
def test_events_are_known_by_their_names(event: str, kind: str | None) -> None:
    assert event_kind(event) == kind
