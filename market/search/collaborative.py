"""What the crowd's interactions say about a product, for a person with a given history.

Four measures of a product against the history:
- `together`: it goes with all of it. Weights of products on products, in closed form (EASE: Steck
  2019).
- `together.lately`: it goes with the last few. The same, learned from products that were met close
  to each other.
- `together.broadly`: it suits the taste. Factors of people and products (implicit ALS: Hu et al.
  2008), for where too little is known of pairs of products.
- `next`: how often it followed the last few.
Beside them, for everybody, `popular`, and `trending` over times of four lengths: events before the
moment that is asked about, never after it. A history is read as visits: events in a row with one
product are one visit, as strong as the strongest of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from implicit.als import AlternatingLeastSquares
from scipy import linalg, sparse
from threadpoolctl import threadpool_limits

# How much an event says about interest; any other name counts as a view.
EVENT_WEIGHTS = {"view": 1.0, "save": 2.0, "message": 3.0, "buy": 4.0}
COLLABORATIVE = [
    "co_occurrence", "co_occurrence.recent", "co_occurrence.factors", "next_item",
    "popularity", "trending", "trending.hours", "trending.day", "trending.month",
]  # fmt: skip
EVERYBODYS = COLLABORATIVE[4:]  # the same for all users

HEAD = 6000  # products whose weights are exact: a few matrices of 144 MB and half a minute. Those
# of rarer ones are the first order of the same series: plain co-occurrence, damped and shrunk
NEIGHBOURS = 200  # weights kept for a product: more changed nothing measurable (docs/decisions.md)
FACTORS = 32
REGULARIZATION = 0.01
CONFIDENCE = 5.0  # of a visit in `together.broadly`, beside 1 of not having met a product
LONGEST = 500  # latest visits of a person that count in `together`: its cost is their square
HOUR = np.timedelta64(1, "h")


@dataclass
class CollaborativeModel:
    """Fitted by `fit`; answers with `signals` of every product for a person's history."""

    products: np.ndarray  # (n,) str, sorted
    together: sparse.csr_array  # (n, n) float32, from a product of the history to another
    lately: sparse.csr_array  # (n, n) float32
    factors: np.ndarray  # (n, FACTORS) float32
    following: sparse.csr_array  # (n, n) float32
    popular: np.ndarray  # (n,), 0 … 1, from how many people met a product
    hourly: sparse.csr_array  # (hours, n) float32, events of each hour
    first_hour: np.datetime64  # of `hourly`

    # Visits after which a product of the history counts half.
    MEMORY = 300.0
    LATELY = 3.0
    NEXT = 2.0
    NEARBY = 10.0  # the same for how far apart two products may be to count, in `together.lately`
    # Days after which an event counts half for `trending`, `.hours`, `.day` and `.month`: how fast
    # fashions change differs between logs, so the ranker learns which of them to follow.
    TREND_DAYS = (7.0, 0.25, 1.0, 30.0)

    @classmethod
    def fit(
        cls,
        log: pd.DataFrame,
        *,
        penalty: float = 5.0,
        damping: float = 0.25,
        shrinkage: float = 3.0,
    ) -> CollaborativeModel:
        """Fit on a log of user_id, product_id, event and timestamp (datetime64), in any order.

        `penalty` is the ridge's, in multiples of the mean product's weight; `damping` the exponent
        of a product's frequency that it is divided by, as what everybody meets says little;
        `shrinkage` is how many visits, in multiples of the mean product's, `next` adds to each
        product's own before it takes shares of them. Raises ValueError for an empty log.
        """
        if log.empty:
            raise ValueError("no interaction to learn from")
        log = log.sort_values("timestamp", kind="stable", ignore_index=True)
        users, _ = pd.factorize(log["user_id"])
        codes, products = pd.factorize(log["product_id"].astype(str), sort=True)
        size = len(products)
        hours = log["timestamp"].to_numpy().astype("datetime64[h]")
        hour = (hours - hours[0]) // HOUR
        hourly = _sum(np.ones(len(log)), hour, codes, (hour[-1] + 1, size))

        order = np.argsort(users, kind="stable")
        users, codes, weights = _merge_repeats(
            users[order], codes[order], event_weights(log["event"])[order]
        )
        visits = np.bincount(codes, minlength=size)
        late = _from_end(users) < LONGEST
        seen = _sum(weights[late], users[late], codes[late], (users.max() + 1, size))
        people = np.bincount(seen.indices, minlength=size)
        seen.data = np.sqrt(seen.data)  # a second visit says less than the first
        before = _pairs(users, codes, size, cls.NEARBY)
        nearby = before + before.T + sparse.diags_array(visits.astype(np.float32))
        share = sparse.diags_array(1 / (visits + shrinkage * visits.mean()))
        following = share @ _pairs(users, codes, size, cls.NEXT)
        return cls(
            products=np.asarray(products, dtype=str),
            together=_ease(seen.T @ seen, penalty, damping),
            lately=_ease(nearby, penalty, damping),
            factors=_factorise(seen),
            following=_strongest(following),
            popular=_of_largest(np.log1p(people)),
            hourly=hourly,
            first_hour=hours[0],
        )

    @property
    def end(self) -> pd.Timestamp:
        """The end of the last hour with an event: until then the model knows what happened."""
        return pd.Timestamp(self.first_hour + self.hourly.shape[0] * HOUR)

    def signals(self, history: pd.DataFrame, as_of: pd.Timestamp | None = None) -> pd.DataFrame:
        """Return COLLABORATIVE for all products of the log, 0 … 1.

        `history` has product_id and event, in order of time; products that the log does not know
        say nothing, and an empty one leaves all but `popular` and `trending` at 0. Those of the
        history's products are the values they would have as new ones. `trending` is computed from
        events in the hours before `as_of`, by default, and at most, `end`.

        A signal of a person is the logarithm of a product's place among the unseen ones: the first
        has 1, the last 0, as has one without any relation to the history.
        """
        values = np.zeros((len(self.products), len(COLLABORATIVE)))
        values[:, 4] = self.popular
        values[:, 5:] = self._trending(as_of)
        codes = self.index.get_indexer(history["product_id"])
        known = codes >= 0
        if known.any():
            weights = event_weights(history["event"])[known]
            _, codes, weights = _merge_repeats(np.zeros(known.sum(), int), codes[known], weights)
            unseen = np.ones(len(values), bool)
            unseen[codes] = False
            back = np.arange(len(codes))[::-1]

            def fading(half: float) -> tuple[np.ndarray, np.ndarray]:
                """The late products of the history and their weights."""
                late = back < 10 * half  # what is older weighs less than a thousandth
                return codes[late], np.sqrt(weights[late]) * 0.5 ** (back[late] / half)

            scores = [
                _follow(self.together, *fading(self.MEMORY)),
                _follow(self.lately, *fading(self.LATELY)),
                self.factors @ self._taste(*fading(self.MEMORY)),
                _follow(self.following, *fading(self.NEXT)),
            ]
            values[:, :4] = np.column_stack([_standing(of, unseen) for of in scores])
        return pd.DataFrame(values, self.index, COLLABORATIVE)

    @cached_property
    def index(self) -> pd.Index:
        """`products` as the index of `signals`."""
        return pd.Index(self.products, dtype="str", name="product_id")

    @cached_property
    def _products_squared(self) -> np.ndarray:
        """(FACTORS, FACTORS): what all products that were not met ask of a taste."""
        own = self.factors.astype(float)
        return own.T @ own + REGULARIZATION * np.eye(own.shape[1])

    def _taste(self, codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """The factors (FACTORS,) of a person who met these products: a step of ALS."""
        met, confidence = self.factors[codes].astype(float), CONFIDENCE * weights
        asked = self._products_squared + met.T @ ((confidence - 1)[:, None] * met)
        return np.linalg.solve(asked, confidence @ met)

    def seen_before(self, as_of: pd.Timestamp, products: Sequence[str]) -> np.ndarray:
        """Return (k,) bool: which of the products had an event in the hours before `as_of`."""
        hour = (as_of.to_datetime64().astype("datetime64[h]") - self.first_hour) // HOUR
        codes = self.index.get_indexer(products)
        return (codes >= 0) & (self._first_hours[codes] < hour)

    @cached_property
    def _first_hours(self) -> np.ndarray:
        """(n,) the row of `hourly` with a product's first event."""
        by_product = sparse.csc_array(self.hourly)
        return np.minimum.reduceat(by_product.indices, by_product.indptr[:-1])

    def _trending(self, as_of: pd.Timestamp | None) -> np.ndarray:
        """Fading counts (n, len(TREND_DAYS)) of the events before `as_of`, 0 … 1."""
        hours = self.hourly.shape[0]
        if as_of is not None:
            now = as_of.to_datetime64().astype("datetime64[h]")
            hours = int(np.clip((now - self.first_hour) // HOUR, 0, hours))
        remembered = self._remembered_trend.get(hours)
        if remembered is not None:
            return remembered
        columns = []
        for days in self.TREND_DAYS:
            first = max(0, hours - int(24 * 7 * days))  # what is older weighs less than a hundredth
            fade = 0.5 ** ((hours - np.arange(first, hours)) / (24 * days))
            columns.append(_of_largest(np.log1p(fade @ self.hourly[first:hours])))
        counts = np.column_stack(columns)
        self._remembered_trend.clear()
        self._remembered_trend[hours] = counts
        return counts

    @cached_property
    def _remembered_trend(self) -> dict[int, np.ndarray]:
        """What `_trending` computed last, by its hour: a service asks about one only."""
        return {}

    def save(self, folder: Path) -> None:
        """Write the model into `folder`, which exists; equal models are equal bytes."""
        arrays = {}
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if sparse.issparse(value):
                for part in ("data", "indices", "indptr", "shape"):
                    arrays[f"{name}.{part}"] = np.asarray(getattr(value, part))
            else:
                arrays[name] = np.asarray(value)
        with (folder / "collaborative.npz").open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, folder: Path) -> CollaborativeModel:
        """The model that `save` wrote."""
        with np.load(folder / "collaborative.npz", allow_pickle=False) as file:
            fields = {}
            for name in cls.__dataclass_fields__:
                if name in file:
                    fields[name] = file[name]
                else:
                    data, indices, indptr, shape = (
                        file[f"{name}.{part}"] for part in ("data", "indices", "indptr", "shape")
                    )
                    fields[name] = sparse.csr_array((data, indices, indptr), shape=tuple(shape))
        return cls(**fields | {"first_hour": fields["first_hour"][()]})


def as_new_user(signals: pd.DataFrame) -> pd.DataFrame:
    """The signals of a user without a known history: only EVERYBODYS, under names of their own.

    What is popular is all that is known for a new user, and the ranker weighs it by what new users
    chose; for the others it hardly adds to their own signals.
    """
    return signals[EVERYBODYS].add_suffix(".new_user")


def event_weights(events: pd.Series) -> np.ndarray:
    """EVENT_WEIGHTS of each event; 1 for a name that is not there."""
    return np.fromiter((EVENT_WEIGHTS.get(event, 1.0) for event in events), float, len(events))


def _merge_repeats(
    users: np.ndarray, codes: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Visits: one for events in a row by one user with one product, of the largest weight."""
    if not len(codes):
        return users, codes, weights
    starts = np.flatnonzero(np.r_[True, (users[1:] != users[:-1]) | (codes[1:] != codes[:-1])])
    return users[starts], codes[starts], np.maximum.reduceat(weights, starts)


def _from_end(users: np.ndarray) -> np.ndarray:
    """How many visits of the same user come after each; `users` are grouped."""
    ends = np.flatnonzero(np.r_[users[1:] != users[:-1], True])
    return np.repeat(ends, np.diff(np.r_[-1, ends])) - np.arange(len(users))


def _sum(
    values: np.ndarray, rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]
) -> sparse.csr_array:
    """A float32 matrix of the sums of `values` at each (row, column)."""
    return sparse.csr_array(
        sparse.coo_array((values.astype(np.float32), (rows, columns)), shape=shape)
    )


def _pairs(users: np.ndarray, codes: np.ndarray, size: int, half: float) -> sparse.csr_array:
    """How often a product (row) came before another (column) in a user's visits, fading.

    A pair counts half for each `half` visits that it is apart.
    """
    total = sparse.csr_array((size, size), dtype=np.float32)
    for step in range(1, int(4 * half) + 1):
        later = np.flatnonzero(users[step:] == users[:-step]) + step
        fade = np.full(len(later), 0.5 ** (step / half))
        total = total + _sum(fade, codes[later - step], codes[later], (size, size))
    return total


def _follow(matrix: sparse.csr_array, codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return weights @ matrix[codes]


def _factorise(seen: sparse.csr_array) -> np.ndarray:
    """The products' factors (n, FACTORS) from `seen` (people, n), the weight of visits."""
    # One thread, one result. The constructor already warns where BLAS would use more.
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            factors=FACTORS,
            regularization=REGULARIZATION,
            alpha=CONFIDENCE,
            random_state=0,
            num_threads=1,
        )
        model.fit(sparse.csr_matrix(seen), show_progress=False)
    return np.asarray(model.item_factors)


def _ease(gram: sparse.csr_array, penalty: float, damping: float) -> sparse.csr_array:
    """The strongest weights (n, n) by which a product (column) is told from others (rows).

    `gram` (n, n) counts how often two products were met together. The weights are exact between the
    HEAD most frequent products. A pair with a rarer one has the first term of the series that the
    inverse is: plain co-occurrence, damped and shrunk.
    """
    size = gram.shape[0]
    damp = sparse.diags_array((gram.diagonal() + 1) ** -damping)
    gram = sparse.csr_array(damp @ gram @ damp)
    own = gram.diagonal()
    ridge = penalty * own.mean()
    head = np.sort(np.argsort(-own, kind="stable")[:HEAD])
    block = gram[head][:, head].toarray().astype(np.float32)
    block[np.diag_indices_from(block)] += ridge
    with threadpool_limits(1, "blas"):  # one thread, one result
        inverse = linalg.inv(block, assume_a="pos", overwrite_a=True, check_finite=False)
    exact = inverse / -np.diag(inverse)
    np.fill_diagonal(exact, 0)  # a product does not vouch for itself
    if len(head) > NEIGHBOURS:
        for row in exact:
            row[np.abs(row) < np.partition(np.abs(row), -NEIGHBOURS)[-NEIGHBOURS]] = 0
    rows, columns = np.nonzero(exact)
    weights = _sum(exact[rows, columns], head[rows], head[columns], (size, size))

    if size > HEAD:
        common = np.zeros(size, bool)
        common[head] = True
        pairs = sparse.coo_array(sparse.diags_array(1 / (own + ridge)) @ gram)
        left = (pairs.row != pairs.col) & ~(common[pairs.row] & common[pairs.col])
        weights += _sum(pairs.data[left], pairs.row[left], pairs.col[left], (size, size))
    return (damp @ _strongest(weights)).astype(np.float32)


def _strongest(matrix: sparse.csr_array) -> sparse.csr_array:
    """The matrix with the NEIGHBOURS largest entries of each row."""
    matrix = sparse.csr_array(matrix, dtype=np.float32)
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    by_size = np.lexsort((-np.abs(matrix.data), rows))
    place = np.arange(matrix.nnz) - matrix.indptr[rows]
    kept = np.sort(by_size[place < NEIGHBOURS])
    return _sum(matrix.data[kept], rows[kept], matrix.indices[kept], matrix.shape)


def _of_largest(values: np.ndarray) -> np.ndarray:
    """`values`, none below 0, divided by their largest."""
    return values / (values.max() or 1.0)


def _standing(scores: np.ndarray, unseen: np.ndarray) -> np.ndarray:
    """1 for the best score, 0 for the last and for none above 0, logarithmic by place.

    The places are those among the `unseen`; what was seen gets that of the next lower one.
    """
    above = np.flatnonzero(scores > 0)
    best_first = np.sort(-scores[above[unseen[above]]])
    standing = np.zeros(len(scores))
    places = np.searchsorted(best_first, -scores[above], side="left")
    standing[above] = 1 - np.log1p(places) / np.log1p(len(scores))
    return standing
