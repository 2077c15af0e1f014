"""The plain ways: straightforward code with the same libraries as the stages.

A heavy library is imported where it is used, so that it counts in the memory of its own case only.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from cases import SEED, Job
from PIL import Image

from market.core.params import load_params
from market.core.paths import PRODUCTS

PHOTO_SIZE, ARRAY_SIZE = 224, 56  # pixels
PICKLE = "plain/images.pkl"  # photos of all listings, in a project
LISTINGS = "plain/listings.parquet"


# --- clean ----------------------------------------------------------------------------------------
def clean(job: Job) -> dict[str, Any]:
    """Save each photo as a square JPEG; pickle its array, hash and size in an object column."""
    job.out.mkdir()
    read_products(job.raw).to_parquet(job.out / "products.parquet")
    (job.out / "photos").mkdir()
    rows = []
    for image in read_images(job.raw).itertuples():
        try:
            photo = Image.open(job.raw / "images" / f"{image.id}.jpg").convert("RGB")
        except OSError:
            continue
        square = photo.resize((PHOTO_SIZE, PHOTO_SIZE))
        square.save(job.out / "photos" / f"{image.id}.jpg", quality=95, subsampling=0)
        array = np.asarray(square.resize((ARRAY_SIZE, ARRAY_SIZE)))
        rows.append(
            {
                "image_id": image.id,
                "product_id": image.product_id,
                "width": photo.width,
                "height": photo.height,
                "pixel_hash": hashlib.sha256(square.tobytes()).hexdigest(),
                "image_array": array.transpose(2, 0, 1),
            }
        )
    pd.DataFrame(rows).to_pickle(job.out / "images.pkl")
    return {}


def clean_pixels(job: Job) -> dict[str, Any]:
    """Pickle the pixels of each photo in an object column: less work than the stage does."""
    job.out.mkdir()
    read_products(job.raw).to_parquet(job.out / "products.parquet")
    images = read_images(job.raw)
    squares = []
    for image_id in images["id"]:
        try:
            photo = Image.open(job.raw / "images" / f"{image_id}.jpg").convert("RGB")
            squares.append(np.asarray(photo.resize((PHOTO_SIZE, PHOTO_SIZE))))
        except OSError:
            squares.append(None)
    images["image_array"] = squares
    images.dropna(subset="image_array").to_pickle(job.out / "images.pkl")
    return {}


def read_images(raw: Path) -> pd.DataFrame:
    """Return Images.csv."""
    return pd.read_csv(raw / "Images.csv", keep_default_na=False)


def read_products(raw: Path) -> pd.DataFrame:
    """Return the complete rows of Products.csv, with prices as numbers."""
    products = pd.read_csv(
        raw / "Products.csv", lineterminator="\n", keep_default_na=False, na_values=[""]
    ).dropna(subset=["id", "category", "price"])
    price = products["price"].astype(str).str.replace("[£,]", "", regex=True)
    products["price"] = pd.to_numeric(price, errors="coerce")
    products["category"] = products["category"].str.split(" / ").str[0]
    return products.dropna(subset="price").rename(columns={"id": "product_id"})


# --- merge ----------------------------------------------------------------------------------------
def merge(job: Job) -> dict[str, Any]:
    """Join, group by networkx, split by StratifiedGroupKFold, and write parquet."""
    listings = _join(job.project)
    listings["group"] = listings["product_id"].map(_group_of_product(listings))
    listings["split"] = listings["product_id"].map(_split_of_product(listings))
    # Parquet takes no array of three dimensions in an object column.
    listings["image_array"] = [
        array.ravel() if isinstance(array, np.ndarray) else None
        for array in listings["image_array"]
    ]
    listings.to_parquet(job.out)
    return {"rows": len(listings)}


def merge_pickled(job: Job) -> dict[str, Any]:
    """Join, split by product, and pickle: less work than the stage does."""
    from sklearn.model_selection import GroupShuffleSplit

    listings = _join(job.project)
    folds = GroupShuffleSplit(1, test_size=0.2, random_state=SEED)
    _, test = next(folds.split(listings, groups=listings["product_id"]))
    listings["split"] = "train"
    listings.loc[test, "split"] = "test"
    listings.to_pickle(job.out)
    return {}


def _join(project: Path) -> pd.DataFrame:
    products = pd.read_parquet(project / PRODUCTS)
    images = pd.read_pickle(project / PICKLE)
    return images.merge(products, on="product_id", how="right")


def _group_of_product(listings: pd.DataFrame) -> dict[str, int]:
    """Return a group for each product: those that share a description or a photo are in one."""
    import networkx

    graph = networkx.Graph()
    texts = listings["description"].str.casefold().str.replace(r"\s+", " ", regex=True)
    for product, text, pixels in zip(
        listings["product_id"], texts, listings["pixel_hash"], strict=True
    ):
        graph.add_node(product)
        if text:
            graph.add_edge(product, ("text", text))
        if isinstance(pixels, str):
            graph.add_edge(product, ("photo", pixels))
    return {
        node: number
        for number, nodes in enumerate(networkx.connected_components(graph))
        for node in nodes
        if isinstance(node, str)
    }


def _split_of_product(listings: pd.DataFrame) -> pd.Series:
    """Return the split of each product: of ten folds two are test and one is validation."""
    from sklearn.model_selection import StratifiedGroupKFold

    products = listings.drop_duplicates("product_id")
    folds = StratifiedGroupKFold(10, shuffle=True, random_state=SEED)
    split = pd.Series("train", index=products["product_id"])
    parts = folds.split(products, products["category"], products["group"])
    for fold, (_, held_out) in enumerate(parts):
        if fold < 3:
            split.iloc[held_out] = "test" if fold < 2 else "val"
    return split


# --- classify_rf and TF-IDF -----------------------------------------------------------------------
def forest(job: Job) -> dict[str, Any]:
    """Fit the stage's random forest in one job, from an object column."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import accuracy_score

    listings = pd.read_parquet(job.project / LISTINGS)
    train, test = (listings[listings["split"] == name] for name in ("train", "test"))
    model = RandomForestClassifier(
        load_params("classify_rf").n_estimators, min_samples_leaf=2, random_state=SEED
    )
    model.fit(np.stack(train["image_array"]), train["category"])
    predicted = model.predict(np.stack(test["image_array"]))
    joblib.dump(model, job.out)
    return {"accuracy": round(float(accuracy_score(test["category"], predicted)), 6)}


def tfidf_dense(job: Job) -> dict[str, Any]:
    """Fit a linear regression of the price on a dense TF-IDF table."""
    return _fit_tfidf(job, dense=True)


def tfidf_sparse(job: Job) -> dict[str, Any]:
    """Fit the same regression on the sparse table, as stage regress does."""
    return _fit_tfidf(job, dense=False)


def _fit_tfidf(job: Job, *, dense: bool) -> dict[str, Any]:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LinearRegression

    products = pd.read_parquet(job.project / PRODUCTS).head(job.sizes.texts)
    table = TfidfVectorizer().fit_transform(products["name"] + " " + products["description"])
    model = LinearRegression().fit(table.toarray() if dense else table, products["price"])
    return {"words": len(model.coef_)}
