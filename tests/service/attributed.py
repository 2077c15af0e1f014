"""An engine whose listings have attributes, sellers and statuses, for tests of the service."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from market.search.attributes import AttributeColumns, AttributeType
from market.search.engine import Engine

TYPES = (
    AttributeType("brand", "category"),
    AttributeType("width", "number", "cm"),
    AttributeType("boxed", "boolean"),
)


def with_attributes(engine: Engine) -> Engine:
    """Return the engine with a brand, a width and a seller for each listing; a fifth is sold."""
    number = np.arange(len(engine.listings))
    listings = engine.listings.assign(
        attribute_brand=pd.array([["Sony", "Hay", None][n % 3] for n in number], dtype="str"),
        attribute_width=number.astype(float),
        attribute_boxed=pd.array([n % 2 == 0 for n in number], dtype="boolean"),
        seller_id=[f"s{n % 2}" for n in number],
    )
    catalogue = replace(
        engine.catalogue,
        listings=listings,
        attributes=AttributeColumns.build(listings, TYPES),
        unavailable=number % 5 == 0,
    )
    return replace(engine, catalogue=catalogue)


def with_names_alone(engine: Engine) -> Engine:
    """Return the engine with listings that have no price, category, photo, place or description."""
    listings = engine.listings.assign(
        description="", location="", price=np.nan, price_expected=np.nan, price_flag="",
        category_levels=[[] for _ in range(len(engine.listings))],
    )  # fmt: skip
    catalogue = engine.catalogue
    photos = replace(
        catalogue.photos,
        owner=catalogue.photos.owner[:0],
        photo_index=catalogue.photos.photo_index[:0],
        first=np.zeros(len(listings) + 1, np.int64),
    )
    paths = np.empty(1, object)
    paths[0] = ()
    catalogue = replace(
        catalogue,
        listings=listings,
        photos=photos,
        price=np.full(len(listings), np.nan),
        flagged=np.zeros(len(listings), bool),
        price_fairness=np.full(len(listings), np.nan),
        coordinates=np.full((len(listings), 2), np.nan),
        paths=paths,
        path_of=np.zeros(len(listings), np.int64),
    )
    return replace(engine, catalogue=catalogue, vectors=replace(engine.vectors, photos=photos))
