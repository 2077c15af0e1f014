"""Join photos with products, add each photo's pixels, and split once for all later stages.

In:  data/clean/ products.parquet, images.parquet, photos/.
Out: data/merged/listings.parquet, a row for each photo (and one for each product without a photo),
     with image_array (3, 56, 56) uint8, split, group and has_near_duplicate (whether a product of
     another split has nearly the same text or photo); metrics/merge.json.
"""

from __future__ import annotations

import click
import pandas as pd

from market.core.atomic import replace_when_done, write_json
from market.core.params import load_params
from market.core.paths import IMAGES, LISTINGS, METRICS, PHOTOS, PRODUCTS, require
from market.core.settings import Merge
from market.core.stage import stage
from market.data.merged_listings import join_photos, write_listings
from market.data.near_duplicates import hash_photos
from market.data.photo_store import PhotoStore
from market.data.product_split import ProductSplit


@stage
def main() -> str:
    settings: Merge = load_params("merge")
    require(PRODUCTS, IMAGES, PHOTOS)
    photos = PhotoStore(PHOTOS)
    listings = join_photos(pd.read_parquet(PRODUCTS), pd.read_parquet(IMAGES))
    split = ProductSplit.fit(listings, hash_photos(photos), settings)
    metrics = {**split.metrics(), "seed": settings.seed}

    with replace_when_done(LISTINGS) as temporary:
        write_listings(split.listings, photos, temporary)
    write_json(METRICS / "merge.json", metrics)
    for message in split.messages():
        click.echo(message)
    return f"{len(split.listings)} rows, {metrics['groups']} groups in {LISTINGS}"


if __name__ == "__main__":
    main()
