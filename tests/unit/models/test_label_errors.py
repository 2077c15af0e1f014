"""Likely mislabelled listings."""

from __future__ import annotations

import numpy as np
import pandas as pd

from market.models.label_errors import find_label_errors


def test_a_wrong_label_is_found() -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(60) % 3
    probabilities = rng.dirichlet(np.ones(3), 60) * 0.1 + 0.9 * np.eye(3)[truth]
    codes = truth.copy()
    codes[7] = (truth[7] + 1) % 3
    products = pd.DataFrame({"product_id": [f"p{i}" for i in range(60)], "split": "train"})
    errors = find_label_errors(products, probabilities, codes, ["a", "b", "c"])
    assert errors["product_id"].tolist() == ["p7"]
    assert errors.iloc[0]["suggested"] == "abc"[truth[7]]
    assert errors.iloc[0]["category"] == "abc"[codes[7]]
    assert errors.iloc[0]["p_suggested"] > 0.9 > errors.iloc[0]["p_category"]


def test_without_products_there_are_no_errors() -> None:
    products = pd.DataFrame({"product_id": [], "split": []})
    errors = find_label_errors(products, np.empty((0, 2)), np.empty(0, int), ["a", "b"])
    assert errors.empty and list(errors) == [
        "product_id", "split", "category", "p_category", "suggested", "p_suggested",
    ]  # fmt: skip


def test_products_without_a_prediction_are_left_out() -> None:
    codes = np.arange(60) % 3
    probabilities = np.where(np.eye(3)[codes], 0.9, 0.05)
    codes[[7, 9]] = (codes[[7, 9]] + 1) % 3
    probabilities[9] = np.nan
    products = pd.DataFrame({"product_id": [f"p{i}" for i in range(60)], "split": "train"})
    errors = find_label_errors(products, probabilities, codes, ["a", "b", "c"])
    assert errors["product_id"].tolist() == ["p7"]
