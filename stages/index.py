"""Index every listing for search: its words, its meaning, its looks, its place.

In:  data/merged/listings.parquet, data/clean/photos (packed), data/embeddings/,
     data/price/expected.parquet.
Out: models/index/: words/ (BM25), text.faiss, photo.faiss, photo_space.npz, alike.npy (for each
     listing the others that read and look most like it), listings.parquet (what is filtered and
     shown, a row per product), shown.parquet (which photo is whose), places.parquet (what "near
     Leeds" means), unplaced.csv (locations that no place is known for), index.json;
     metrics/index.json.

A category is never among the words or vectors: it is what a seller chose, and a filter. A listing's
vector of meaning is moved towards those of the listings most like it: a short text says less than
several.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.preprocessing import normalize

from market.core.atomic import replace_when_done, write_json
from market.core.params import load_params
from market.core.paths import require
from market.core.stage import progress, stage
from market.core.torch_setup import set_up_torch
from market.data.photo_store import PhotoStore
from market.models.text_encoder import SHIPPED, encode_texts, load_text_encoder, weights_digest
from market.search.gazetteer import fold, locate, read_gazetteer
from market.search.lexical import LexicalIndex
from market.search.photo_space import COLOURS, PhotoSpace, colour_histogram
from market.search.vectors import VectorIndex

LISTINGS = Path("data/merged/listings.parquet")
PHOTOS = Path("data/clean/photos")
TEXT = Path("data/embeddings/text.parquet")
PHOTO = Path("data/embeddings/photo.npy")
EXPECTED = Path("data/price/expected.parquet")
OUT = Path("models/index")
JUDGED = 256  # listings whose neighbours the recall of an approximate index is measured by
BATCH = 128
ALIKE = 10  # listings whose texts say more of one: 5 to 20 were as good
LOOKS = 0.5  # weight of the photos beside the texts in what is alike
SHOWN = ["product_id", "name", "description", "location", "category_levels", "price", "group"]


def colours_of(photos: PhotoStore) -> np.ndarray:
    """Return the colour histogram (n, COLOURS) of every packed photo, in order."""
    found = []
    with progress(total=len(photos), desc="colours", unit="photo") as bar:
        for arrays in photos.arrays():
            found += [colour_histogram(photo) for photo in arrays.to_numpy_ndarray()]
            bar.update(len(arrays))
    return np.array(found, np.float32).reshape(-1, COLOURS)


def tabulate(rows: pd.DataFrame, expected: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the listings, one row each, and their photos (owner, number), in the same order.

    `rows` has a row per photo, as merge writes it; `owner` is a position among the listings,
    `number` the photo's among the packed. A listing is as old as its first photo.
    """
    rows = rows.sort_values(["product_id", "image_id"], ignore_index=True)
    created = rows.groupby("product_id")["created"].min()
    listings = rows.drop_duplicates("product_id", ignore_index=True)
    ids = listings["product_id"]
    prices = expected.set_index("product_id").loc[ids].reset_index(drop=True)
    columns = [*SHOWN, "town", "county"]
    listings = pd.concat([listings[columns], prices[["price_expected", "price_flag"]]], axis=1)
    listings["created"] = created.loc[ids].to_numpy()
    photos = rows.dropna(subset="photo_index")
    position = pd.Series(listings.index, ids)
    shown = {"owner": position.loc[photos["product_id"]], "number": photos["photo_index"]}
    return listings, pd.DataFrame({name: of.to_numpy(np.int64) for name, of in shown.items()})


def read_twice(encoder: Any, listings: pd.DataFrame, whole: np.ndarray | None) -> np.ndarray:
    """Return unit vectors (n, width): of each listing's name, and of name and description, halfway.

    `whole` are the latter, if they are known already.
    """

    def read(description: pd.Series, what: str) -> np.ndarray:
        return encode_texts(
            encoder,
            listings["name"],
            description,
            BATCH,
            lambda batches: progress(batches, desc=what, unit="batch"),
        )

    named = read(pd.Series("", listings.index), "names")
    return normalize(named + (read(listings["description"], "texts") if whole is None else whole))


