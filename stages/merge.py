"""Join photos with products, add each photo's pixels, and split once for all later stages.

In:  data/clean/ products.parquet, images.parquet, photos/.
Out: data/merged/listings.parquet, a row for each photo (and one for each product without a photo),
     with image_array (3, 56, 56) uint8, split, group and has_near_duplicate (whether a product of
     another split has nearly the same text or photo); metrics/merge.json.
"""

from __future__ import annotations

from typing import Any

import click
import pandas as pd

from market.core.atomic import replace_when_done, write_json
from market.core.params import load_params
from market.core.paths import IMAGES, LISTINGS, METRICS, PHOTOS, PRODUCTS, require
from market.core.settings import Merge
from market.core.stage import stage
from market.data.grouping import collect_keys, find_boilerplate, group_products
from market.data.merged_listings import join_photos, write_listings
from market.data.near_duplicates import find_near_duplicates, hash_photos
from market.data.photo_store import PhotoStore
from market.data.splitting import (
    SPLITS,
    Folds,
    across_splits,
    check_prices,
    check_split,
    count_leaks,
    fit_folds,
    split_products,
)


@stage
def main() -> str:
    settings: Merge = load_params("merge")
    require(PRODUCTS, IMAGES, PHOTOS)
    photos = PhotoStore(PHOTOS)
    listings = join_photos(pd.read_parquet(PRODUCTS), pd.read_parquet(IMAGES))
    products = listings.drop_duplicates("product_id")
    # Found once, by the looser of the thresholds for grouping and for reporting.
    near = find_near_duplicates(
        listings,
        *hash_photos(photos),
        min_similarity=min(settings.duplicate_text_similarity, settings.report_text_similarity),
        max_distance=max(settings.duplicate_photo_distance, settings.report_photo_distance),
    )
    duplicates = near.within(settings.duplicate_text_similarity, settings.duplicate_photo_distance)
    reported = near.within(settings.report_text_similarity, settings.report_photo_distance)

    keys = collect_keys(listings, duplicates)
    ignored = find_boilerplate(keys, products, settings.max_sellers)
    group = group_products(keys, ignored, products)
    category = products.set_index("product_id")["category"]
    wanted = Folds(settings.folds, settings.val_folds, settings.test_folds)
    folds = fit_folds(category, group, wanted)
    split = split_products(category, group, folds, settings.seed)
    check_split(split, folds.shares(), products, keys, ignored)
    flagged = pd.Series(across_splits(reported, split), group.index, name="has_near_duplicate")
    for column in (group, split, flagged):
        listings = listings.join(column, on="product_id")
    check_prices(listings)
    leakage = count_leaks(listings, keys, ignored)
    if any(leakage.values()):
        raise AssertionError(f"the split leaks: {leakage}")

    with replace_when_done(LISTINGS) as temporary:
        write_listings(listings, photos, temporary)
    boilerplate = keys[ignored]
    in_test = split.eq("test")
    untested = sorted(set(category) - set(category[in_test]))
    metrics = {
        **_counts(listings, boilerplate),
        "leakage": leakage,
        "near_duplicates": {
            "test_products": int((flagged & in_test).sum()),
            "test_products_above_duplicate_thresholds": int(
                (across_splits(duplicates, split) & in_test).sum()
            ),
        },
        "categories_without_test_products": len(untested),
        "folds": folds.as_dict(),
        "seed": settings.seed,
    }
    write_json(METRICS / "merge.json", metrics)
    for kind, rows in boilerplate.groupby("kind"):
        click.echo(_boilerplate_message(str(kind), rows))
    if folds != wanted:
        click.echo(f"{len(products)} products fill {folds.folds} folds, not {wanted.folds}")
    if untested:
        click.echo(f"too few products for a test product: {', '.join(untested)}")
    return f"{len(listings)} rows, {metrics['groups']} groups in {LISTINGS}"


def _counts(listings: pd.DataFrame, boilerplate: pd.DataFrame) -> dict[str, Any]:
    """Return the part of the metrics that counts the rows of the merged table."""
    products = listings.drop_duplicates("product_id")
    photos = listings.groupby("split")["photo_index"].count()
    sizes = products["group"].value_counts()
    return {
        "products": len(products),
        "photos": int(photos.sum()),
        "groups": len(sizes),
        "largest_group": int(sizes.iloc[0]),
        "boilerplate": {
            kind: {"keys": int(rows["key"].nunique()), "products": int(rows["product"].nunique())}
            for kind, rows in boilerplate.groupby("kind")
        },
        "splits": {
            name: {"products": int(products["split"].eq(name).sum()), "photos": int(photos[name])}
            for name in SPLITS
        },
    }


def _boilerplate_message(kind: str, rows: pd.DataFrame) -> str:
    sizes = rows["key"].value_counts()
    most_common = f", most often {sizes.index[0][:60]!r}" if kind == "description" else ""
    return (
        f"ignored {len(sizes)} of kind {kind!r} that unrelated sellers share, on "
        f"{rows['product'].nunique()} products{most_common}: they do not indicate copies"
    )


if __name__ == "__main__":
    main()
