"""Stand-in: the contract's types only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image


@dataclass(frozen=True)
class Filters:
    price_min: float | None = None
    price_max: float | None = None
    category: str | None = None
    near: str | None = None
    radius_km: float | None = None
    flagged: bool = False


@dataclass(frozen=True)
class Hit:
    product_id: str
    score: float
    why: dict[str, float]
    distance_km: float | None = None


@dataclass(frozen=True)
class Answer:
    hits: list[Hit]
    total: int
    understood: str | None = None
    unplaced: str | None = None


class Engine:
    @classmethod
    def load(cls, folder: Path = Path("models/index")) -> Engine:
        raise NotImplementedError

    def search(
        self,
        text: str = "",
        *,
        photo: Image.Image | None = None,
        like: str | None = None,
        history: pd.DataFrame | None = None,
        filters: Filters = Filters(),
        limit: int = 20,
        offset: int = 0,
    ) -> Answer:
        raise NotImplementedError

    def similar(
        self,
        product_id: str,
        *,
        history: pd.DataFrame | None = None,
        filters: Filters = Filters(),
        limit: int = 12,
        offset: int = 0,
    ) -> Answer:
        raise NotImplementedError

    def recommend(
        self,
        history: pd.DataFrame | None,
        *,
        filters: Filters = Filters(),
        limit: int = 20,
        offset: int = 0,
    ) -> Answer:
        raise NotImplementedError

    def listing(self, product_id: str) -> dict[str, Any]:
        raise NotImplementedError

    def categories(self) -> list[tuple[str, int]]:
        raise NotImplementedError

    def places(self) -> list[str]:
        raise NotImplementedError

    def photo(self, number: int) -> bytes:
        raise NotImplementedError
