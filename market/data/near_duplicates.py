"""Near-duplicate listings: similar texts by TF-IDF cosine, similar photos by perceptual hash."""

from __future__ import annotations

from dataclasses import dataclass

import faiss
import numpy as np
import pandas as pd
from scipy.fft import dct

from market.core.extras import needs_extra
from market.core.stage import progress
from market.data.clean_listings import listing_text
from market.data.photo_store import PhotoStore
from market.data.words import WORD_PATTERN, WordVectorizer

MIN_WORDS = 8  # different words; texts with fewer of them are similar by chance
MAX_LISTINGS = 1000  # a word in more texts says little, but would cost most of the time
MAX_DUPLICATES = 100  # nearest texts kept for each text
HASH_SIDE = 16  # lowest frequencies in each direction: 256 bits
MIN_CONTRAST = 8.0  # standard deviation in grey levels; a flat photo has no frequencies to compare
QUERIES = 4096  # hashes searched at once


@dataclass(frozen=True)
class NearDuplicates:
    """Pairs of near-duplicate listings, `left` and `right`, as positions among the listings."""

    texts: pd.DataFrame  # with `similarity`, the cosine
    photos: pd.DataFrame  # with `distance`, in bits of 256

    def within(self, min_similarity: float, max_distance: int) -> NearDuplicates:
        """Return the pairs that are at least so similar in text, or at most so far in photo."""
        return NearDuplicates(
            self.texts[self.texts["similarity"] >= min_similarity],
            self.photos[self.photos["distance"] <= max_distance],
        )

    def by_kind(self) -> dict[str, pd.DataFrame]:
        """Return the pairs by the kind of key that they make: "near text" and "near photo"."""
        return {"near text": self.texts, "near photo": self.photos}


def find_near_duplicates(
    listings: pd.DataFrame,
    hashes: np.ndarray,
    usable: np.ndarray,
    *,
    min_similarity: float,
    max_distance: int,
) -> NearDuplicates:
    """Find the pairs of near-duplicates among listings.

    Parameters
    ----------
    listings : DataFrame
        A row for each photo, and one for each listing without a photo.
    hashes : ndarray of uint8, (photos, 32)
        Of the packed photos.
    usable : ndarray of bool, (photos,)
        Whether each hash can be compared.
    min_similarity : float
        TF-IDF cosine of name and description, above 0, up to 1.
    max_distance : int
        Of 256 bits.

    Returns
    -------
    NearDuplicates
        Positions count the rows of `listings.drop_duplicates("product_id")`.
    """
    position = pd.Series(pd.factorize(listings["product_id"])[0], listings.index)
    index = listings["photo_index"].dropna().astype(np.int64)
    index = index[usable[index]]
    owner = position.loc[index.index].to_numpy()
    photos = near_photos(hashes[index], max_distance)
    photos = photos.assign(left=owner[photos["left"]], right=owner[photos["right"]])
    return NearDuplicates(
        near_texts(listing_text(listings.drop_duplicates("product_id")), min_similarity),
        photos[photos["left"] != photos["right"]],
    )


def normalise_text(text: pd.Series) -> pd.Series:
    """Fold case and white space, in which two copies of a text may differ.

    Examples
    --------
    >>> normalise_text(pd.Series(["Oak  TABLE "])).tolist()
    ['oak table']
    """
    return text.str.casefold().str.split().str.join(" ")