def read_and_seen(texts: np.ndarray, looks: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Return unit vectors (n, width of both): each listing's text beside the mean of its photos.

    `looks` has a row for each photo, `owner` whose it is.
    """
    total = np.zeros((len(texts), looks.shape[1]), np.float32)
    np.add.at(total, owner, looks)
    return normalize(np.hstack([texts, LOOKS * normalize(total)]))


def find_alike(index: VectorIndex, vectors: np.ndarray) -> np.ndarray:
    """Return (n, ALIKE) int32, or as many as there are others: the nearest to each vector.

    `index` is of the same (n, width) vectors. Where it finds fewer, a listing is its own neighbour.
    """
    count = min(ALIKE, max(len(vectors) - 1, 0))
    found = np.empty((len(vectors), count), np.int32)
    starts = range(0, len(vectors), BATCH)
    for start in progress(starts, desc="alike", unit="batch"):
        rows = np.arange(start, min(start + BATCH, len(vectors)))[:, None]
        near = index.search(vectors[rows[:, 0]], count + 1)[1]
        # Others first, in order: itself is the nearest, but for its copies.
        order = np.argsort(near == rows, axis=1, kind="stable")[:, :count]
        near = np.take_along_axis(near, order, axis=1)
        found[rows[:, 0]] = np.where(near < 0, rows, near)
    return found


def expand(vectors: np.ndarray, alike: np.ndarray) -> np.ndarray:
    """Return unit vectors (n, width): each halfway to the mean of those `alike`, (n, k)."""
    if not alike.size:
        return vectors
    means = np.zeros_like(vectors)
    for others in alike.T:
        means += vectors[others] / alike.shape[1]
    return normalize(vectors + means)


def name_places(listings: pd.DataFrame, gazetteer: pd.DataFrame) -> pd.DataFrame:
    """Return name (folded), latitude, longitude: the listings' own locations, then all others.

    A town alone ("Newport") is that of most listings, before the largest of the country.
    """
    known = listings.dropna(subset="latitude")
    counts = known.value_counts(["location", "town", "latitude", "longitude"]).reset_index()
    own = [counts.assign(name=counts[column].map(fold)) for column in ("location", "town")]
    places = pd.concat([*own, gazetteer[gazetteer["own"]]], ignore_index=True)
    return places.drop_duplicates("name", ignore_index=True)[["name", "latitude", "longitude"]]


def unplaced(listings: pd.DataFrame) -> pd.DataFrame:
    """Return location and listings, their number: where no place is known, the commonest first."""
    unknown = listings.loc[listings["latitude"].isna(), "location"]
    counts = unknown.value_counts().rename_axis("location").reset_index(name="listings")
    return counts.sort_values(["listings", "location"], ascending=[False, True])


@stage
def main() -> str:
    params = load_params("index").model_dump()
    require(LISTINGS, PHOTOS, TEXT, PHOTO, EXPECTED)
    device = set_up_torch(params["seed"])
    columns = [*(name for name in SHOWN if name != "product_id"), "town", "county", "created"]
    rows = pd.read_parquet(LISTINGS, columns=["product_id", "image_id", "photo_index", *columns])
    listings, shown = tabulate(rows, pd.read_parquet(EXPECTED))
    gazetteer = read_gazetteer(params["country"])
    listings = listings.join(locate(listings, gazetteer))
    encoder_name = params["encoder"]
    shipped = load_text_encoder(str(device))
    embedded = encoder_name == SHIPPED  # the texts, by stage embed
    encoder = shipped if embedded else load_text_encoder(str(device), encoder_name)

    words = LexicalIndex.build(
        listings["name"].tolist(),
        listings["description"].tolist(),
        # An encoder's vocabulary: words that are right, if rare, and not to be mended. Always that
        # of whole words, as others may have syllables.
        [word for word in shipped.tokenizer.get_vocab() if word.isalpha()],
    )
    whole = None
    if embedded:
        whole = pd.read_parquet(TEXT).set_index("product_id").loc[listings["product_id"]]
        whole = whole.to_numpy(np.float32)
    vectors = read_twice(encoder, listings, whole)
    features = np.load(PHOTO, mmap_mode="r")
    photos = PhotoStore(PHOTOS)
    colours = colours_of(photos)
    space = PhotoSpace.fit(
        features, colours, components=params["n_components"], colour=params["colour_weight"],
        seed=params["seed"],
    )  # fmt: skip
    looks = space.transform(features, colours)[shown["number"]]
    both = read_and_seen(vectors, looks, shown["owner"].to_numpy())
    alike = find_alike(VectorIndex.build(both, params["factory"], params["search_effort"]), both)
    vectors = expand(vectors, alike)

    metrics: dict[str, Any] = {
        "listings": len(listings),
        "photos": len(shown),
        "placed": int(listings["latitude"].notna().sum()),
        "seed": params["seed"],
    }
    with replace_when_done(OUT) as folder:
        folder.mkdir()
        words.save(folder / "words")
        np.save(folder / "alike.npy", alike)
        for name, of in {"text": vectors, "photo": looks}.items():
            index = VectorIndex.build(of, params["factory"], params["search_effort"])
            index.save(folder / f"{name}.faiss")
            rng = np.random.default_rng(params["seed"])
            queries = of[rng.permutation(len(of))[:JUDGED]]
            exact = index if params["factory"] == "Flat" else VectorIndex.build(of, "Flat", 1)
            metrics[f"{name}_recall@10_of_exact"] = index.recall_at(exact, queries)
            metrics[f"{name}_width"] = of.shape[1]
        space.save(folder / "photo_space.npz")
        unplaced(listings).to_csv(folder / "unplaced.csv", index=False)
        places = name_places(listings, gazetteer)
        places.to_parquet(folder / "places.parquet", index=False)
        listings.drop(columns=["town", "county"]).to_parquet(
            folder / "listings.parquet", index=False
        )
        shown.to_parquet(folder / "shown.parquet", index=False)
        about = {
            "array_size": photos.array_type.shape[1],
            "breadth": params["search_effort"],
            "encoder": {"name": encoder_name, "sha256": weights_digest(encoder_name)},
        }
        write_json(folder / "index.json", about)
    write_json(Path("metrics/index.json"), metrics)
    return (
        f"{len(listings)} listings and {len(shown)} photos in {OUT}; "
        f"{len(listings) - metrics['placed']} at places that are not known"
    )


if __name__ == "__main__":
    main()
