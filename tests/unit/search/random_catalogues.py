"""Random listings for tests of facets, orders and pages."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from market.search.attributes import AttributeType
from market.search.catalogue import Catalogue

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
