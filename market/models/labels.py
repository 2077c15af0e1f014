"""Subcategories as training labels: a category holds many kinds of things, a label only one.

A linear layer separates subcategories better than whole categories. The probabilities of a
category's subcategories add up to its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

NO_CATEGORIES = "no listing has a category"  # why a stage trains no classifier


@dataclass(frozen=True)
class Labels:
    """The labels that a classifier learns, and their categories.

    Attributes
    ----------
    names
        "Home & Garden / Garden & Patio"; a category's own name labels its remaining listings.
    parents
        (len(names),) int64, the position of each label's category among the categories.
    codes
        (rows,) int64, the label of each training row.
    """

    names: list[str]
    parents: np.ndarray
    codes: np.ndarray


def category_names(products: pd.DataFrame) -> list[str]:
    """Return the names in the column category, sorted; none if no listing has a category.

    Examples
    --------
    >>> category_names(pd.DataFrame({"category": ["Home", None, "Cars", "Home"]}))
    ['Cars', 'Home']
    """
    return sorted(products["category"].dropna().unique())


def subcategory_labels(
    levels: pd.Series, categories: list[str], *, depth: int, min_rows: int
) -> Labels:
    """Label rows by the first `depth` levels of their category path.

    Parameters
    ----------
    levels
        (rows,) the category path of each training row, a list of names. Not read without
        categories.
    categories
        The names of all categories, the first levels of the paths; none if listings have none.
    depth
        Maximum number of levels; with 1 the labels are the categories.
    min_rows
        A label of fewer rows cannot be learned: its rows get the label one level up instead, at
        most up to the category.

    Returns
    -------
    Labels
        Sorted by path. Each category has at least one label, even without a training row.

    Examples
    --------
    >>> paths = pd.Series([["Home", "Garden"], ["Home", "Garden"], ["Home", "Kitchen"], ["Cars"]])
    >>> labels = subcategory_labels(paths, ["Cars", "Home"], depth=2, min_rows=2)
    >>> labels.names
    ['Cars', 'Home', 'Home / Garden']
    >>> labels.parents.tolist(), labels.codes.tolist()
    ([0, 1, 1], [2, 2, 1, 0])
    """
    if not categories:
        return Labels([], np.empty(0, np.int64), np.empty(0, np.int64))
    paths = levels.map(lambda row: tuple(row[:depth]))
    for length in range(depth, 1, -1):
        counts = paths.map(paths.value_counts())
        rare = (paths.map(len) == length) & (counts < min_rows)
        paths = paths.where(~rare, paths.map(lambda path, cut=length - 1: path[:cut]))
    used = set(paths)
    used |= {(name,) for name in set(categories) - {path[0] for path in used}}
    ordered = sorted(used)
    code_of = {path: code for code, path in enumerate(ordered)}
    return Labels(
        names=[" / ".join(path) for path in ordered],
        parents=np.array([categories.index(path[0]) for path in ordered], dtype=np.int64),
        codes=paths.map(code_of).to_numpy(np.int64, copy=True),  # torch needs a writable array
    )


def sum_by_category(probabilities: np.ndarray, parents: np.ndarray, categories: int) -> np.ndarray:
    """Add up the probabilities of the labels of each category.

    Parameters
    ----------
    probabilities
        (n, labels).
    parents
        (labels,) the category of each label, below `categories`.
    categories
        Number of categories.

    Returns
    -------
    np.ndarray
        (n, categories), of the type of `probabilities`.

    Examples
    --------
    >>> by_label = np.array([[0.5, 0.25, 0.25]])
    >>> sum_by_category(by_label, parents=np.array([0, 1, 1]), categories=2)
    array([[0.5, 0.5]])
    """
    return probabilities @ np.eye(categories, dtype=probabilities.dtype)[parents]
