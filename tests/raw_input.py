"""The original marketplace's `input` section, whatever params.yaml describes today."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from repository import REPO

from market.core.settings import Input
from market.data.tables import RawTable, read_table

ORIGINAL: dict[str, Any] = {
    "products": "Products.csv",
    "images": "Images.csv",
    "interactions": "interactions.csv",
    "encoding": "utf-8",
    "separator": ",",
    "columns": {
        "id": "id",
        "name": "product_name",
        "description": "product_description",
        "category": "category",
        "price": "price",
        "location": "location",
    },
    "image_columns": {},
    "event_columns": {},
    "events": {},
    "attributes": {},
    "category_separator": " / ",
    "photos": "table",
    "photo_folder": "images",
    "photo_columns": [],
    "photo_separator": ",",
    "currency": "GBP",
    "decimal": ".",
    "language": "en",
    "country": "GB",
}


def input_settings(**changes: Any) -> Input:
    """Return the settings of the original marketplace with these changes."""
    today = yaml.safe_load((REPO / "params.yaml").read_text(encoding="utf-8"))["input"]
    return Input(**{**today, **ORIGINAL, **changes})


def raw_table(read: pd.DataFrame | Path, path: Path = Path("Products.csv")) -> RawTable:
    """Return a table, or that of a CSV file, all of whose columns have the original names."""
    if isinstance(read, Path):
        path, read = read, read_table(read)
    return RawTable.select(path, read, {name: name for name in read.columns})
