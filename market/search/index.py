"""The search index: the tables, words and vectors of all listings, as one artefact.

Text and vectors leave out categories: sellers choose them, and they serve as a filter. The index
leaves out prices: `Catalogue` joins them when the index is loaded, so that a new price model does
not rebuild it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from market.core.atomic import replace_when_done, write_json
from market.core.formats import Formats
from market.data.catalogue_changes import THROUGH
from market.data.photo_store import PhotoStore
from market.models.text_encoder import load_text_encoder, weights_digest
from market.search.attributes import (
    AttributeType,
    attribute_columns,
    attribute_types,
    indexed_descriptions,
)
from market.search.gazetteer import Gazetteer, read_gazetteer
from market.search.image_space import ImageSpace, colour_histograms
from market.search.lexical import LexicalIndex
from market.search.listing_texts import text_vectors
from market.search.locations import (
    COORDINATES,
    count_unknown_places,
    place_listings,
    searchable_places,
)
from market.search.neighbours import joint_vectors, nearest_neighbours, smooth
from market.search.vectors import VectorIndex

LISTING_COLUMNS = [
    "product_id", "name", "description", "location", "category_levels", "price", "group",
]  # fmt: skip
ROW_COLUMNS = [*LISTING_COLUMNS, "created", "image_id", "photo_index"]
OPTIONAL_COLUMNS = [*COORDINATES, "status", "seller_id", "expires"]  # of exports that state them
RECALL_QUERIES = 256  # vectors that measure the recall of an approximate index


class IndexSettings(Protocol):
    """The section `index` of params.yaml.

    Not its class: search and the service would then depend on the schema of all sections.
    """

    encoder: str
    factory: str
    search_effort: int
    n_components: int
    colour_weight: float
    seed: int


@dataclass(frozen=True, eq=False)
class SearchIndex:
    """The artefact models/index: n listings with their places, words, vectors and neighbours.

    Attributes
    ----------
    listings
        n rows, sorted by product_id: LISTING_COLUMNS, `created` (of the first photo; NaT if
        unknown), `latitude` and `longitude` (degrees; NaN if unknown); `status`, `seller_id`,
        `expires` (UTC without a zone; NaT for never) and `attribute_<name>` if they are stated.
    photos
        A row for each photo, sorted by listing: `position` of its listing, and `photo_index` among
        the packed photos.
    places
        `name` (normalised), `latitude`, `longitude`: the places of listings.
    gazetteer
        All places of the country, which a user may search near as well.
    formats
        Currency, language and country of the listings.
    attributes
        The attributes of the listings.
    lexical
        The words of names, descriptions, and attributes in words.
    texts
        n text vectors, smoothed over the neighbours.
    images
        A vector for each row of `photos`.
    neighbours
        (n, k) int32: positions of each listing's nearest others by text and photos.
    unsmoothed
        (n, text width) float32: the text vectors before smoothing, which new listings are compared
        with.
    image_space
        Maps the features and colours of a new photo to a vector of `images`.
    array_size
        Side in pixels of the photo arrays that colours are counted on.
    encoder_name, encoder_sha256
        The sentence encoder of `texts`, and the digest of its weights.
    changes_through
        Number of the last change of the live catalogue among these listings; 0 for none.
    """

    listings: pd.DataFrame
    photos: pd.DataFrame
    places: pd.DataFrame
    gazetteer: Gazetteer
    formats: Formats
    attributes: tuple[AttributeType, ...]
    lexical: LexicalIndex
    texts: VectorIndex
    images: VectorIndex
    neighbours: np.ndarray
    unsmoothed: np.ndarray
    image_space: ImageSpace
    array_size: int
    encoder_name: str
    encoder_sha256: str
    changes_through: int = 0

    @classmethod
    def build(
        cls,
        rows: pd.DataFrame,
        packed: PhotoStore,
        text_embeddings: pd.DataFrame,
        image_features: np.ndarray,
        settings: IndexSettings,
        *,
        formats: Formats,
        device: str = "cpu",
    ) -> tuple[SearchIndex, dict[str, Any]]:
        """Index all listings.

        Parameters
        ----------
        rows
            The `index_columns` of data/merged/listings.parquet, a row for each photo or photoless
            listing.
        packed
            The m packed photos.
        text_embeddings
            `product_id` and the vector of each listing's text, by the encoder SHIPPED.
        image_features
            (m, width) float32 of the photo network.
        settings
            The section `index` of params.yaml.
        formats
            Currency, language and country of the listings.
        device
            Where the sentence encoder runs.

        Returns
        -------
        index, metrics
            The metrics count listings and photos, and measure the recall of the vector indices.

        Raises
        ------
        MarketError
            If there is no such encoder or language, or if FAISS cannot build `settings.factory`.
        """
        listings, photos, gazetteer = _located_tables(rows, formats.country)
        attributes = attribute_types(rows)
        shipped = load_text_encoder(device)
        unsmoothed = text_vectors(listings, text_embeddings, settings.encoder, shipped, device)
        images, image_space = _image_vectors(photos, packed, image_features, settings)
        neighbours = _find_neighbours(unsmoothed, images, photos, settings)
        texts = smooth(unsmoothed, neighbours)
        index = cls(
            listings=listings,
            photos=photos,
            places=searchable_places(listings),
            gazetteer=gazetteer,
            formats=formats,
            attributes=attributes,
            lexical=_index_words(listings, attributes, shipped, formats.language),
            texts=_vector_index(texts, settings),
            images=_vector_index(images, settings),
            neighbours=neighbours,
            unsmoothed=unsmoothed,
            image_space=image_space,
            array_size=packed.array_type.shape[1],
            encoder_name=settings.encoder,
            encoder_sha256=weights_digest(settings.encoder),
            changes_through=rows.attrs.get(THROUGH, 0),
        )
        return index, index._measure(texts, images, settings)

    def _measure(
        self, texts: np.ndarray, images: np.ndarray, settings: IndexSettings
    ) -> dict[str, Any]:
        """Return the metrics of an index over these text and image vectors."""
        return {
            "listings": len(self.listings),
            "photos": len(self.photos),
            "placed": int(self.listings["latitude"].notna().sum()),
            "text_recall@10_of_exact": _recall(self.texts, texts, settings),
            "text_width": texts.shape[1],
            "photo_recall@10_of_exact": _recall(self.images, images, settings),
            "photo_width": images.shape[1],
            "seed": settings.seed,
        }

    def save(self, folder: Path) -> None:
        """Write the index, replacing `folder` once all is written. Equal indices, equal bytes."""
        with replace_when_done(folder) as partial:
            partial.mkdir()
            self.listings.to_parquet(partial / "listings.parquet", index=False)
            self.photos.to_parquet(partial / "photos.parquet", index=False)
            self.places.to_parquet(partial / "places.parquet", index=False)
            self.gazetteer.save(partial / "gazetteer")
            # No code reads this table: it shows the user which locations to correct.
            count_unknown_places(self.listings).to_csv(partial / "unknown_places.csv", index=False)
            self.lexical.save(partial / "words")
            self.texts.save(partial / "text.faiss")
            self.images.save(partial / "image.faiss")
            np.save(partial / "neighbours.npy", self.neighbours)
            np.save(partial / "unsmoothed.npy", self.unsmoothed)
            self.image_space.save(partial / "image_space.npz")
            settings = {
                "array_size": self.array_size,
                "formats": self.formats.as_dict(),
                "search_effort": self.texts.search_effort,
                "encoder": {"name": self.encoder_name, "sha256": self.encoder_sha256},
            }
            if self.changes_through:
                settings["changes_through"] = self.changes_through
            if self.attributes:
                settings["attributes"] = [each._asdict() for each in self.attributes]
            write_json(partial / "index.json", settings)

    @classmethod
    def load(cls, folder: Path) -> SearchIndex:
        """Open the index that `save` wrote."""
        settings = _read_settings(folder)
        encoder_name, encoder_sha256 = cls.read_encoder(folder)
        return cls(
            listings=pd.read_parquet(folder / "listings.parquet"),
            photos=pd.read_parquet(folder / "photos.parquet"),
            places=pd.read_parquet(folder / "places.parquet"),
            gazetteer=Gazetteer.load(folder / "gazetteer"),
            formats=Formats(**settings["formats"]),
            attributes=tuple(AttributeType(**each) for each in settings.get("attributes", ())),
            lexical=LexicalIndex.load(folder / "words"),
            texts=VectorIndex.load(folder / "text.faiss", settings["search_effort"]),
            images=VectorIndex.load(folder / "image.faiss", settings["search_effort"]),
            neighbours=np.load(folder / "neighbours.npy"),
            unsmoothed=np.load(folder / "unsmoothed.npy", mmap_mode="r"),
            image_space=ImageSpace.load(folder / "image_space.npz"),
            array_size=settings["array_size"],
            encoder_name=encoder_name,
            encoder_sha256=encoder_sha256,
            changes_through=cls.read_changes_through(folder),
        )

    @staticmethod
    def read_changes_through(folder: Path) -> int:
        """Return `changes_through` of a saved index, and read nothing else."""
        return _read_settings(folder).get("changes_through", 0)

    @staticmethod
    def read_encoder(folder: Path) -> tuple[str, str]:
        """Return `encoder_name` and `encoder_sha256` of a saved index, and read nothing else."""
        encoder = _read_settings(folder)["encoder"]
        return encoder["name"], encoder["sha256"]

    @staticmethod
    def read_image_space(folder: Path) -> tuple[ImageSpace, int]:
        """Return `image_space` and `array_size` of a saved index, and read nothing else."""
        space = ImageSpace.load(folder / "image_space.npz")
        return space, _read_settings(folder)["array_size"]


def _read_settings(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "index.json").read_text(encoding="utf-8"))


def index_columns(present: Iterable[str]) -> list[str]:
    """Return those of the `present` columns of data/merged/listings.parquet that are indexed."""
    present = [*present]
    named = [name for name in (*ROW_COLUMNS, *OPTIONAL_COLUMNS) if name in present]
    return [*named, *attribute_columns(present)]


def listing_tables(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split rows of photos into a table of listings and a table of their photos.

    Parameters
    ----------
    rows
        ROW_COLUMNS, in any order.

    Returns
    -------
    listings, photos
        `listings` has LISTING_COLUMNS, the OPTIONAL_COLUMNS and attributes of `rows`, and
        `created`, the date of the listing's first photo; `photos` is as in SearchIndex.
    """
    rows = rows.sort_values(["product_id", "image_id"], ignore_index=True)
    created = rows.groupby("product_id")["created"].min()
    listings = rows.drop_duplicates("product_id", ignore_index=True)
    optional = [column for column in OPTIONAL_COLUMNS if column in listings]
    listings = listings[[*LISTING_COLUMNS, *optional, *attribute_columns(listings)]]
    ids = listings["product_id"]
    listings = listings.assign(created=created.loc[ids].to_numpy())
    if listings["category_levels"].isna().any():  # no listing has a category
        listings["category_levels"] = [[] for _ in ids]
    with_photo = rows.dropna(subset="photo_index")
    position_of = pd.Series(listings.index, ids)
    photos = pd.DataFrame(
        {
            "position": position_of.loc[with_photo["product_id"]].to_numpy(np.int64),
            "photo_index": with_photo["photo_index"].to_numpy(np.int64),
        }
    )
    return listings, photos


