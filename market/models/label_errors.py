"""Likely mislabelled listings, found by confident learning."""

from __future__ import annotations

import numpy as np
import pandas as pd

from market.core.extras import needs_extra


def find_label_errors(
    products: pd.DataFrame, probabilities: np.ndarray, codes: np.ndarray, classes: list[str]
) -> pd.DataFrame:
    """Return the products whose category is likely wrong (Northcutt et al. 2021).

    Parameters
    ----------
    products
        With the columns product_id and split, n rows.
    probabilities
        (n, classes), each row by a model that was not fitted on the product. Rows of NaN, without
        a prediction, are left out.
    codes
        (n,) positions in `classes` of the categories that the sellers chose.
    classes
        The names of the categories.

    Returns
    -------
    pd.DataFrame
        product_id, split, category, p_category, suggested, p_suggested: the chosen category and the
        most probable one, each with its probability. The least probable choices come first.

    Examples
    --------
    >>> codes = np.arange(60) % 3
    >>> probabilities = np.where(np.eye(3)[codes], 0.9, 0.05)
    >>> codes[7] = 2  # a lamp, listed as a sofa
    >>> products = pd.DataFrame({"product_id": [f"p{i}" for i in range(60)], "split": "train"})
    >>> errors = find_label_errors(products, probabilities, codes, ["bike", "lamp", "sofa"])
    >>> errors[["product_id", "category", "suggested"]].to_dict("records")
    [{'product_id': 'p7', 'category': 'sofa', 'suggested': 'lamp'}]
    """
    predicted = ~np.isnan(probabilities).any(1)
    products, probabilities = products[predicted], probabilities[predicted]
    codes = codes[predicted]
    with needs_extra("train"):
        from cleanlab.filter import find_label_issues
    rows = np.empty(0, int)
    if len(codes):
        rows = find_label_issues(
            codes,
            probabilities,
            return_indices_ranked_by="self_confidence",
            filter_by="both",
            n_jobs=1,
        )
    suggested = probabilities[rows].argmax(1)
    names = np.array(classes)
    return pd.DataFrame(
        {
            "product_id": products["product_id"].to_numpy()[rows],
            "split": products["split"].to_numpy()[rows],
            "category": names[codes[rows]],
            "p_category": probabilities[rows, codes[rows]].round(4),
            "suggested": names[suggested],
            "p_suggested": probabilities[rows, suggested].round(4),
        }
    )
