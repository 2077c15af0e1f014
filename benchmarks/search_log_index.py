"""The engine of the benchmark on a log of searches: the pipeline's own steps, with a cache."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
from search_log_tables import find_table

from market.core.errors import MarketError
from market.core.formats import Formats
from market.core.params import load_params
from market.core.paths import IMAGES, PHOTOS, PRODUCTS
from market.core.settings import Input
from market.core.stage import progress
from market.core.torch_setup import set_up_torch
from market.data.inspection.export import inspect_export
from market.data.merged_listings import join_photos
from market.data.near_duplicates import hash_photos
from market.data.photo_store import PhotoStore
from market.data.product_split import ProductSplit
from market.data.raw_folder import LISTING_COLUMNS
from market.data.tables import read_table
from market.models.text_encoder import EMBEDDING, encode_texts, load_text_encoder, with_embedding
from market.search.engine import Engine
from market.search.index import SearchIndex, index_columns

BATCH_SIZE = 128  # texts that are encoded together
PHOTO_WIDTH = 1280  # numbers of a photo's features, of which there are none


def input_settings(raw: Path) -> Input:
    """Return how the listings of a folder are written.

    The columns of params.yaml count where the file has them; columns that it lacks are set to null.
    Without an id or a name under those names, `python -m market.inspect` decides.
    """
    settings = load_params("input")
    path = find_table(raw, settings.products)
    update: dict[str, Any] = {"products": path.name, "images": ""}
    try:
        present = read_table(path, encoding=settings.encoding, separator=settings.separator).columns
    except MarketError:  # such as one about the encoding, which the inspection detects
        present = pd.Index([])
    own = {name: column for name, column in settings.columns.items() if column in present}
    if "id" not in own or "name" not in own:
        section = inspect_export(path, load_params("clean")).section
        own = section["columns"]
        update |= {name: section[name] for name in ("encoding", "separator")}
    columns = {name: own.get(name) for name in settings.columns}
    absent = [LISTING_COLUMNS.get(name, name) for name, column in columns.items() if column is None]
    if absent:
        click.echo(f"{path}: no column {', '.join(absent)}: the ranker does without", err=True)
    if "id" not in own or "name" not in own:
        raise MarketError(
            f"{path}: no column is like the id and the name of a listing "
            f"(found: {', '.join(map(str, present))}): name them 'id' and 'product_name'"
        )
    return settings.model_copy(update=update | {"columns": columns})


@dataclass(frozen=True)
class EngineBuilder:
    """Builds the engine of listings without photos and prices, and keeps its parts on disk.

    Attributes
    ----------
    clean
        The folder that stage clean wrote.
    cache
        A folder; what an earlier run left there for equal listings is used again.
    settings
        Of the raw folder.
    """

    clean: Path
    cache: Path
    settings: Input

    def build(self) -> Engine:
        """Return an engine with prior weights, which encodes queries by `query_vectors`."""
        folder = self.cache / f"index-{self._digest()}"
        if not (folder / "index.json").exists():
            self._build_index().save(folder)
        prices = folder / "prices.parquet"
        self.products[["product_id"]].assign(price_expected=np.nan, price_flag="").to_parquet(
            prices
        )
        return Engine.load(
            folder, None, self.cache / "no_photos", prices, encode_text=self.query_vectors
        )

    def encode_ahead(self, engine: Engine, queries: Iterable[str]) -> None:
        """Encode queries as users wrote them and as the engine corrects them, and remember them."""
        written = [*queries]
        corrected = [engine.correct(engine.understand(text).words) for text in written]
        self.query_vectors.encode_ahead([*written, *corrected])

    @cached_property
    def query_vectors(self) -> QueryVectors:
        """The vectors of queries, in the cache."""
        return QueryVectors(self.cache / "queries.parquet", self._encoder)

    def _build_index(self) -> SearchIndex:
        """Run the stages merge, embed_texts and index on the listings."""
        store = PhotoStore(self.clean / PHOTOS.name)
        listings = join_photos(self.products, pd.read_parquet(self.clean / IMAGES.name))
        listings = ProductSplit.fit(listings, hash_photos(store), load_params("merge")).listings
        language, country = self.settings.language, self.settings.country
        click.echo(f"encoding {len(self.products):,} listings", err=True)
        index, _ = SearchIndex.build(
            listings[index_columns(listings.columns)],
            store,
            self._embed(),
            np.empty((0, PHOTO_WIDTH), np.float32),
            load_params("index"),
            formats=Formats(self.settings.currency, language, country),
        )
        return index

    def _embed(self) -> pd.DataFrame:
        """Return the vectors of all texts, as stage embed_texts does, equal texts only once."""
        texts = self.products[["name", "description"]].drop_duplicates(ignore_index=True)
        vectors = encode_texts(
            self._encoder,
            texts["name"],
            texts["description"],
            BATCH_SIZE,
            lambda batches: progress(batches, desc="encode listings", unit="batch"),
        )
        rows = self.products[["product_id", "name", "description"]].merge(
            with_embedding(texts, vectors), on=["name", "description"], how="left"
        )
        return rows[["product_id", *EMBEDDING]]

    @cached_property
    def products(self) -> pd.DataFrame:
        """The clean listings."""
        return pd.read_parquet(self.clean / PRODUCTS.name)

    def _digest(self) -> str:
        """Return a short digest of the texts that the index holds."""
        texts = self.products[["product_id", "name", "description"]]
        return hashlib.sha256(pd.util.hash_pandas_object(texts).to_numpy().tobytes()).hexdigest()[
            :16
        ]

    @cached_property
    def _encoder(self) -> Any:
        return load_text_encoder(str(set_up_torch(load_params("embed_texts").seed)))


class QueryVectors:
    """Encodes queries in words, and remembers all of them, also on disk.

    Parameters
    ----------
    path
        The file that remembers.
    encoder
        A SentenceTransformer.
    """

    def __init__(self, path: Path, encoder: Any) -> None:
        self._path, self._encoder = path, encoder
        self._vectors: dict[str, np.ndarray] = {}
        if path.exists():
            table = pd.read_parquet(path)
            vectors = table[EMBEDDING].to_numpy(np.float32)
            self._vectors = dict(zip(table["query"], vectors, strict=True))

    def __call__(self, text: str) -> np.ndarray:
        """Return the unit vector (width,) of a query; runs of white space count as one space."""
        text = " ".join(text.split())
        if text not in self._vectors:
            self._vectors[text] = self._encode([text])[0]
        return self._vectors[text]

    def encode_ahead(self, texts: Iterable[str]) -> None:
        """Encode queries in batches of similar length, and write all vectors to the file."""
        words = {" ".join(text.split()) for text in texts} - self._vectors.keys()
        new = sorted(words, key=lambda text: (len(text), text))
        starts = range(0, len(new), BATCH_SIZE)
        for start in progress(starts, desc="encode queries", unit="batch"):
            batch = new[start : start + BATCH_SIZE]
            self._vectors.update(zip(batch, self._encode(batch), strict=True))
        if new:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            vectors = np.array(list(self._vectors.values()), np.float32)
            table = pd.DataFrame(vectors, columns=EMBEDDING)
            table.insert(0, "query", list(self._vectors))
            table.to_parquet(self._path, index=False)

    def _encode(self, texts: list[str]) -> np.ndarray:
        return self._encoder.encode_query(texts, normalize_embeddings=True, show_progress_bar=False)
