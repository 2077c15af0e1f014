"""Random draws that every part of the synthetic marketplace makes."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Rng = np.random.Generator
T = TypeVar("T")


def draw_flags(rng: Rng, count: int, share: float) -> np.ndarray:
    """Return `count` booleans in random order, at least one and about `share` of them true."""
    return rng.permutation(count) < max(1, round(count * share))


def trap_count(products: int) -> int:
    """Return how often a rare trap occurs: 2 in the smallest samples, 5 from 300 products on."""
    return min(5, 2 + products // 100)


def pick(rng: Rng, options: Sequence[T]) -> T:
    """Return one of the options, each with the same probability."""
    return options[int(rng.integers(len(options)))]


def draw_id(rng: Rng) -> str:
    """Return a random UUID."""
    return str(uuid.UUID(bytes=rng.bytes(16), version=4))
