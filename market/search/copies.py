"""Which changed listings are copies of one product: their text or a photo equals another's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock

import numpy as np
import pandas as pd
from cachetools import LRUCache
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from market.data.near_duplicates import MIN_WORDS, normalise_text
from market.data.words import separate_words

CACHED_TEXTS = 20_000  # of changed listings: most stay the same when others change
_keys: LRUCache[str, int] = LRUCache(CACHED_TEXTS)
_keys_lock = Lock()


@dataclass(frozen=True, eq=False)
class KnownTexts:
    """The descriptions of n listings, ready to look up the listings of an equal one.

    Attributes
    ----------
    keys
        (n,) uint64 hashes of the normalised descriptions, ascending.
    positions
        (n,) the listing of each.
    """

    keys: np.ndarray
    positions: np.ndarray

    @classmethod
    def build(cls, descriptions: pd.Series) -> KnownTexts:
        """Hash n descriptions."""
        keys = description_keys(descriptions)
        order = np.argsort(keys, kind="stable")
        return cls(keys[order], order)

    def equal_to(self, keys: np.ndarray) -> list[np.ndarray]:
        """Return, for each hash (m,), the positions of the listings with such a description."""
        starts = np.searchsorted(self.keys, keys)
        ends = np.searchsorted(self.keys, keys, side="right")
        return [self.positions[start:end] for start, end in zip(starts, ends, strict=True)]


def description_keys(descriptions: pd.Series) -> np.ndarray:
    """Return a hash (n,) uint64 of each description, equal if only case and white space differ."""
    return pd.util.hash_array(normalise_text(descriptions.astype("str")).to_numpy(object))


def group_changed(
    descriptions: pd.Series,
    photo_keys: Sequence[Sequence[bytes]],
    same_photo: Sequence[np.ndarray],
    former: np.ndarray,
    known: KnownTexts,
    groups: np.ndarray,
    first_new: int,
) -> np.ndarray:
    """Return the groups (m,) of changed listings: copies of one product share one.

    A changed listing joins the group of the listings whose description, of MIN_WORDS words or more,
    or one of whose photos equals its own. A text or photo that the index left in several groups is
    boilerplate, and joins nobody, but a listing stays in its own former group if it kept its text
    or a photo. Changes never join two groups of the index.

    Parameters
    ----------
    descriptions
        Of the m changed listings.
    photo_keys
        The photos of each, in bytes that equal photos share.
    same_photo
        For each changed listing, the positions of the index's listings with one of its photos.
    former
        (m,) the positions that the changed listings had in the index; -1 for new ones.
    known
        The descriptions of the n listings of the index.
    groups
        (n,) their groups.
    first_new
        The smallest number of a new group.
    """
    count = len(descriptions)
    keys = _remembered_keys(descriptions.tolist())
    joined = np.full(count, np.iinfo(np.int64).max)  # the group of the index that each joins
    first_of: dict[object, int] = {}
    links: list[tuple[int, int]] = []
    for row, (text, positions) in enumerate(zip(descriptions, known.equal_to(keys), strict=True)):
        links += [(row, first_of.setdefault(key, row)) for key in photo_keys[row]]
        equals = [same_photo[row]]
        if _is_long(text):
            equals.append(positions)
            if len({*groups[positions].tolist()}) <= 1:
                links.append((row, first_of.setdefault(int(keys[row]), row)))
        for positions in filter(len, equals):
            shared = {*groups[positions].tolist()}
            if former[row] in positions:
                joined[row] = min(joined[row], groups[former[row]])
            elif len(shared) == 1:
                joined[row] = min(joined[row], *shared)
    left, right = np.array(links, np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(left)), (left, right)), shape=(count, count))
    component = connected_components(graph, directed=False)[1] if count else np.empty(0, int)
    number = first_new + np.arange(count)  # one for each component
    np.minimum.at(number, component, joined)
    return number[component]


def _remembered_keys(descriptions: Sequence[str]) -> np.ndarray:
    """Return `description_keys` (m,): those of new texts are computed together and remembered."""
    with _keys_lock:
        key_of = {text: _keys[text] for text in descriptions if text in _keys}
        new = [text for text in dict.fromkeys(descriptions) if text not in key_of]
        key_of |= zip(new, description_keys(pd.Series(new, dtype="str")).tolist(), strict=True)
        _keys.update((text, key_of[text]) for text in new)
    return np.array([key_of[text] for text in descriptions], np.uint64)


@lru_cache(CACHED_TEXTS)
def _is_long(text: str) -> bool:
    return len(separate_words(text).split()) >= MIN_WORDS
