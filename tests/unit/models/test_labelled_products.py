"""The products with the probabilities of both networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from market.models.category_classifier import ENCODER, PHOTO
from market.models.labelled_products import LabelledProducts
from market.models.text_encoder import EMBEDDING, TEXT_WIDTH, with_embedding


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> LabelledProducts:
    """Three products: "a" has two photos, "b" none, "c" is for test."""
    folder = tmp_path_factory.mktemp("labelled_products")
    listings = pd.DataFrame({"product_id": ["a", "a", "b", "c"]})
    listings["category"] = ["lamps", "lamps", "bikes", "bikes"]
    listings["split"] = ["val", "val", "train", "test"]
    listings["category_levels"] = listings["category"].map(lambda name: [name])
    listings = listings.assign(name="name", description="text", group=0, has_near_duplicate=False)
    ids = pd.DataFrame({"product_id": ["c", "b", "a"]})
    vectors = with_embedding(ids, np.arange(3)[:, None] * np.ones(TEXT_WIDTH))
    encoder = pd.DataFrame({"product_id": ["a", "c"], "bikes": [0.1, 0.9], "lamps": [0.9, 0.1]})
    photos = pd.DataFrame(
        {"product_id": ["a", "a", "c"], "bikes": [0.2, 0.4, 0.7], "lamps": [0.8, 0.6, 0.3]}
    )
    paths: list[Path] = []
    for position, table in enumerate((listings, vectors, encoder, photos)):
        paths.append(folder / f"{position}.parquet")
        table.to_parquet(paths[-1], index=False)
    return LabelledProducts.load(*paths)


def test_each_product_has_one_row_with_its_own_vector(data: LabelledProducts) -> None:
    assert data.products["product_id"].tolist() == ["a", "b", "c"]
    assert data.products[EMBEDDING[0]].tolist() == [2, 1, 0]
    assert data.classes == ["bikes", "lamps"] and data.codes.tolist() == [1, 0, 0]
    assert data.is_test.tolist() == [False, False, True]


def test_the_photos_of_a_product_are_averaged(data: LabelledProducts) -> None:
    np.testing.assert_allclose(data.networks[PHOTO][[0, 2]], [[0.3, 0.7], [0.7, 0.3]])


def test_a_product_that_a_network_did_not_predict_is_nan(data: LabelledProducts) -> None:
    assert np.isnan(data.networks[PHOTO][1]).all() and np.isnan(data.networks[ENCODER][1]).all()
    assert data.networks[ENCODER][0].tolist() == [0.1, 0.9]
