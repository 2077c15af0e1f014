"""Relations between products from users' visits: EASE, implicit ALS and counts of pairs.

A visit is a run of a user's consecutive events with one product. One thread computes each matrix,
so that equal visits give equal bytes.
"""

from __future__ import annotations

import numpy as np
from scipy import linalg, sparse
from threadpoolctl import threadpool_limits

from market.core.extras import needs_extra

# Products whose EASE weights are exact: a few matrices of 144 MB, and half a minute.
EXACT_PRODUCTS = 6000
NEIGHBOURS = 200  # weights kept for a product: more changed nothing measurable (docs/decisions.md)
FACTORS = 32
REGULARIZATION = 0.01
CONFIDENCE = 5.0  # of a visit, where that of no visit is 1


def sum_at(
    values: np.ndarray, rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]
) -> sparse.csr_array:
    """Return a float32 matrix of the sums of `values` at each (row, column)."""
    return sparse.csr_array(
        sparse.coo_array((values.astype(np.float32), (rows, columns)), shape=shape)
    )


def count_pairs(
    users: np.ndarray, products: np.ndarray, n_products: int, half_distance: float
) -> sparse.csr_array:
    """Count how often a product came before another among a user's visits.

    Parameters
    ----------
    users, products
        (visits,), codes; grouped by user, and in order of time within each.
    n_products
        The number of products.
    half_distance
        A pair counts half for each `half_distance` visits that lie between the two. Pairs further
        apart than four times that do not count.

    Returns
    -------
    sparse.csr_array
        (n_products, n_products), from the earlier product (row) to the later one (column).

    Examples
    --------
    A user visits 0, 1 and 2; another visits 0 and 1.

    >>> users, products = np.array([7, 7, 7, 8, 8]), np.array([0, 1, 2, 0, 1])
    >>> count_pairs(users, products, 3, half_distance=1.0).toarray()
    array([[0.  , 1.  , 0.25],
           [0.  , 0.  , 0.5 ],
           [0.  , 0.  , 0.  ]], dtype=float32)
    """
    shape = (n_products, n_products)
    total = sparse.csr_array(shape, dtype=np.float32)
    for distance in range(1, int(4 * half_distance) + 1):
        later = np.flatnonzero(users[distance:] == users[:-distance]) + distance
        counts = np.full(len(later), 0.5 ** (distance / half_distance))
        total = total + sum_at(counts, products[later - distance], products[later], shape)
    return total


def factorise(visits: sparse.csr_array) -> np.ndarray:
    """Return factors of products by implicit alternating least squares.

    Parameters
    ----------
    visits
        (users, n), the weight of each user's visits to each product.

    Returns
    -------
    np.ndarray
        (n, FACTORS) float32.

    References
    ----------
    Hu, Koren and Volinsky, "Collaborative filtering for implicit feedback datasets", 2008.
    """
    with needs_extra("train"):
        from implicit.als import AlternatingLeastSquares
    # The constructor already warns where BLAS would use more threads.
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            factors=FACTORS,
            regularization=REGULARIZATION,
            alpha=CONFIDENCE,
            random_state=0,
            num_threads=1,
        )
        model.fit(sparse.csr_matrix(visits), show_progress=False)
    return np.asarray(model.item_factors)


def factor_gram(factors: np.ndarray) -> np.ndarray:
    """Return the (FACTORS, FACTORS) regularised Gram matrix of products' factors."""
    own = factors.astype(float)
    return own.T @ own + REGULARIZATION * np.eye(own.shape[1])


def user_factors(
    factors: np.ndarray, gram: np.ndarray, products: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Return the factors of a user by one step of ALS.

    Parameters
    ----------
    factors, gram
        (n, FACTORS) of all products, and their `factor_gram`.
    products, weights
        (m,), codes of the products that the user visited, and how much each visit counts.

    Returns
    -------
    np.ndarray
        (FACTORS,).
    """
    visited, confidence = factors[products].astype(float), CONFIDENCE * weights
    normal = gram + visited.T @ ((confidence - 1)[:, None] * visited)
    return np.linalg.solve(normal, confidence @ visited)


def ease(gram: sparse.csr_array, penalty: float, damping: float) -> sparse.csr_array:
    """Return the strongest weights by which a product (column) is predicted from others (rows).

    The weights are exact between the EXACT_PRODUCTS most frequent products. A pair with a rarer
    product has the first term of the series that the inverse is: plain co-occurrence, damped and
    shrunk.

    Parameters
    ----------
    gram
        (n, n), how often two products co-occur.
    penalty
        Of the ridge, in multiples of the mean product's weight.
    damping
        The counts of a product are divided by its frequency to this power: a product that everybody
        visits says little about a user.

    Returns
    -------
    sparse.csr_array
        (n, n) float32, at most NEIGHBOURS in a row.

    References
    ----------
    Steck, "Embarrassingly shallow autoencoders for sparse data", 2019.
    """
    size = gram.shape[0]
    damp = sparse.diags_array((gram.diagonal() + 1) ** -damping)
    gram = sparse.csr_array(damp @ gram @ damp)
    own = gram.diagonal()
    ridge = penalty * own.mean()
    head = np.sort(np.argsort(-own, kind="stable")[:EXACT_PRODUCTS])
    block = gram[head][:, head].toarray().astype(np.float32)
    block[np.diag_indices_from(block)] += ridge
    with threadpool_limits(1, "blas"):
        inverse = linalg.inv(block, assume_a="pos", overwrite_a=True, check_finite=False)
    exact = inverse / -np.diag(inverse)
    np.fill_diagonal(exact, 0)  # a product must not predict itself
    if len(head) > NEIGHBOURS:
        for row in exact:
            row[np.abs(row) < np.partition(np.abs(row), -NEIGHBOURS)[-NEIGHBOURS]] = 0
    rows, columns = np.nonzero(exact)
    weights = sum_at(exact[rows, columns], head[rows], head[columns], (size, size))

    if size > EXACT_PRODUCTS:
        in_head = np.zeros(size, bool)
        in_head[head] = True
        pairs = sparse.coo_array(sparse.diags_array(1 / (own + ridge)) @ gram)
        rare = (pairs.row != pairs.col) & ~(in_head[pairs.row] & in_head[pairs.col])
        weights += sum_at(pairs.data[rare], pairs.row[rare], pairs.col[rare], (size, size))
    return (damp @ keep_strongest(weights)).astype(np.float32)


def keep_strongest(matrix: sparse.csr_array) -> sparse.csr_array:
    """Return the matrix with only the NEIGHBOURS largest entries of each row."""
    matrix = sparse.csr_array(matrix, dtype=np.float32)
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    by_size = np.lexsort((-np.abs(matrix.data), rows))
    place = np.arange(matrix.nnz) - matrix.indptr[rows]
    kept = np.sort(by_size[place < NEIGHBOURS])
    return sum_at(matrix.data[kept], rows[kept], matrix.indices[kept], matrix.shape)
