"""Neighbours: the nearest other listings by text and photos, and smoothing over them."""

from __future__ import annotations

import numpy as np
from sklearn.preprocessing import normalize

from market.search.neighbours import joint_vectors, nearest_neighbours, smooth
from market.search.vectors import VectorIndex

ANGLES = np.array([0.0, 0.1, 0.3, 1.5, 1.5])  # the last two are copies
POINTS = np.column_stack([np.cos(ANGLES), np.sin(ANGLES)]).astype(np.float32)


def test_neighbours_are_the_nearest_others() -> None:
    neighbours = nearest_neighbours(VectorIndex.build(POINTS, "Flat", 1), POINTS)
    assert neighbours.shape == (5, 4) and neighbours.dtype == np.int32
    assert neighbours[:3, 0].tolist() == [1, 0, 1] and neighbours[3:, 0].tolist() == [4, 3]
    assert all(row not in others for row, others in enumerate(neighbours)), "never itself"


def test_a_single_listing_has_no_neighbours() -> None:
    index = VectorIndex.build(POINTS[:1], "Flat", 1)
    assert nearest_neighbours(index, POINTS[:1]).shape == (1, 0)


def test_smoothing_moves_a_vector_halfway_to_its_neighbours() -> None:
    neighbours = np.array([[1], [0], [1], [4], [3]])
    middle = np.column_stack([np.cos([0.05, 0.05, 0.2]), np.sin([0.05, 0.05, 0.2])])
    np.testing.assert_allclose(smooth(POINTS, neighbours)[:3], middle, atol=1e-6)
    np.testing.assert_array_equal(smooth(POINTS, neighbours[:, :0]), POINTS)


def test_joint_vectors_compare_texts_and_photos() -> None:
    texts = normalize(np.array([[1, 0], [1, 0.1], [1, 0.1]], np.float32))
    images = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)
    joint = joint_vectors(texts, images, np.array([0, 1, 1]))
    np.testing.assert_allclose(np.linalg.norm(joint, axis=1), 1, atol=1e-6)
    assert not joint[2, 2:].any(), "a listing without photos has no image part"
    cosines = joint @ joint.T
    assert cosines[1, 2] > cosines[0, 1]