def _located_tables(
    rows: pd.DataFrame, country: str
) -> tuple[pd.DataFrame, pd.DataFrame, Gazetteer]:
    """Return the tables `listings` and `photos` of a SearchIndex, and its gazetteer."""
    listings, photos = listing_tables(rows)
    gazetteer = read_gazetteer(country)
    stated = listings[COORDINATES] if set(COORDINATES) <= {*listings.columns} else None
    listings = listings.drop(columns=COORDINATES, errors="ignore")
    return listings.join(place_listings(listings, gazetteer, stated)), photos, gazetteer


def _index_words(
    listings: pd.DataFrame, attributes: tuple[AttributeType, ...], shipped: Any, language: str
) -> LexicalIndex:
    """Index the words of names, descriptions and attributes.

    `shipped` is the shipped sentence encoder.
    """
    return LexicalIndex.build(
        listings["name"].tolist(),
        indexed_descriptions(listings, attributes),
        # Correctly spelt words, however rare: whole words of the shipped encoder's vocabulary. They
        # are English; another encoder's may be syllables.
        [word for word in shipped.tokenizer.get_vocab() if word.isalpha()],
        language,
    )


def _image_vectors(
    photos: pd.DataFrame, packed: PhotoStore, features: np.ndarray, settings: IndexSettings
) -> tuple[np.ndarray, ImageSpace]:
    """Return a unit vector for each row of `photos`, and the space that they are in."""
    histograms = colour_histograms(packed)
    space = ImageSpace.fit(
        features,
        histograms,
        n_components=settings.n_components,
        colour_weight=settings.colour_weight,
        seed=settings.seed,
    )
    return space.transform(features, histograms)[photos["photo_index"]], space


def _find_neighbours(
    texts: np.ndarray, images: np.ndarray, photos: pd.DataFrame, settings: IndexSettings
) -> np.ndarray:
    """Return the `neighbours` of a SearchIndex, by text and photos together."""
    joint = joint_vectors(texts, images, photos["position"].to_numpy())
    return nearest_neighbours(_vector_index(joint, settings), joint)


def _vector_index(vectors: np.ndarray, settings: IndexSettings) -> VectorIndex:
    return VectorIndex.build(vectors, settings.factory, settings.search_effort)


def _recall(index: VectorIndex, vectors: np.ndarray, settings: IndexSettings) -> float:
    """Return the recall@10 of `index` for some of its own `vectors`."""
    drawn = np.random.default_rng(settings.seed).permutation(len(vectors))[:RECALL_QUERIES]
    exact = index if settings.factory == "Flat" else VectorIndex.build(vectors, "Flat", 1)
    return index.recall_of(exact, vectors[drawn])
