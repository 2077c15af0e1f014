"""Predict the category and the price of every listing of the catalogue.

In:  data/merged/listings.parquet, data/clean/photos; models/category, models/cnn, models/embed,
     models/price, models/text.
Out: a .parquet file with a row for each listing, in the columns of `python -m market.predict`:
     product_id, category, price, price_low, price_high, price_flag and p_<class>.

The models have learned from most of these listings, so these predictions are closer to the truth
than those of new listings: metrics/ has the scores on unseen ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa

from market.core.cluster import cluster
from market.core.paths import (
    CATEGORY_CLASSIFIER,
    LISTINGS,
    PHOTO_CLASSIFIER,
    PHOTO_EMBEDDER,
    PHOTOS,
    PRICE_MODEL,
    TEXT_CLASSIFIER,
    require,
)
from market.core.stage import progress, stage
from market.core.torch_setup import set_up_torch
from market.data.photo_store import PhotoStore
from market.export.parquet_file import check_out, out_option, write_chunks
from market.models.predictor import Predictor

COLUMNS = [
    "product_id", "name", "description", "location", "town", "county", "category",
    "category_levels", "price", "price_is_placeholder", "photo_index",
]  # fmt: skip
MODELS = (CATEGORY_CLASSIFIER, PHOTO_CLASSIFIER, PHOTO_EMBEDDER, PRICE_MODEL, TEXT_CLASSIFIER)
LISTINGS_PER_CHUNK = 1024


@stage
@out_option
def main(out: Path) -> str:
    check_out(out)
    require(LISTINGS, PHOTOS, *MODELS)
    rows = pd.read_parquet(LISTINGS, columns=COLUMNS)
    predictor = Predictor(set_up_torch(seed=0))
    texts = [(name, pa.string()) for name in ("product_id", "category")]
    numbers = [(name, pa.float64()) for name in ("price", "price_low", "price_high")]
    classes = [(f"p_{name}", pa.float64()) for name in predictor.classes]
    schema = pa.schema([*texts, *numbers, ("price_flag", pa.string()), *classes])
    with cluster():
        chunks = prediction_chunks(rows, PhotoStore(PHOTOS), predictor, schema)
        count = write_chunks(out, schema, chunks, [LISTINGS, PHOTOS, *MODELS])
    return f"predictions of {count} listings in {out}"


def prediction_chunks(
    rows: pd.DataFrame, photos: PhotoStore, predictor: Predictor, schema: pa.Schema
) -> Iterator[pa.Table]:
    """Yield the predictions of LISTINGS_PER_CHUNK listings at a time, in the order of `rows`.

    Parameters
    ----------
    rows
        COLUMNS of data/merged/listings.parquet, a row for each photo or photoless listing.
    photos
        The packed photos.
    predictor
        The trained models.
    schema
        Of the predictions.
    """
    products = rows.drop_duplicates("product_id", ignore_index=True)
    photo_rows = rows.dropna(subset="photo_index")
    with progress(total=len(products), desc="predict", unit="listing") as bar:
        for start in range(0, len(products), LISTINGS_PER_CHUNK):
            chunk = products.iloc[start : start + LISTINGS_PER_CHUNK].reset_index(drop=True)
            own = photo_rows[photo_rows["product_id"].isin(chunk["product_id"])]
            sources = [photos[index] for index in own["photo_index"].astype(int)]
            owners = own["product_id"].reset_index(drop=True)
            table, _ = predictor.predict(chunk, owners, sources)
            yield pa.Table.from_pandas(table, schema, preserve_index=False)
            bar.update(len(chunk))
