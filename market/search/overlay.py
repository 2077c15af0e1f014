"""Changes laid over an index: the ranking over both equals that over one index of the same rows.

The index stays as it is. Changed listings have positions after its own, and exact statistics: the
words of all listings count as if they had been indexed together. What the pipeline learned from
all listings at once stays as of the index: the image space, the ranker, the collaborative model,
the neighbours of the index's own listings and the smoothing of their text vectors. Changed
listings find their neighbours among all, and are smoothed over them as the index smooths.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from market.search.attributes import indexed_descriptions
from market.search.catalogue import Catalogue, ListingPhotos
from market.search.changed_listings import ChangedListings
from market.search.copies import KnownTexts, group_changed
from market.search.lexical import LexicalIndex
from market.search.listing_vectors import ListingVectors
from market.search.nearest_changes import NearestChanges
from market.search.nearest_listings import Nearest, NearestListings, vector_keys
from market.search.neighbours import OverlaidNeighbours, joint_vectors, smooth_towards
from market.search.overlaid_catalogue import overlay_catalogue
from market.search.overlaid_vectors import OverlaidVectors
from market.search.vectors import VectorIndex


@dataclass(frozen=True, eq=False)
class Collection:
    """The listings of an index, or those with changes laid over them.

    Attributes
    ----------
    catalogue
        The tables.
    lexical
        The words.
    vectors
        The vectors.
    """

    catalogue: Catalogue
    lexical: LexicalIndex
    vectors: ListingVectors

    def with_changes(self, changed: ChangedListings) -> Collection:
        """Return these listings with changes; this must be an index without any.

        Raises
        ------
        ValueError
            If two changed listings have the same id.
        """
        listings = changed.listings
        if listings["product_id"].duplicated().any():
            twice = listings["product_id"][listings["product_id"].duplicated()].iloc[0]
            raise ValueError(f"two changed listings have the id {twice!r}")
        replacement = self._replacement(changed)
        withdrawn = replacement != np.arange(len(replacement))
        photos = ListingPhotos.build(changed.photos, len(changed))
        keys = vector_keys(changed.texts, photos, changed.images)
        nearest = self._nearest.find(keys, changed.texts, photos, changed.images)
        groups = group_changed(
            listings["description"],
            _photo_keys(photos, changed.images),
            [each.same_photo for each in nearest],
            self.catalogue.positions(listings["product_id"]),
            self._known_texts,
            self.catalogue.group,
            self.catalogue.n_groups,
        )
        catalogue = overlay_catalogue(
            self.catalogue, changed, groups, withdrawn if withdrawn.any() else None
        )
        return Collection(
            catalogue,
            self._change_words(np.flatnonzero(withdrawn), catalogue),
            self._change_vectors(changed, catalogue.photos, nearest, replacement, keys),
        )

    def _replacement(self, changed: ChangedListings) -> np.ndarray:
        """Return the `replacement` (n,) of OverlaidNeighbours."""
        replacement = np.arange(len(self.catalogue), dtype=np.int32)
        removed = self.catalogue.positions(changed.removed)
        replacement[removed[removed >= 0]] = -1
        superseded = self.catalogue.positions(changed.listings["product_id"])
        known = superseded >= 0
        replacement[superseded[known]] = len(self.catalogue) + np.flatnonzero(known)
        return replacement

    def _change_words(self, withdrawn: np.ndarray, catalogue: Catalogue) -> LexicalIndex:
        """Return the words without the listings at `withdrawn` (d,), and with the changed ones."""
        attributes = [column.attribute for column in self.catalogue.attributes.values()]
        gone = self.catalogue.listings.iloc[withdrawn].reset_index(drop=True)
        added = catalogue.listings.iloc[len(self.catalogue) :].reset_index(drop=True)
        gone_texts, added_texts = (
            (rows["name"].tolist(), indexed_descriptions(rows, attributes))
            for rows in (gone, added)
        )
        return self.lexical.with_changes(withdrawn, gone_texts, added_texts)

    def _change_vectors(
        self,
        changed: ChangedListings,
        photos: ListingPhotos,
        nearest: list[Nearest],
        replacement: np.ndarray,
        keys: list[bytes],
    ) -> ListingVectors:
        """Return the vectors of all listings; `nearest` are the index's for each changed one."""
        base = self.vectors
        assert isinstance(base.texts, VectorIndex) and isinstance(base.images, VectorIndex)
        assert isinstance(base.neighbours, np.ndarray)
        neighbours = self._neighbours(changed, nearest, replacement, keys)
        texts = changed.texts
        if base.unsmoothed is not None and neighbours.size:
            in_index = np.where(neighbours < len(replacement), neighbours, 0)
            in_changes = np.where(neighbours < len(replacement), 0, neighbours - len(replacement))
            vectors = np.where(
                (neighbours < len(replacement))[..., None],
                base.unsmoothed[in_index],
                texts[in_changes],
            )
            texts = smooth_towards(texts, vectors)
        return replace(
            base,
            texts=OverlaidVectors(base.texts, texts),
            images=OverlaidVectors(base.images, changed.images),
            neighbours=OverlaidNeighbours(base.neighbours, neighbours, replacement),
            photos=photos,
        )

    def _neighbours(
        self,
        changed: ChangedListings,
        nearest: list[Nearest],
        replacement: np.ndarray,
        keys: list[bytes],
    ) -> np.ndarray:
        """Return the neighbours (m, k) of changed listings, as many as the index's own have."""
        count = self.vectors.neighbours[np.empty(0, np.int64)].shape[1]
        size = len(replacement)
        own = np.arange(size, size + len(changed), dtype=np.int32)
        if not count or not len(changed):
            return np.repeat(own[:, None], count, axis=1)
        there = replacement == np.arange(size)
        owners = changed.photos["position"].to_numpy(np.int64)
        positions = np.zeros((len(changed), count), np.int64)
        similarities = np.full((len(changed), count), -np.inf, np.float32)
        for row, (near, cosines, _) in enumerate(nearest):
            kept = np.flatnonzero(there[near])[:count]
            if len(kept) < count and len(near) < size:
                near, cosines = self._nearest.allowed(
                    changed.texts[row], changed.images[owners == row], there, count
                )
                kept = np.arange(len(near))
            positions[row, : len(kept)] = near[kept]
            similarities[row, : len(kept)] = cosines[kept]
        ids = changed.listings["product_id"].tolist()
        others, other_similarities = self._nearest_changes.find(
            [product_id.encode() + key for product_id, key in zip(ids, keys, strict=True)],
            joint_vectors(changed.texts, changed.images, owners),
            count,
        )
        positions = np.hstack([positions, own[others]])
        similarities = np.hstack([similarities, other_similarities])
        best = np.argsort(-similarities, axis=1, kind="stable")[:, :count]
        found = np.take_along_axis(positions, best, axis=1)
        is_known = np.isfinite(np.take_along_axis(similarities, best, axis=1))
        return np.where(is_known, found, own[:, None]).astype(np.int32)

    @cached_property
    def _nearest(self) -> NearestListings:
        return NearestListings(self.vectors)

    @cached_property
    def _nearest_changes(self) -> NearestChanges:
        return NearestChanges(self.vectors.texts.width + self.vectors.images.width)

    @cached_property
    def _known_texts(self) -> KnownTexts:
        return KnownTexts.build(self.catalogue.listings["description"])


def _photo_keys(photos: ListingPhotos, images: np.ndarray) -> list[list[bytes]]:
    """Return the vectors of each listing's photos as bytes: equal photos have equal vectors."""
    return [
        [image.tobytes() for image in images[start:end]]
        for start, end in pairwise(photos.first.tolist())
    ]
