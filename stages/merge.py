"""Join photos with products, give each photo its array, and split once for every stage.

In:  data/clean/ products.parquet, images.parquet, photos/.
Out: data/merged/listings.parquet, a row per photo (and one without a photo for each product that
     has none), with image_array (3, 56, 56) uint8, split, group and has_near_copy (whether a
     product of another split has nearly the same text or photo); metrics/merge.json.
"""

from __future__ import annotations

import warnings
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

from market.core.atomic import replace_when_done, write_json
from market.core.errors import MarketError
from market.core.params import load_params
from market.core.paths import require
from market.core.stage import progress, stage
from market.data.listings import has_price_to_learn
from market.data.near_duplicates import (
    MIN_WORDS,
    clusters,
    near_photos,
    near_texts,
    photo_hashes,
    plain,
)
from market.data.photo_store import ROWS_PER_BATCH, PhotoStore

CLEAN = Path("data/clean")
OUT = Path("data/merged/listings.parquet")

MIN_NAME_WORDS = 3  # of a name that says whose listing it is: "Sofa" is many people's
MAX_SHARE, MIN_SHARED = 0.1, 5  # share, and number, of products that one trader may have
MAX_HOMES = 2  # sellers, as counted here, that one trader may look like
MIN_FOLDS = 3  # train, validation and test
TOLERANCE = 0.5  # of a fold's size: folds further off hold a large group, and are for training
MAX_MISS, MIN_MISS = 0.1, 3  # share and number of products that a split may be off by


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


def text_of(products: pd.DataFrame) -> pd.Series:
    """A listing's name and description, in which near-copies are looked for."""
    return products["name"] + "\n" + products["description"]


def hash_photos(photos: PhotoStore) -> tuple[np.ndarray, np.ndarray]:
    """Return the perceptual hash (photos, 32) of every packed photo, and which are usable."""
    parts = [
        photo_hashes(arrays.to_numpy_ndarray())
        for arrays in progress(photos.arrays(), desc="hash", unit="batch")
    ]
    if not parts:
        return np.empty((0, 0), np.uint8), np.empty(0, bool)
    hashes, usable = zip(*parts, strict=True)
    return np.concatenate(hashes), np.concatenate(usable)


def find_near_copies(
    listings: pd.DataFrame,
    hashes: np.ndarray,
    usable: np.ndarray,
    *,
    min_similarity: float,
    max_distance: int,
) -> dict[str, pd.DataFrame]:
    """Find the pairs of near-copies among the products.

    `listings` has a row per photo; `hashes` and `usable` are those of the packed photos. Returns
    the pairs `left`, `right`, positions among the products in the order in which `listings` has
    them first: for "near text" with `similarity`, for "near photo" with `distance` in bits.
    """
    position = pd.Series(pd.factorize(listings["product_id"])[0], listings.index)
    index = listings["photo_index"].dropna().astype(np.int64)
    index = index[usable[index]]
    owner = position.loc[index.index].to_numpy()
    photos = near_photos(hashes[index], max_distance)
    photos = photos.assign(left=owner[photos["left"]], right=owner[photos["right"]])
    return {
        "near text": near_texts(text_of(listings.drop_duplicates("product_id")), min_similarity),
        "near photo": photos[photos["left"] != photos["right"]],
    }


