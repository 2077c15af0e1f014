"""Suggestions: from what exists and what many people searched, never from one person's words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from handmade import Handmade

from market.data.language import Language
from market.search.engine import Engine
from market.search.suggesting import suggest
from market.search.suggestions import SuggestionSource, phrases, read_searched


def texts(engine: Engine, text: str, kind: str | None = None, limit: int = 8) -> list[str]:
    found = suggest(engine, text, limit)
    return [each.text for each in found if kind in (None, each.kind)]


def with_names(handmade: Handmade, names: dict[int, str]) -> Engine:
    """Return the handmade engine with other names for some listings."""
    changed = Handmade()
    for number, name in names.items():
        changed.listings.loc[number, "name"] = name
    return changed.engine()


def test_queries_categories_and_listings_are_one_list(shop: Engine) -> None:
    found = suggest(shop, "gui", 8)
    kinds = [each.kind for each in found]
    assert kinds == sorted(kinds, key=["query", "category", "listing"].index)
    assert found[0].text == "guitar" and len(found) <= 8
    category = next(each for each in found if each.kind == "category")
    assert category.category == ("Music", "Instruments", "Guitars")
    listing = next(each for each in found if each.kind == "listing")
    assert listing.product_id is not None and "guitar" in listing.text


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_no_more_than_the_limit(shop: Engine, limit: int) -> None:
    assert 1 <= len(suggest(shop, "s", limit)) <= limit


@pytest.mark.parametrize("typed", ["giu", "giut", "guitr", "bagpioe", "biccyle"])
def test_typing_errors_are_corrected(shop: Engine, typed: str) -> None:
    kind = {"g": "guitar", "b": "bagpipe"}[typed[0]] if typed != "biccyle" else "bicycle"
    if typed == "giu":  # too short to be an error
        assert not texts(shop, typed)
    else:
        assert kind in texts(shop, typed, "query")


@pytest.mark.parametrize("text", ["", " ", "the", "🔥", "zzzz", "%"])
def test_nothing_to_suggest(shop: Engine, text: str) -> None:
    assert suggest(shop, text, 8) == []


def test_a_phrase_needs_two_products(handmade: Handmade) -> None:
    unique = with_names(handmade, {3: "granny's secret guitar"})
    assert "granny" not in " ".join(texts(unique, "gran", "query"))
    copies = with_names(handmade, {0: "granny guitar", 1: "granny guitar"})  # one product
    assert not texts(copies, "gran", "query")
    twice = with_names(handmade, {3: "granny guitar", 4: "granny guitar"})
    assert texts(twice, "gran", "query")[0] == "granny"


@pytest.mark.parametrize(
    "private", ["07700 900123", "anna@example.org", "www.example.org", "ring 0770 0900 123"]
)
def test_nothing_private_is_a_phrase(private: str) -> None:
    found = phrases(f"lamp {private} table", Language("en"))
    assert {"lamp", "table"} <= found
    assert not any(sum(map(str.isdigit, phrase)) > 4 or "@" in phrase for phrase in found)


def test_phrases_neither_begin_nor_end_with_stop_words_and_numbers() -> None:
    found = phrases("Iphone 11 and the case", Language("en"))
    assert {"iphone", "case"} <= found and "iphone 11" not in found and "and the" not in found
    assert "革の椅子" in phrases("革の椅子", Language("ja"))


def test_only_searches_of_several_people_are_suggested(shop: Engine, tmp_path: Path) -> None:
    path = tmp_path / "frequent.parquet"
    assert read_searched(path) is None
    rows = [("red guitar for anna", 1), ("red guitar", 9), ("lamp 07700900123", 9), ("sofa", 4)]
    pd.DataFrame(rows, columns=["query", "people"]).to_parquet(path)
    source = SuggestionSource(shop.catalogue, shop.lexical.language, read_searched(path))
    engine = replace(shop, suggestion_source=source)
    assert texts(engine, "red g", "query")[0] == "red guitar"
    assert "red guitar for anna" not in texts(engine, "red guitar f")
    assert not any("07700900123" in text for text in texts(engine, "lamp 0"))


def test_suggestions_lead_to_listings_that_may_be_shown(handmade: Handmade) -> None:
    sold = Handmade()
    sold.listings["status"] = "active"
    sold.listings.loc[sold.listings["name"].str.contains("guitar"), "status"] = "sold"
    engine = sold.engine()
    assert "guitar" not in texts(engine, "gui", "query")
    assert not [each for each in suggest(engine, "gui", 8) if each.kind != "query"]
