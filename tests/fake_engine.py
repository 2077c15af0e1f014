"""A stand-in for the engine, over the sample's listings: words must occur, price decides."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from shared.engine import Answer, Filters, Hit
from shared.listings import clean_products
from shared.raw import read_images, read_table


class FakeEngine:
    def __init__(self, raw: Path) -> None:
        self.products = clean_products(
            read_table(raw / "Products.csv"), placeholder_above=100_000
        ).set_index("product_id")
        images, _ = read_images(raw, pd.Series(self.products.index))
        self.paths = images["path"].tolist()
        self.numbers = images.groupby("product_id").indices

    def _answer(
        self,
        ids: list[str],
        history: pd.DataFrame | None,
        filters: Filters,
        limit: int,
        offset: int,
    ) -> Answer:
        table = self.products.loc[ids]
        if filters.near and filters.near not in self.places():
            return Answer([], 0, None, filters.near)
        kept = ~table["price_is_placeholder"] | filters.flagged
        if filters.price_min is not None:
            kept &= table["price"] >= filters.price_min
        if filters.price_max is not None:
            kept &= table["price"] <= filters.price_max
        if filters.category:
            wanted = filters.category.split(" / ")
            kept &= table["category_levels"].map(lambda levels: levels[: len(wanted)] == wanted)
        if filters.near:
            kept &= table["location"] == filters.near
        table = table[kept]
        liked = [] if history is None else self.products.loc[history["product_id"]]["category"]
        taste = table["category"].isin(liked) * 0.5
        score = taste.sort_values(ascending=False, kind="stable")
        hits = [
            Hit(
                str(name),
                1 + value,
                {"words": 1.0, "category": value},
                0.0 if filters.near else None,
            )
            for name, value in score.items()
        ]
        return Answer(hits[offset : offset + limit], len(hits))

    def search(
        self, text: str = "", *, photo: Image.Image | None = None, like: str | None = None,
        history: pd.DataFrame | None = None, filters: Filters = Filters(),  # noqa: B008
        limit: int = 20, offset: int = 0,
    ) -> Answer:  # fmt: skip
        names = self.products["name"].str.lower()
        mended = text.lower().replace("gutar", "guitar")
        ids = [i for i, name in names.items() if all(w in name for w in mended.split())]
        answer = self._answer(ids, history, filters, limit, offset)
        understood = mended if mended != text.lower() else None
        return Answer(answer.hits, answer.total, understood, answer.unplaced)

    def similar(
        self, product_id: str, *, history: pd.DataFrame | None = None,
        filters: Filters = Filters(),  # noqa: B008
        limit: int = 12, offset: int = 0,
    ) -> Answer:  # fmt: skip
        category = self.products.loc[product_id, "category"]
        same = self.products["category"].eq(category) & (self.products.index != product_id)
        return self._answer(list(self.products.index[same]), history, filters, limit, offset)

    def recommend(
        self, history: pd.DataFrame | None, *, filters: Filters = Filters(),  # noqa: B008
        limit: int = 20, offset: int = 0,
    ) -> Answer:  # fmt: skip
        seen = [] if history is None else list(history["product_id"])
        ids = [name for name in self.products.index if name not in seen]
        return self._answer(ids, history, filters, limit, offset)

    def listing(self, product_id: str) -> dict[str, Any]:
        row = self.products.loc[product_id]
        return {
            "product_id": product_id,
            "name": row["name"],
            "description": row["description"],
            "location": row["location"],
            "category": row["category_levels"],
            "price": row["price"],
            "price_flag": "placeholder" if row["price_is_placeholder"] else "",
            "price_expected": 42.0,
            "photos": [int(i) for i in self.numbers.get(product_id, [])],
            "created": None,
        }

    def categories(self) -> list[tuple[str, int]]:
        return sorted(self.products["category"].value_counts().items())

    def places(self) -> list[str]:
        return sorted(set(self.products["location"]))

    def photo(self, number: int) -> bytes:
        out = io.BytesIO()
        path = self.paths[number]
        try:
            picture = Image.open(path).convert("RGB").resize((224, 224))
        except (OSError, SyntaxError, Image.DecompressionBombError):
            picture = Image.new("RGB", (224, 224))
        picture.save(out, "JPEG")
        return out.getvalue()
