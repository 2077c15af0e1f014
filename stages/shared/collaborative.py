"""What the crowd's interactions say about a product, for a person with a given history.

Two linear models of products on products, both in closed form: `together`, what goes with
everything in the history (EASE: Steck 2019), and `next`, what follows its last few products (the
transition part of SLIST: Choi et al. 2021). Beside them what is popular, and what is so of late.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve

# How much an event says about interest; any other name counts as a view.
EVENT_WEIGHTS = {"view": 1.0, "save": 2.0, "message": 3.0, "buy": 4.0}
COLLABORATIVE = ["together", "next", "popular", "trending"]

HEAD = 8000  # products with weights to each other: two 250 MB matrices; a rarer one has popularity
STEPS = 12  # of the past that the next product is told from


@dataclass
class CollaborativeModel:
    """Fitted by `fit`; answers with `signals` of every product for a person's history."""

    products: np.ndarray  # (n,) str, sorted
    head: np.ndarray  # (h,) int64, positions of the products that have weights, at most HEAD
    together: np.ndarray  # (h, h) float32, from a product of the history to another
    following: np.ndarray  # (h, h) float32, from a late product of the history to the next
    popular: np.ndarray  # (n,) float32, 0 … 1
    trending: np.ndarray  # (n,) float32, 0 … 1
    memory: float  # steps after which a product of the history counts half, for `together`
    decay: float  # of a step, for `next`

    @classmethod
    def fit(
        cls,
        log: pd.DataFrame,
        *,
        penalty: float = 3.0,
        memory: float = 50.0,
        decay: float = 0.6,
        trend_days: float = 7.0,
    ) -> CollaborativeModel:
        """Fit on a log of user_id, product_id, event and timestamp (datetime64), in any order.

        `penalty` is the ridge's, in multiples of the mean product's weight; `memory` and `decay`
        say how fast a history fades; `trend_days` is the half-life of an event for `trending`.
        """
        log = log.sort_values("timestamp", kind="stable")
        users, _ = pd.factorize(log["user_id"])
        codes, products = pd.factorize(log["product_id"].astype(str), sort=True)
        weights = event_weights(log["event"])
        counts = np.bincount(codes, weights, minlength=len(products))
        head = np.sort(np.argsort(-counts, kind="stable")[:HEAD])
        place = np.full(len(products), -1)
        place[head] = np.arange(len(head))

        kept = place[codes] >= 0
        rows, columns, weight = users[kept], place[codes[kept]], weights[kept]
        seen = sparse.csr_matrix((weight, (rows, columns)), shape=(users.max() + 1, len(head)))
        seen.data = np.sqrt(seen.data)  # a second visit says less than the first
        age = (log["timestamp"].max() - log["timestamp"]).dt.total_seconds().to_numpy() / 86_400
        recent = np.bincount(codes, weights * 0.5 ** (age / trend_days), minlength=len(products))
        return cls(
            products=np.asarray(products, dtype=str),
            head=head,
            together=_ease(seen, penalty),
            following=_transitions(rows, columns, len(head), penalty, decay),
            popular=_share_of_largest(np.log1p(counts)),
            trending=_share_of_largest(recent),
            memory=memory,
            decay=decay,
        )

    def signals(self, history: pd.DataFrame) -> pd.DataFrame:
        """Return COLLABORATIVE for all products of the log, 0 … 1, the person's best one at 1.

        `history` has product_id and event, in order of time; products that the log does not know
        say nothing. Without any other, `together` and `next` are 0.
        """
        table = pd.DataFrame(
            {"together": 0.0, "next": 0.0, "popular": self.popular, "trending": self.trending},
            index=pd.Index(self.products, name="product_id"),
        )
        known = pd.Index(self.products[self.head]).get_indexer(history["product_id"].astype(str))
        there = known >= 0
        known, weights = known[there], event_weights(history["event"])[there]
        if not len(known):
            return table
        steps = np.arange(len(known))[::-1]
        past = np.zeros(len(self.head))
        np.add.at(past, known, weights * 0.5 ** (steps / self.memory))
        late = np.zeros(len(self.head))
        np.add.at(late, known[-STEPS:], self.decay ** steps[-STEPS:])
        place = self.head
        table.iloc[place, 0] = _share_of_largest(np.sqrt(past) @ self.together)
        table.iloc[place, 1] = _share_of_largest(late @ self.following)
        return table

    def save(self, folder: Path) -> None:
        """Write the model into `folder`, which exists; equal models are equal bytes."""
        for name in self.__dataclass_fields__:
            np.save(folder / f"{name}.npy", np.asarray(getattr(self, name)), allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> CollaborativeModel:
        """The model that `save` wrote; its matrices stay on disk until they are used."""
        fields = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            for name in cls.__dataclass_fields__
        }
        return cls(**{name: of if of.ndim else of.item() for name, of in fields.items()})


def event_weights(events: pd.Series) -> np.ndarray:
    """EVENT_WEIGHTS of each event; 1 for a name that is not there."""
    return events.astype(str).map(EVENT_WEIGHTS).fillna(1.0).to_numpy(float)


def _share_of_largest(values: np.ndarray) -> np.ndarray:
    """Values below 0 become 0, the largest 1; all stay 0 if none is above."""
    above = np.clip(values, 0, None)
    return (above / (above.max(initial=0.0) or 1.0)).astype(np.float32)


def _ridge(gram: np.ndarray, penalty: float) -> tuple[np.ndarray, bool]:
    """Factorise `gram` with `penalty` times its mean diagonal added to its diagonal."""
    gram[np.diag_indices_from(gram)] += penalty * max(float(np.trace(gram)) / len(gram), 1e-6)
    return cho_factor(gram, overwrite_a=True)


def _ease(seen: sparse.csr_matrix, penalty: float) -> np.ndarray:
    """Weights (h, h) by which each product is told from the others of its users, diagonal 0."""
    gram = (seen.T @ seen).toarray()
    inverse = cho_solve(_ridge(gram, penalty), np.eye(len(gram)))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights.astype(np.float32)


def _transitions(
    users: np.ndarray, products: np.ndarray, size: int, penalty: float, decay: float
) -> np.ndarray:
    """Weights (size, size) by which the next product is told from the last STEPS, faded."""
    order = np.argsort(users, kind="stable")  # each user's products in order of time
    users, products = users[order], products[order]
    rows, columns, values = [], [], []
    for step in range(1, STEPS + 1):
        same = np.flatnonzero(users[step:] == users[:-step]) + step
        rows.append(same)
        columns.append(products[same - step])
        values.append(np.full(len(same), decay ** (step - 1)))
    shape = (len(products), size)
    row = np.concatenate(rows)
    past = sparse.csr_matrix((np.concatenate(values), (row, np.concatenate(columns))), shape=shape)
    now = sparse.csr_matrix((np.ones(len(products)), (np.arange(len(products)), products)), shape)
    weights = cho_solve(_ridge((past.T @ past).toarray(), penalty), (past.T @ now).toarray())
    return weights.astype(np.float32)
