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

import numpy as np

from market.search.attributes import indexed_descriptions
from market.search.catalogue import Catalogue, ListingPhotos
from market.search.changed_listings import ChangedListings
from market.search.copies import KnownTexts, group_changed
from market.search.lexical import LexicalIndex
from market.search.listing_vectors import ListingVectors
from market.search.nearest_listings import SAME_PHOTO, Nearest, NearestListings
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
        nearest = self._nearest.find(changed.texts, photos, changed.images)
        groups = group_changed(
            listings["description"],
            _sharing_photos(photos, changed.images),
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
            self._change_vectors(changed, catalogue.photos, nearest, replacement),
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
    ) -> ListingVectors:
        """Return the vectors of all listings; `nearest` are the index's for each changed one."""
        base = self.vectors
        assert isinstance(base.texts, VectorIndex) and isinstance(base.images, VectorIndex)
        assert isinstance(base.neighbours, np.ndarray)
        neighbours = self._neighbours(changed, nearest, replacement)
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
        self, changed: ChangedListings, nearest: list[Nearest], replacement: np.ndarray
    ) -> np.ndarray:
        """Return the neighbours (m, k) of changed listings, as many as the index's own have."""
        count, size = self.vectors.neighbours[:0].shape[1], len(replacement)
        own = np.arange(size, size + len(changed), dtype=np.int32)
        neighbours = np.repeat(own[:, None], count, axis=1)
        if not count or not len(changed):
            return neighbours
        there = replacement == np.arange(size)
        owners = changed.photos["position"].to_numpy(np.int64)
        joint = joint_vectors(changed.texts, changed.images, owners)
        among_changed = joint @ joint.T
        np.fill_diagonal(among_changed, -np.inf)
        for row, (positions, similarities, _) in enumerate(nearest):
            kept = there[positions]
            if kept.sum() < count and len(positions) < size:
                positions, similarities = self._nearest.allowed(
                    changed.texts[row], changed.images[owners == row], there, count
                )
            else:
                positions, similarities = positions[kept][:count], similarities[kept][:count]
            candidates = np.concatenate([positions, own])
            cosines = np.concatenate([similarities, among_changed[row]])
            best = np.argsort(-cosines, kind="stable")[:count]
            best = best[np.isfinite(cosines[best])]
            neighbours[row, : len(best)] = candidates[best]
        return neighbours

    @cached_property
    def _nearest(self) -> NearestListings:
        return NearestListings(self.vectors)

    @cached_property
    def _known_texts(self) -> KnownTexts:
        return KnownTexts.build(self.catalogue.listings["description"])


def _sharing_photos(photos: ListingPhotos, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of listings, (p,) each, that share a photo."""
    left, right = np.nonzero(images @ images.T >= SAME_PHOTO)
    return photos.owner[left], photos.owner[right]
