"""The merged table: a row for each photo with its product, and the photo's pixels beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from market.core.stage import progress
from market.data.photo_store import ROWS_PER_BATCH, PhotoStore


def join_photos(products: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """Join photos with their products.

    Parameters
    ----------
    products
        The columns of products.parquet.
    images
        The columns of images.parquet, in the order of the packed photos.

    Returns
    -------
    pd.DataFrame
        A row for each photo of a known product, with the columns of both and `photo_index` (the
        photo's position among the packed photos); then a row for each product without a photo.
        `created` is the product's time where it has one, else the photo's.
    """
    images = images.assign(photo_index=pd.RangeIndex(len(images)).astype("Int64"))
    known = images[images["product_id"].isin(products["product_id"])]
    listings = known.merge(
        products, on="product_id", how="outer", validate="many_to_one", suffixes=("_photo", "")
    )
    if "created" in products:
        listings["created"] = listings["created"].fillna(listings.pop("created_photo"))
    listings.attrs.update(products.attrs)  # the types of attributes
    return listings.sort_values(["photo_index", "product_id"], ignore_index=True)


def write_listings(listings: pd.DataFrame, photos: PhotoStore, path: Path) -> None:
    """Write listings to parquet, with the column image_array beside them.

    Each row group holds one batch of packed photos, so memory holds the arrays of one batch.

    Parameters
    ----------
    listings
        In the order of `photo_index`; rows without a photo, whose array is null, come last.
    photos
        The packed photos.
    path
        The file.
    """
    table = pa.Table.from_pandas(listings, preserve_index=False)
    tensor = photos.array_type
    schema = table.schema.append(pa.field("image_array", tensor))
    options: dict[str, Any] = {
        # Pixels are almost incompressible: byte stream split only drops the three zero bytes that
        # parquet adds to a uint8, in half the time of the default encoding.
        "use_dictionary": table.column_names,
        "column_encoding": {"image_array.list.element": "BYTE_STREAM_SPLIT"},
        "compression": "lz4",  # 6 % larger than zstd, a fifth faster
    }
    # A photo of an unknown product has no row: batches differ in their number of rows.
    with_photo = listings["photo_index"].dropna().to_numpy(dtype=np.int64)
    with pq.ParquetWriter(path, schema, **options) as writer:
        first_photo = first_row = 0
        batches = -(-len(photos) // ROWS_PER_BATCH)
        for arrays in progress(photos.arrays(), total=batches, desc="arrays", unit="batch"):
            last_row = int(np.searchsorted(with_photo, first_photo + len(arrays)))
            picked = pa.array(with_photo[first_row:last_row] - first_photo)
            rows = table.slice(first_row, last_row - first_row)
            writer.write_table(rows.append_column("image_array", arrays.take(picked)))
            first_photo, first_row = first_photo + len(arrays), last_row
        rest = table.slice(first_row)
        writer.write_table(rest.append_column("image_array", pa.nulls(len(rest), tensor)))