def near_texts(texts: pd.Series, min_similarity: float) -> pd.DataFrame:
    """Find pairs of texts with at least this TF-IDF cosine.

    Parameters
    ----------
    texts : Series of str
        One text for each listing.
    min_similarity : float
        Cosine, above 0, up to 1.

    Returns
    -------
    DataFrame
        `left` < `right` (positions in `texts`) and `similarity`. Of equal texts each is paired with
        the first one only, so that the number of pairs grows with that of the texts.
    """
    with needs_extra("train"):
        from sparse_dot_topn import sp_matmul_topn
    code, unique = pd.factorize(normalise_text(texts))
    first = pd.Series(np.arange(len(texts))).groupby(code).min().to_numpy()
    vectorizer = WordVectorizer(
        token_pattern=WORD_PATTERN, sublinear_tf=True, max_df=MAX_LISTINGS, dtype=np.float32
    )
    try:
        vectors = vectorizer.fit_transform(unique)
    except ValueError:  # no word, or every word is in more than MAX_LISTINGS texts
        return _no_pairs("similarity")
    long = np.flatnonzero(np.diff(vectors.indptr) >= MIN_WORDS)
    vectors = vectors[long]
    similar = sp_matmul_topn(
        vectors, vectors.T.tocsr(), top_n=MAX_DUPLICATES, threshold=min_similarity, sort=True
    ).tocoo()
    # One text may be among the nearest of another but not the reverse: either way makes a pair.
    left, right = np.minimum(similar.row, similar.col), np.maximum(similar.row, similar.col)
    distinct = left < right
    pairs = pd.DataFrame(
        {
            "left": first[long[left[distinct]]],
            "right": first[long[right[distinct]]],
            "similarity": similar.data[distinct],
        }
    ).drop_duplicates(["left", "right"])
    return pd.concat([pairs, _copies(code, first, np.isin(code, long)).assign(similarity=1.0)])


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


def photo_hashes(arrays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute the perceptual hash of photos: the signs of their lowest frequencies.

    Known as pHash: Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions"
    (2010).

    Parameters
    ----------
    arrays : ndarray of uint8, (n, 3, side, side)

    Returns
    -------
    hashes : ndarray of uint8, (n, 32)
    usable : ndarray of bool, (n,)
        False for a photo too flat to be told from another flat one.
    """
    grey = np.tensordot(arrays, np.array([0.299, 0.587, 0.114], np.float32), (1, 0))
    side = grey.shape[-1]
    basis = dct(np.eye(side, dtype=np.float32), axis=0)[:HASH_SIDE]
    low = basis @ grey @ basis.T  # the 2-D DCT, cut to the lowest frequencies
    low = low.reshape(len(grey), low.shape[1] * low.shape[2])
    bits = np.zeros((len(grey), HASH_SIDE**2), bool)
    bits[:, : low.shape[1]] = low > np.median(low, axis=1, keepdims=True)
    return np.packbits(bits, axis=1), grey.std(axis=(1, 2)) >= MIN_CONTRAST


def near_photos(hashes: np.ndarray, max_distance: int) -> pd.DataFrame:
    """Find pairs of photo hashes that differ in at most `max_distance` bits.

    Parameters
    ----------
    hashes : ndarray of uint8, (n, 32)
    max_distance : int
        Of 256 bits.

    Returns
    -------
    DataFrame
        `left` < `right` (rows of `hashes`) and `distance`. Of equal hashes each is paired with the
        first one only.
    """
    if len(hashes) == 0:
        return _no_pairs("distance")
    unique, first, code = np.unique(hashes, axis=0, return_index=True, return_inverse=True)
    code = code.ravel()
    parts = []
    for start in range(0, len(unique), QUERIES):
        index = faiss.IndexBinaryFlat(hashes.shape[1] * 8)
        index.add(unique[start:])  # earlier hashes were queries already
        limits, distance, near = index.range_search(
            unique[start : start + QUERIES],
            max_distance + 1,  # exclusive
        )
        near = near + start
        here = np.repeat(np.arange(start, start + len(limits) - 1), np.diff(limits.astype(int)))
        ahead = here < near
        ends = np.sort(np.column_stack([first[here[ahead]], first[near[ahead]]]), axis=1)
        parts.append(
            pd.DataFrame({"left": ends[:, 0], "right": ends[:, 1], "distance": distance[ahead]})
        )
    return pd.concat([*parts, _copies(code, first, np.ones(len(code), bool)).assign(distance=0)])


def _no_pairs(measure: str) -> pd.DataFrame:
    return pd.DataFrame({"left": [], "right": [], measure: []}).astype({"left": int, "right": int})


def _copies(code: np.ndarray, first: np.ndarray, usable: np.ndarray) -> pd.DataFrame:
    """Return pairs of each usable row with the first row of its code."""
    rows = np.flatnonzero(usable & (first[code] != np.arange(len(code))))
    return pd.DataFrame({"left": first[code[rows]], "right": rows})
