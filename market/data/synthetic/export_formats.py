"""How the synthetic marketplaces of other countries write their exports.

They differ from the original marketplace and from each other in every respect that the section
`input` of params.yaml describes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from market.data.synthetic import american, french, german, japanese
from market.data.synthetic.draws import Rng, pick
from market.data.synthetic.languages import Vocabulary


@dataclass(frozen=True)
class Export:
    """How one marketplace writes its export.

    Attributes
    ----------
    vocabulary
        Its words.
    step
        What prices are multiples of.
    table
        Returns the table of listings from adverts, as `draw_adverts` returns them.
    photo
        Returns the path of a photo from the listing's id and the photo's number.
    log_columns
        By field of the log, the name of its column.
    events
        By event of this project, its name in the log.
    time
        Writes a time.
    file_format
        Of the tables, if no other is asked for: one of FORMATS.
    settings
        The section `input` that describes the export, without the names of its files.
    """

    vocabulary: Vocabulary
    step: float
    table: Callable[[Rng, pd.DataFrame], pd.DataFrame]
    photo: Callable[[str, int], str]
    log_columns: dict[str, str]
    events: dict[str, str]
    time: Callable[[pd.Timestamp], str]
    file_format: str
    settings: dict[str, Any]


# --- German ---------------------------------------------------------------------------------------
def _german_price(rng: Rng, price: float) -> str:
    if np.isnan(price):
        return ""
    if price == 0:
        return "zu verschenken"
    amount = f"{price:,.2f}".translate(str.maketrans(",.", ".,"))
    return pick(rng, ["{} €", "{} €", "{} €", "{} € VB", "{}", "EUR {}"]).format(amount)


def _german_photo(listing: str, number: int) -> str:
    return f"bilder/{listing[-2:]}/{listing}-{number}.JPG"


def _german_table(rng: Rng, adverts: pd.DataFrame) -> pd.DataFrame:
    ids = adverts["number"].astype("str")
    photos = [
        ",".join(_german_photo(listing, number) for number in range(1, count + 1))
        for listing, count in zip(ids, adverts["photos"], strict=True)
    ]
    return pd.DataFrame(
        {
            "Anzeigennummer": ids,
            "Titel": adverts["title"],
            "Beschreibung": adverts["text"],
            "Kategorie": adverts["category"].map(" > ".join, na_action="ignore"),
            "Preis": [_german_price(rng, price) for price in adverts["price"]],
            "Ort": adverts["region"] + " " + adverts["town"],
            "Bilder": photos,
            "Zustand": adverts["condition"],
            "Marke": adverts["brand"],
            "Farbe": adverts["colour_word"],
            "Eingestellt am": adverts["created"].map(_german_time),
            "Verkäufer": adverts["seller"],
            "Status": adverts["sold"].map({False: "verfügbar", True: "verkauft"}),
        }
    )


def _german_time(time: pd.Timestamp) -> str:
    return f"{time:%d.%m.%Y %H:%M}"


GERMAN = Export(
    vocabulary=german.VOCABULARY,
    step=5.0,
    table=_german_table,
    photo=_german_photo,
    log_columns={
        "user_id": "Nutzer", "product_id": "Anzeige", "event": "Ereignis", "timestamp": "Zeitpunkt",
    },
    events={"view": "Aufruf", "save": "Gemerkt", "message": "Nachricht", "buy": "Kauf"},
    time=_german_time,
    file_format="csv",
    settings={
        "products": "Anzeigen", "images": "", "interactions": "Ereignisse",
        "encoding": "cp1252", "separator": ";",
        "columns": {
            "id": "Anzeigennummer", "name": "Titel", "description": "Beschreibung",
            "category": "Kategorie", "price": "Preis", "location": "Ort",
            "created": "Eingestellt am", "status": "Status", "seller_id": "Verkäufer",
        },
        "attributes": {"Zustand": "category", "Marke": "category", "Farbe": "category"},
        "category_separator": " > ", "photos": "column", "photo_folder": ".",
        "photo_columns": ["Bilder"], "photo_separator": ",",
        "currency": "EUR", "decimal": ",", "language": "de", "country": "DE",
    },
)  # fmt: skip


# --- American -------------------------------------------------------------------------------------
def _american_price(rng: Rng, price: float) -> str | None:
    if np.isnan(price):
        return None
    if price == 0:
        return "Free"
    if price >= 1000 and price % 100 == 0:
        return f"${price / 1000:g}k"
    return pick(rng, ["${:,.2f}", "${:,.0f}", "${:,.0f}", "{:,.2f} USD", "{:.0f}"]).format(price)


def _american_table(rng: Rng, adverts: pd.DataFrame) -> pd.DataFrame:
    zones = pd.Series([pick(rng, ["-05:00", "-06:00", "-08:00", "Z"]) for _ in adverts.index])
    return pd.DataFrame(
        {
            "listing_id": "L" + adverts["number"].astype("str"),
            "headline": adverts["title"],
            "body": adverts["text"],
            "department": adverts["category"].map(" | ".join, na_action="ignore"),
            "asking_price": [_american_price(rng, price) for price in adverts["price"]],
            "city": adverts["town"] + ", " + adverts["region"],
            "posted_at": adverts["created"].dt.strftime("%Y-%m-%dT%H:%M:%S") + zones,
            "condition": adverts["condition"],
            "brand": adverts["brand"],
            "seller": adverts["seller"],
            "is_sold": adverts["sold"],
        }
    )


AMERICAN = Export(
    vocabulary=american.VOCABULARY,
    step=5.0,
    table=_american_table,
    photo=lambda listing, number: f"photos/{listing}_{number}.jpeg",
    log_columns={
        "user_id": "visitor", "product_id": "item", "event": "action", "timestamp": "at",
    },
    events={"view": "click", "save": "cart", "message": "contact", "buy": "purchase"},
    time=lambda time: f"{time:%Y-%m-%dT%H:%M:%S}.000-06:00",
    file_format="jsonl",
    settings={
        "products": "listings", "images": "", "interactions": "clickstream",
        "encoding": "utf-8", "separator": ",",
        "columns": {
            "id": "listing_id", "name": "headline", "description": "body",
            "category": "department", "price": "asking_price", "location": "city",
            "created": "posted_at", "seller_id": "seller",
        },
        "attributes": {"condition": "category", "brand": "category", "is_sold": "boolean"},
        "category_separator": " | ", "photos": "names", "photo_folder": "photos",
        "photo_columns": [], "photo_separator": ",",
        "currency": "USD", "decimal": ".", "language": "en", "country": "US",
    },
)  # fmt: skip


# --- Japanese -------------------------------------------------------------------------------------
FULL_WIDTH = str.maketrans("0123456789,", "０１２３４５６７８９，")


def _japanese_price(rng: Rng, price: float) -> str:
    if np.isnan(price):
        return ""
    written = pick(rng, ["￥{:,.0f}", "{:,.0f}円", "{:,.0f}円", "{:.0f}"]).format(price)
    return written.translate(FULL_WIDTH) if rng.random() < 0.1 else written


def _japanese_table(rng: Rng, adverts: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "商品番号": "m" + adverts["number"].astype("str"),
            "商品名": adverts["title"],
            "商品説明": adverts["text"],
            "カテゴリ": adverts["category"].map("＞".join, na_action="ignore"),
            "価格": [_japanese_price(rng, price) for price in adverts["price"]],
            "発送元": adverts["region"] + adverts["town"],
            "状態": adverts["condition"],
            "ブランド": adverts["brand"],
            "色": adverts["colour_word"],
            "出品日時": adverts["created"].dt.strftime("%Y/%m/%d %H:%M"),
            "出品者": adverts["seller"],
        }
    )


JAPANESE = Export(
    vocabulary=japanese.VOCABULARY,
    step=100.0,
    table=_japanese_table,
    photo=lambda listing, number: f"写真/{listing}/{number}.jpg",
    log_columns={
        "user_id": "会員番号", "product_id": "商品番号", "event": "行動", "timestamp": "日時",
    },
    events={"view": "閲覧", "save": "いいね", "message": "コメント", "buy": "購入"},
    time=lambda time: f"{time:%Y/%m/%d %H:%M:%S}",
    file_format="csv",
    settings={
        "products": "商品", "images": "", "interactions": "行動履歴",
        "encoding": "cp932", "separator": ",",
        "columns": {
            "id": "商品番号", "name": "商品名", "description": "商品説明",
            "category": "カテゴリ", "price": "価格", "location": "発送元",
            "created": "出品日時", "seller_id": "出品者",
        },
        "attributes": {"状態": "category", "ブランド": "category", "色": "category"},
        "category_separator": "＞", "photos": "folders", "photo_folder": "写真",
        "photo_columns": [], "photo_separator": ",",
        "currency": "JPY", "decimal": ".", "language": "ja", "country": "JP",
    },
)  # fmt: skip


# --- French ---------------------------------------------------------------------------------------
def _french_price(rng: Rng, price: float) -> str:
    if np.isnan(price):
        return ""
    if price == 0:
        return "Gratuit"
    amount = f"{price:,.2f}".translate(str.maketrans(",.", "\u00a0,"))
    return pick(rng, ["{} €", "{} €", "{} €", "{} EUR", "{}"]).format(amount)


def _french_table(rng: Rng, adverts: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Référence": adverts["number"].astype("str"),
            "Titre de l'annonce": adverts["title"],
            "Texte": adverts["text"],
            "Rubrique": adverts["category"].map(" » ".join, na_action="ignore"),
            "Prix": [_french_price(rng, price) for price in adverts["price"]],
            "Ville": adverts["town"] + " (" + adverts["region"] + ")",
            "État": adverts["condition"],
            "Marque": adverts["brand"],
            "Couleur": adverts["colour_word"],
            "Mise en ligne": adverts["created"].dt.strftime("%Y-%m-%d %H:%M:%S"),
            "Vendeur": adverts["seller"],
        }
    )


FRENCH = Export(
    vocabulary=french.VOCABULARY,
    step=5.0,
    table=_french_table,
    photo=lambda listing, number: f"photos/{listing}/photo {number}.jpg",
    log_columns={
        "user_id": "Visiteur", "product_id": "Annonce", "event": "Action", "timestamp": "Date",
    },
    events={"view": "vue", "save": "favori", "message": "contact", "buy": "achat"},
    time=lambda time: f"{time:%Y-%m-%dT%H:%M:%S}+01:00",
    file_format="csv",
    settings={
        "products": "Annonces", "images": "", "interactions": "Actions",
        "encoding": "utf-16", "separator": "\t",
        "columns": {
            "id": "Référence", "name": "Titre de l'annonce", "description": "Texte",
            "category": "Rubrique", "price": "Prix", "location": "Ville",
            "created": "Mise en ligne", "seller_id": "Vendeur",
        },
        "attributes": {"État": "category", "Marque": "category", "Couleur": "category"},
        "category_separator": " » ", "photos": "folders", "photo_folder": "photos",
        "photo_columns": [], "photo_separator": ",",
        "currency": "EUR", "decimal": ",", "language": "fr", "country": "FR",
    },
)  # fmt: skip

EXPORTS = {"german": GERMAN, "american": AMERICAN, "french": FRENCH, "japanese": JAPANESE}
