"""Near-duplicate listings: texts by TF-IDF cosine, photos by a perceptual hash (pHash)."""

from __future__ import annotations

import faiss
import numpy as np
import pandas as pd
from scipy.fft import dct
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.feature_extraction.text import TfidfVectorizer
from sparse_dot_topn import sp_matmul_topn

MIN_WORDS = 8  # different words of a text that is compared: fewer agree by chance
MAX_LISTINGS = 1000  # a word of more texts says little, and would make most of the work
MAX_COPIES = 100  # nearest texts kept of each
HASH_SIDE = 16  # lowest frequencies each way: 256 bits
MIN_CONTRAST = 8.0  # grey levels, standard deviation: a flat photo has no frequencies to compare
QUERIES = 4096  # hashes searched at once


def plain(text: pd.Series) -> pd.Series:
    """Fold case and white space, in which two copies of a text may differ."""
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
        `left` < `right` (positions in `texts`) and `similarity`. Equal texts are linked to the
        first of them alone, so that many copies make no more pairs than there are copies.
    """
    code, unique = pd.factorize(plain(texts))
    first = pd.Series(np.arange(len(texts))).groupby(code).min().to_numpy()
    vectorizer = TfidfVectorizer(
        token_pattern=r"\w+", sublinear_tf=True, max_df=MAX_LISTINGS, dtype=np.float32
    )
    try:
        vectors = vectorizer.fit_transform(unique)
    except ValueError:  # no word at all, or none that is in at most MAX_LISTINGS texts
        return _no_pairs("similarity")
    long = np.flatnonzero(np.diff(vectors.indptr) >= MIN_WORDS)
    vectors = vectors[long]
    found = sp_matmul_topn(
        vectors, vectors.T.tocsr(), top_n=MAX_COPIES, threshold=min_similarity, sort=True
    ).tocoo()
    # The nearest MAX_COPIES of one may not know it among theirs: either way makes a pair.
    left, right = np.minimum(found.row, found.col), np.maximum(found.row, found.col)
    distinct = left < right
    pairs = pd.DataFrame(
        {
            "left": first[long[left[distinct]]],
            "right": first[long[right[distinct]]],
            "similarity": found.data[distinct],
        }
    ).drop_duplicates(["left", "right"])
    return pd.concat([pairs, _copies(code, first, np.isin(code, long)).assign(similarity=1.0)])


def photo_hashes(arrays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hash photos by the signs of their lowest frequencies (pHash).

    Parameters
    ----------
    arrays : ndarray of uint8, (n, 3, side, side)

    Returns
    -------
    hashes : ndarray of uint8, (n, 32)
    usable : ndarray of bool, (n,)
        False for a photo too flat to tell from another flat one.
    """
    grey = np.tensordot(arrays, np.array([0.299, 0.587, 0.114], np.float32), (1, 0))
    side = grey.shape[-1]
    basis = dct(np.eye(side, dtype=np.float32), axis=0)[:HASH_SIDE]
    low = basis @ grey @ basis.T  # the 2-D DCT, of which no more is needed
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
        `left` < `right` (rows of `hashes`) and `distance`. Equal hashes are linked to the first of
        them alone.
    """
    if len(hashes) == 0:
        return _no_pairs("distance")
    unique, first, code = np.unique(hashes, axis=0, return_index=True, return_inverse=True)
    code = code.ravel()
    parts = []
    for start in range(0, len(unique), QUERIES):
        index = faiss.IndexBinaryFlat(hashes.shape[1] * 8)
        index.add(unique[start:])  # what stands before has been a query already
        limits, distance, near = index.range_search(
            unique[start : start + QUERIES],
            max_distance + 1,  # it finds what is nearer than this
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
    """Pairs of each row with the first row of its code."""
    rows = np.flatnonzero(usable & (first[code] != np.arange(len(code))))
    return pd.DataFrame({"left": first[code[rows]], "right": rows})


def clusters(pairs: pd.DataFrame, count: int) -> np.ndarray:
    """Number the connected components of `count` rows that `pairs` (left, right) link."""
    edges = (pairs["left"].to_numpy(), pairs["right"].to_numpy())
    graph = coo_array((np.ones(len(pairs)), edges), shape=(count, count))
    return connected_components(graph, directed=False)[1]
