"""Small catalogues and engines for tests of facets, orders, pages and their requests."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from market.search.attributes import AttributeType
from market.search.catalogue import Catalogue
from market.search.engine import Engine
from market.search.lexical import LexicalIndex
from market.search.listing_vectors import ListingVectors
from market.search.ranker import Ranker
from market.search.vectors import VectorIndex

WIDTH = 8  # of vectors

TYPES = (
    AttributeType("brand", "category"),
    AttributeType("width", "number", "cm"),
    AttributeType("made", "date"),
)
PATHS = [(), ("Home",), ("Home", "Sofas"), ("home", "Lamps"), ("Toys", "Home", "Sofas"), ("Toys",)]
TOWNS = [(np.nan, np.nan), (53.80, -1.55), (53.96, -1.08), (51.51, -0.13), (53.81, -1.55)]
DAYS = [pd.NaT, pd.Timestamp("2024-01-31"), pd.Timestamp("2024-02-01"), pd.Timestamp("2023-05-05")]
NO_PLACES = pd.DataFrame(columns=["name", "latitude", "longitude"])
ROW = st.fixed_dictionaries(
    {
        "path": st.sampled_from(PATHS),
        "price": st.sampled_from([np.nan, 0, 1, 4.5, 9.99, 10, 12, 49.999, 50, 99, 100, 1250]),
        "flag": st.sampled_from(["", "", "", "placeholder"]),
        "town": st.sampled_from(TOWNS),
        "brand": st.sampled_from([None, "Sony", "SONY", "Hay"]),
        "width": st.sampled_from([np.nan, 5, 6.5, 80]),
        "day": st.sampled_from(DAYS),
        "group": st.integers(0, 3),
        "seller": st.sampled_from([None, "s0", "s1"]),
        "status": st.sampled_from(["", "", "SOLD"]),
    }
)


def make_table(rows: list[dict], ids: list[str] | None = None) -> pd.DataFrame:
    """Return the listings of an index with these rows."""
    return pd.DataFrame(
        {
            "product_id": ids or [f"p{number:02d}" for number in range(len(rows))],
            "name": "thing",
            "description": "",
            "location": "",
            "category_levels": [list(row["path"]) for row in rows],
            "price": [float(row["price"]) for row in rows],
            "group": [row["group"] for row in rows],
            "created": pd.to_datetime([row["day"] for row in rows]),
            "latitude": [row["town"][0] for row in rows],
            "longitude": [row["town"][1] for row in rows],
            "price_flag": [row["flag"] for row in rows],
            "seller_id": pd.array([row["seller"] for row in rows], dtype="str"),
            "status": [row["status"] for row in rows],
            "attribute_brand": pd.array([row["brand"] for row in rows], dtype="str"),
            "attribute_width": [float(row["width"]) for row in rows],
            "attribute_made": pd.to_datetime([row["day"] for row in rows]),
        }
    )


def make_catalogue(table: pd.DataFrame) -> Catalogue:
    """Return the catalogue of a table from `make_table`."""
    prices = table[["product_id", "price_flag"]].assign(price_expected=50.0)
    photos = pd.DataFrame({"position": [], "photo_index": []}, dtype=int)
    listings = table.drop(columns="price_flag")
    return Catalogue.build(listings, photos, NO_PLACES, prices, attributes=TYPES)


def make_engine(table: pd.DataFrame, names: list[str]) -> Engine:
    """Return an engine over a table from `make_table`, whose texts mean their first word.

    Parameters
    ----------
    table
        n rows.
    names
        The names of the listings (n).
    """
    table = table.assign(name=names)
    catalogue = make_catalogue(table)
    texts = VectorIndex.build(np.array([encode_text(name) for name in names]), "Flat", 1)
    images = VectorIndex.build(np.empty((0, WIDTH), np.float32), "Flat", 1)
    neighbours = np.zeros((len(table), 0), np.int32)
    return Engine(
        catalogue,
        LexicalIndex.build(names, table["description"].tolist(), []),
        ListingVectors(texts, images, neighbours, catalogue.photos),
        Ranker.prior(),
        None,
        encode_text,
        lambda photo: np.zeros(WIDTH, np.float32),
    )


def encode_text(text: str) -> np.ndarray:
    """Return the unit vector of a text: its first word alone decides on it."""
    vector = np.zeros(WIDTH, np.float32)
    vector[len(text.split()[0]) % WIDTH] = 1
    return vector
