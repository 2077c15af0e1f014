"""Join photos with products, give each photo its array, and split once for every stage.

In:  data/clean/ products.parquet, images.parquet, photos/.
Out: data/merged/listings.parquet, a row per photo (and one without a photo for each product that
     has none), with image_array (3, 56, 56) uint8, split and group; metrics/merge.json.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold

from shared.atomic import replace_when_done, write_json
from shared.inputs import require
from shared.listings import has_price_to_learn
from shared.params import load_params
from shared.photo_store import ROWS_PER_BATCH, PhotoStore
from shared.stage import progress, stage

CLEAN = Path("data/clean")
OUT = Path("data/merged/listings.parquet")


def join(products: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """Photos of known products with their product's columns, then products without a photo.

    `images` comes in the order of the packed photos; `photo_index` is that position, missing where
    there is no photo.
    """
    images = images.assign(photo_index=pd.RangeIndex(len(images)).astype("Int64"))
    known = images[images["product_id"].isin(products["product_id"])]
    return known.merge(products, on="product_id", how="outer", validate="many_to_one").sort_values(
        ["photo_index", "product_id"], ignore_index=True
    )


def group_products(listings: pd.DataFrame) -> pd.Series:
    """Number the transitive groups of products that share a description or a photo.

    Returns group by product_id. Products of one group must not be split: the second copy of a
    photo or of a trader's text in test would measure memory. Case and white space do not count.
    """
    once = listings.drop_duplicates("product_id")
    products = once["product_id"]
    text = once["description"].str.casefold().str.replace(r"\s+", " ", regex=True)
    keys = {
        "product": pd.concat([products, listings["product_id"]]),
        "key": pd.concat(["text " + text.where(text.ne("")), "photo " + listings["pixel_hash"]]),
    }
    edges = pd.DataFrame({name: of.to_numpy() for name, of in keys.items()}).dropna()
    left = pd.Index(products).get_indexer(edges["product"])
    right, _ = pd.factorize(edges["key"])
    nodes = len(products) + (right.max() + 1 if len(right) else 0)
    graph = coo_array((np.ones(len(left)), (left, right + len(products))), shape=(nodes, nodes))
    _, component = connected_components(graph, directed=False)
    return pd.Series(pd.factorize(component[: len(products)])[0], index=products, name="group")


class Folding(StratifiedGroupKFold):
    """StratifiedGroupKFold, the same folds in a tenth of the time.

    The library tries each group in one fold after the other; here it is in all of them at once.
    """

    def _find_best_fold(
        self, y_counts_per_fold: np.ndarray, y_cnt: np.ndarray, group_y_counts: np.ndarray
    ) -> int:
        """The fold (folds, classes) in which a group leaves the classes' shares most even.

        Of folds that are equal, as np.isclose has it, the one of fewest samples.
        """
        with_group = y_counts_per_fold + np.eye(self.n_splits)[:, :, None] * group_y_counts
        uneven = (with_group / y_cnt).std(axis=1).mean(axis=1).tolist()
        samples = y_counts_per_fold.sum(axis=1).tolist()
        best = 0
        for fold in range(1, self.n_splits):
            close = abs(uneven[fold] - uneven[best]) <= 1e-8 + 1e-5 * uneven[best]
            if uneven[fold] < uneven[best] or (close and samples[fold] < samples[best]):
                best = fold
        return best


def split_products(
    category: pd.Series, group: pd.Series, *, folds: int, val_folds: int, test_folds: int, seed: int
) -> pd.Series:
    """Assign "train", "val" or "test" to each product: whole groups, classes in proportion."""
    if group.nunique() < folds:
        raise click.ClickException(
            f"merge: {group.nunique()} independent groups of products cannot fill "
            f"merge.folds={folds}: lower it in params.yaml, or add products"
        )
    if category.value_counts().max() < folds:
        raise click.ClickException(
            f"merge: no category has as many products as merge.folds={folds}: lower it in "
            "params.yaml, or add products"
        )
    split = pd.Series("train", index=category.index, name="split")
    folding = Folding(folds, shuffle=True, random_state=seed)
    for fold, (_, held_out) in enumerate(folding.split(category, category, group)):
        if fold < test_folds + val_folds:
            split.iloc[held_out] = "test" if fold < test_folds else "val"
    return split


def check_prices(listings: pd.DataFrame) -> None:
    """Raise ClickException if only test products have a price to learn from."""
    if not has_price_to_learn(listings[listings["split"] != "test"]).any():
        raise click.ClickException(
            "merge: no train or validation product has a price to learn from, all of theirs look "
            "like placeholders: add products, or raise clean.placeholder_above in params.yaml"
        )


def leakage(listings: pd.DataFrame) -> dict[str, int]:
    """Count products, descriptions and photo hashes that stand in more than one split."""
    description = listings["description"].where(listings["description"].ne(""))
    columns = {
        "products": listings["product_id"],
        "descriptions": description,
        "photo_hashes": listings["pixel_hash"],
    }
    return {
        name: int((listings.groupby(column)["split"].nunique() > 1).sum())
        for name, column in columns.items()
    }


def write_listings(listings: pd.DataFrame, photos: PhotoStore, path: Path) -> None:
    """Write `listings` to parquet with image_array beside them, batch by batch.

    A row group per batch of packed photos, so that memory holds one batch of arrays, whatever their
    number. `listings` is in the order of `photo_index`, rows without a photo (null array) last.
    """
    table = pa.Table.from_pandas(listings, preserve_index=False)
    tensor = photos.array_type
    schema = table.schema.append(pa.field("image_array", tensor))
    options: dict[str, Any] = {
        # Pixels are all but incompressible: byte stream split only drops the three zero bytes that
        # parquet adds to a uint8, in half the time of the default encoding.
        "use_dictionary": table.column_names,
        "column_encoding": {"image_array.list.element": "BYTE_STREAM_SPLIT"},
        "compression": "lz4",  # 6 % larger than by zstd, a fifth faster
    }
    # The last row of each batch; a photo of an unknown product has no row.
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


@stage
def main() -> str:
    params = load_params("merge")
    require(CLEAN / "products.parquet", CLEAN / "images.parquet", CLEAN / "photos")
    products = pd.read_parquet(CLEAN / "products.parquet")
    images = pd.read_parquet(CLEAN / "images.parquet")
    listings = join(products, images)
    group = group_products(listings)
    category = products.set_index("product_id")["category"].loc[group.index]
    split = split_products(category, group, **params)
    listings = listings.join(group, on="product_id").join(split, on="product_id")
    check_prices(listings)

    shared = leakage(listings)
    if any(shared.values()):
        raise AssertionError(f"the split leaks: {shared}")
    with replace_when_done(OUT) as temporary:
        write_listings(listings, PhotoStore(CLEAN / "photos"), temporary)
    photos_in = listings.groupby("split")["photo_index"].count()
    metrics = {
        "products": len(products),
        "photos": int(photos_in.sum()),
        "groups": int(group.nunique()),
        "largest_group": int(group.value_counts().iloc[0]),
        "leakage": shared,
        "splits": {
            name: {"products": int((split == name).sum()), "photos": int(photos_in[name])}
            for name in ("train", "val", "test")
        },
        "seed": params["seed"],
    }
    write_json(Path("metrics/merge.json"), metrics)
    return f"{len(listings)} rows, {metrics['groups']} groups in {OUT}"


if __name__ == "__main__":
    main()