def collect_keys(listings: pd.DataFrame, near: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """List what products share: a row for each product (a position) and key it has.

    Returns `product`, `kind` and `key`. Kinds: "description" and "photo" (identical), and each of
    `near`, whose keys are clusters of linked products. A key of one product is left out.
    """
    position = pd.factorize(listings["product_id"])[0]
    once = listings.drop_duplicates("product_id")
    text = plain(once["description"])
    parts = [
        pd.DataFrame(
            {"product": range(len(once)), "kind": "description", "key": text.where(text.ne(""))}
        ),
        pd.DataFrame({"product": position, "kind": "photo", "key": listings["pixel_hash"]}),
    ]
    for kind, pairs in near.items():
        cluster = pd.Series(clusters(pairs, len(once))).astype("str")
        parts.append(pd.DataFrame({"product": range(len(once)), "kind": kind, "key": cluster}))
    keys = pd.concat(parts, ignore_index=True).dropna().drop_duplicates()
    return keys[keys.duplicated(["kind", "key"], keep=False)].reset_index(drop=True)


def count_sellers(products: pd.DataFrame) -> int:
    """Count the sellers that these products may be of.

    Taken for one seller: a location's listings in one category, and listings of one name (an advert
    that is repeated from town to town), unless the name is a word or two.
    """
    name = plain(products["name"])
    home = pd.factorize(products["location"] + "\n" + products["category"])[0]
    specific = name.where(name.str.count(" ") + 1 >= MIN_NAME_WORDS)
    named = pd.factorize(specific)[0]
    alone = named < 0
    named[alone] = named.max(initial=0) + 1 + np.arange(alone.sum())
    sides = home.max() + 1, named.max() + 1
    graph = coo_array((np.ones(len(home)), (home, named + sides[0])), shape=(sum(sides),) * 2)
    components, _ = connected_components(graph, directed=False)
    return int(components)


def find_boilerplate(keys: pd.DataFrame, products: pd.DataFrame, max_sellers: int) -> pd.Series:
    """Return which rows of `keys` are of a key that is no evidence of one seller.

    That is a key of more than `max_sellers` sellers; one of several sellers and a large share of
    all products; and a description of a few words. `products` has a row for each position.
    """
    many = max(MIN_SHARED, MAX_SHARE * len(products))

    def is_boilerplate(rows: pd.DataFrame) -> bool:
        kind, key = rows[["kind", "key"]].iloc[0]
        if kind == "description" and key.count(" ") + 1 < MIN_WORDS:
            return True
        if len(rows) <= min(max_sellers, many):
            return False
        sellers = count_sellers(products.iloc[rows["product"]])
        return sellers > max_sellers or (len(rows) > many and sellers > MAX_HOMES)

    ignored = pd.Series(False, keys.index)
    for _, rows in keys.groupby(["kind", "key"], sort=False):
        ignored[rows.index] = is_boilerplate(rows)
    return ignored


def group_products(keys: pd.DataFrame, ignored: pd.Series, products: pd.DataFrame) -> pd.Series:
    """Number the transitive groups of products that share a key.

    Products of one group must not be split: a copy in test would measure memory. An `ignored` key
    links only listings that have the same name too. Returns group by product_id.
    """
    name = plain(products["name"]).iloc[keys["product"]]
    specific = (name.str.count(" ") + 1 >= MIN_NAME_WORDS).to_numpy()
    key = keys["kind"] + "\n" + keys["key"]
    key = key.where(~ignored, key + "\n" + name.to_numpy()).where(~ignored | specific)
    rows = key.notna()
    left = keys["product"][rows].to_numpy()
    right, unique = pd.factorize(key[rows])
    nodes = len(products) + len(unique)
    graph = coo_array((np.ones(len(left)), (left, right + len(products))), shape=(nodes, nodes))
    _, component = connected_components(graph, directed=False)
    return pd.Series(
        pd.factorize(component[: len(products)])[0],
        index=pd.Index(products["product_id"]),
        name="group",
    )


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


def fit_folds(
    category: pd.Series, group: pd.Series, *, folds: int, val_folds: int, test_folds: int
) -> dict[str, int]:
    """Return the folds, of them for validation and for test, that so many products can fill.

    Those asked for, or fewer, in about the same shares, where groups or products of a category are
    fewer. Raises MarketError where not even three can be filled.
    """
    possible = min(folds, int(group.nunique()), int(category.value_counts().max()))
    if possible < MIN_FOLDS:
        raise MarketError(
            f"merge: {len(category)} products in {group.nunique()} independent groups, at most "
            f"{category.value_counts().max()} of a category: train, validation and test products "
            f"need {MIN_FOLDS} of both: add products"
        )
    val = max(1, round(val_folds * possible / folds))
    test = max(1, round(test_folds * possible / folds))
    while val + test >= possible:
        val, test = (val - 1, test) if val > test else (val, test - 1)
    return {"folds": possible, "val_folds": val, "test_folds": test}


def split_products(
    category: pd.Series, group: pd.Series, *, folds: int, val_folds: int, test_folds: int, seed: int
) -> pd.Series:
    """Assign "train", "val" or "test" to each product: whole groups, classes in proportion.

    A fold that a large group fills is for training. So is a category's smallest group where the
    category would have none there: what is not learned cannot be judged.
    """
    split = pd.Series("train", index=category.index, name="split")
    folding = Folding(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():  # of categories smaller than the folds: see below
        warnings.simplefilter("ignore", UserWarning)
        held_out = [rows for _, rows in folding.split(category, category, group)]
    fair = len(category) / folds
    held_out.sort(key=lambda rows: abs(len(rows) - fair) > max(TOLERANCE * fair, 1))  # stable
    for fold, rows in enumerate(held_out[: test_folds + val_folds]):
        split.iloc[rows] = "test" if fold < test_folds else "val"
    train = split.eq("train")
    for name in sorted(set(category) - set(category[train])):
        smallest = group[category.eq(name)].value_counts(sort=False).sort_index().idxmin()
        split[group.eq(smallest)] = "train"
    return split


def check_prices(listings: pd.DataFrame) -> None:
    """Raise MarketError if only test products have a price to learn from."""
    if not has_price_to_learn(listings[listings["split"] != "test"]).any():
        raise MarketError(
            "merge: no train or validation product has a price to learn from, all of theirs look "
            "like placeholders: add products, or raise clean.placeholder_above in params.yaml"
        )


def check_split(
    split: pd.Series,
    shares: dict[str, float],
    listings: pd.DataFrame,
    keys: pd.DataFrame,
    ignored: pd.Series,
) -> None:
    """Raise MarketError, one line, unless the split is fit to learn from and to judge by.

    `split` and `shares` are by product and by split; `listings` has a row per photo.
    """
    products = listings.drop_duplicates("product_id")
    in_train = products[split.eq("train").to_numpy()]
    if in_train["category"].nunique() < 2:
        names = sorted(products["category"].unique())
        raise MarketError(
            f"merge: all {len(products)} products are of the category {names[0]!r}: at least 2 "
            "categories with 3 products each are needed"
        )
    with_text = set(split[text_of(products).str.contains(r"\w").to_numpy()])
    for name in shares:
        if name not in with_text:
            raise MarketError(
                f"merge: none of the {split.eq(name).sum()} {name} products has a name or a "
                "description: fill product_name or product_description in Products.csv"
            )
    for name, share in shares.items():
        count, wanted = int(split.eq(name).sum()), share * len(split)
        if count and abs(count - wanted) <= max(MAX_MISS * len(split), MIN_MISS):
            continue
        sizes = keys[~ignored].value_counts(["kind", "key"])
        cause = "add products"
        if len(sizes):
            (kind, key), size = sizes.index[0], int(sizes.iloc[0])
            shown = f" {key[:60]!r}" if kind == "description" else ""
            cause = (
                f"{size} of {len(split)} products share one {kind}{shown}, so they cannot be "
                "split: remove what they share from the raw tables, or lower merge.max_sellers"
            )
        raise MarketError(
            f"merge: {name} would hold {count} of {len(split)} products, not about {wanted:.0f}: "
            f"{cause}"
        )


def across_splits(near: dict[str, pd.DataFrame], split: pd.Series) -> np.ndarray:
    """Return, for each product, whether one of another split is a near-copy of it."""
    names = split.to_numpy()
    flagged = np.zeros(len(split), bool)
    for pairs in near.values():
        left, right = pairs["left"].to_numpy(), pairs["right"].to_numpy()
        apart = names[left] != names[right]
        flagged[left[apart]] = flagged[right[apart]] = True
    return flagged


def leakage(listings: pd.DataFrame, keys: pd.DataFrame, ignored: pd.Series) -> dict[str, int]:
    """Count products, and shared keys of each kind, that stand in more than one split.

    `ignored` keys, which say nothing about copies, are left out.
    """
    split = listings.groupby("product_id", sort=False)["split"].agg(["first", "nunique"])
    evidence = keys[~ignored]
    names = split["first"].to_numpy()[evidence["product"]]
    apart = pd.Series(names, evidence.index).groupby([evidence["kind"], evidence["key"]]).nunique()
    counts = apart.gt(1).groupby(level="kind").sum()
    return {"products": int(split["nunique"].gt(1).sum())} | {
        name: int(counts.get(kind, 0))
        for name, kind in {
            "descriptions": "description",
            "photo_hashes": "photo",
            "near_texts": "near text",
            "near_photos": "near photo",
        }.items()
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
    params = load_params("merge").model_dump()
    require(CLEAN / "products.parquet", CLEAN / "images.parquet", CLEAN / "photos")
    products = pd.read_parquet(CLEAN / "products.parquet")
    images = pd.read_parquet(CLEAN / "images.parquet")
    photos = PhotoStore(CLEAN / "photos")
    listings = join(products, images)
    once = listings.drop_duplicates("product_id")
    hashes, usable = hash_photos(photos)
    # Once, as loosely as either setting wants them.
    loose = find_near_copies(
        listings,
        hashes,
        usable,
        min_similarity=min(params["duplicate_text_similarity"], params["report_text_similarity"]),
        max_distance=max(params["duplicate_photo_distance"], params["report_photo_distance"]),
    )

    def closer(min_similarity: float, max_distance: int) -> dict[str, pd.DataFrame]:
        texts, photo_pairs = loose["near text"], loose["near photo"]
        return {
            "near text": texts[texts["similarity"] >= min_similarity],
            "near photo": photo_pairs[photo_pairs["distance"] <= max_distance],
        }

    near = closer(params["duplicate_text_similarity"], params["duplicate_photo_distance"])
    keys = collect_keys(listings, near)
    ignored = find_boilerplate(keys, once, params["max_sellers"])
    group = group_products(keys, ignored, once)
    category = once.set_index("product_id")["category"]
    asked = {name: params[name] for name in ("folds", "val_folds", "test_folds")}
    folds = fit_folds(category, group, **asked)
    split = split_products(category, group, **folds, seed=params["seed"])
    held_out = {"val": folds["val_folds"], "test": folds["test_folds"]}
    shares = {name: count / folds["folds"] for name, count in held_out.items()}
    check_split(split, {"train": 1 - sum(shares.values()), **shares}, listings, keys, ignored)

    looser = closer(params["report_text_similarity"], params["report_photo_distance"])
    flagged = pd.Series(across_splits(looser, split), group.index, name="has_near_copy")
    listings = listings.join(group, on="product_id").join(split, on="product_id")
    listings = listings.join(flagged, on="product_id")
    check_prices(listings)

    shared = leakage(listings, keys, ignored)
    if any(shared.values()):
        raise AssertionError(f"the split leaks: {shared}")
    with replace_when_done(OUT) as temporary:
        write_listings(listings, photos, temporary)
    photos_in = listings.groupby("split")["photo_index"].count()
    only_in_train = sorted(set(category) - set(category[split.eq("test")]))
    boilerplate = keys[ignored].groupby("kind")
    metrics = {
        "products": len(products),
        "photos": int(photos_in.sum()),
        "groups": int(group.nunique()),
        "largest_group": int(group.value_counts().iloc[0]),
        "leakage": shared,
        "near_copies": {
            "test_products": int((flagged & split.eq("test")).sum()),
            "test_products_above_copy_thresholds": int(
                (across_splits(near, split) & split.eq("test")).sum()
            ),
        },
        "boilerplate": {
            kind: {"keys": int(rows["key"].nunique()), "products": int(rows["product"].nunique())}
            for kind, rows in boilerplate
        },
        "categories_without_test_products": len(only_in_train),
        "folds": folds,
        "splits": {
            name: {"products": int((split == name).sum()), "photos": int(photos_in[name])}
            for name in ("train", "val", "test")
        },
        "seed": params["seed"],
    }
    write_json(Path("metrics/merge.json"), metrics)
    for kind, rows in boilerplate:
        sizes = rows["key"].value_counts()
        shown = f", most often {sizes.index[0][:60]!r}" if kind == "description" else ""
        click.echo(
            f"ignored {len(sizes)} shared by unrelated sellers: {kind}, of "
            f"{rows['product'].nunique()} products{shown}: they say nothing about copies"
        )
    if folds != asked:
        click.echo(f"{len(products)} products fill {folds['folds']} folds, not {asked['folds']}")
    if only_in_train:
        click.echo(f"without a test product, as they are too few: {', '.join(only_in_train)}")
    return f"{len(listings)} rows, {metrics['groups']} groups in {OUT}"


if __name__ == "__main__":
    main()
