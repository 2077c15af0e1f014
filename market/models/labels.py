"""Finer labels to train on: a category is many things, and a linear layer wants one at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Labels:
    """What a classifier learns: `names` of its labels and the category that each belongs to."""

    names: list[str]  # "Home & Garden / Garden & Patio"; a category's own name for the rest of it
    parents: np.ndarray  # (len(names),) int64, positions among the categories
    codes: np.ndarray  # (rows,) int64, the label of each row given


def finer_labels(levels: pd.Series, categories: list[str], *, depth: int, min_rows: int) -> Labels:
    """Label rows with the first `depth` levels of their category; `depth` 1 is the category itself.

    `levels` holds a list of levels for each train row. A label of fewer than `min_rows` rows cannot
    be learned: its rows keep the label one level up, in the end the category.
    """
    paths = levels.map(lambda row: tuple(row[:depth]))
    for length in range(depth, 1, -1):
        counts = paths.map(paths.value_counts())
        rare = (paths.map(len) == length) & (counts < min_rows)
        paths = paths.where(~rare, paths.map(lambda path, cut=length - 1: path[:cut]))
    # Every category has a label of its own or below it, also one that no train row is of.
    found = set(paths)
    found |= {(name,) for name in set(categories) - {path[0] for path in found}}
    known = sorted(found)
    position = {path: code for code, path in enumerate(known)}
    return Labels(
        names=[" / ".join(path) for path in known],
        parents=np.array([categories.index(path[0]) for path in known], dtype=np.int64),
        codes=paths.map(position).to_numpy(np.int64, copy=True),  # torch wants to own it
    )


def sum_by_category(probabilities: np.ndarray, parents: np.ndarray, categories: int) -> np.ndarray:
    """Return (n, categories) from the (n, labels) probabilities of finer labels."""
    return probabilities @ np.eye(categories, dtype=probabilities.dtype)[parents]
