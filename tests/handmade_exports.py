"""Small handmade exports of marketplaces in several languages, for the tests of `inspect`."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from PIL import Image

TEXTS = {
    "en": (
        "Oak table in good condition, collection only",
        "Red mountain bike that was hardly used, with new tyres",
        "Leather sofa with three seats from a smoke free home",
        "Box of books for children with some signs of wear",
    ),
    "de": (
        "Eichentisch in gutem Zustand, nur Abholung",
        "Rotes Fahrrad, kaum benutzt, mit neuen Reifen",
        "Ledersofa mit drei Plätzen aus einem Nichtraucherhaushalt",
        "Kiste mit Büchern für Kinder, leichte Gebrauchsspuren",
    ),
    "fr": (
        "Table en chêne en bon état, à venir chercher sur place",
        "Vélo rouge presque neuf avec des pneus récents",
        "Canapé en cuir pour trois personnes, maison non fumeur",
        "Carton de livres pour les enfants, un peu usés",
    ),
    "es": (
        "Mesa de roble en buen estado, solo recogida en mano",
        "Bicicleta roja casi sin usar con ruedas nuevas",
        "Sofá de piel de tres plazas de un hogar sin humo",
        "Caja de libros para niños, algo usados",
    ),
    "ja": (
        "状態の良いオーク材のテーブルです。引き取り限定",
        "赤い自転車、ほとんど使っていません。タイヤは新品",
        "三人掛けの革のソファ、禁煙の家で使っていました",
        "子供向けの本のセット、少し傷みがあります",
    ),
}
PLACES = {
    "en": ("Leeds, West Yorkshire", "Bristol", "Norwich, Norfolk", "Cardiff"),
    "de": ("Köln", "München", "Leipzig", "Bremen"),
    "fr": ("Lyon", "Toulouse", "Nantes", "Lille"),
    "es": ("Sevilla", "Valencia", "Bilbao", "Zaragoza"),
    "ja": ("東京都渋谷区", "大阪府大阪市", "福岡県福岡市"),
}
CATEGORIES = ("A > B", "A > C", "D > E", "D > F > G")


def pounds(number: random.Random) -> str:
    """Return a British price."""
    return f"£{number.randint(5, 500)}.{number.randint(0, 99):02d}"


def listings(
    language: str = "en", price: Callable[[random.Random], object] = pounds, rows: int = 60
) -> pd.DataFrame:
    """Return listings with the columns of every field, and three attributes."""
    rng = random.Random(1)
    return pd.DataFrame(
        {
            "id": str(100_000 + 7 * row),
            "name": f"{rng.choice(TEXTS[language])[:24]} {row}",
            "description": " ".join(rng.sample(TEXTS[language], 3)),
            "category": rng.choice(CATEGORIES),
            "price": price(rng),
            "location": rng.choice(PLACES[language]),
            "created": f"2024-0{rng.randint(1, 9)}-{rng.randint(10, 28)}T10:00:00",
            "seller": f"user{rng.randint(1, 9)}",
            "brand": rng.choice(["Acme", "Bolt", "Crown"]),
            "width": f"{rng.randint(10, 99)} cm",
            "new": rng.choice(["yes", "no"]),
        }
        for row in range(rows)
    )


def put_photo(path: Path) -> None:
    """Write a small photo."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (16, 16), (200, 30, 30)).save(path)
