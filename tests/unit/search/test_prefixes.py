"""Unfinished words: the last word of a query finds what its completions find."""

from __future__ import annotations

import numpy as np
import pytest
from handmade import ids

from market.search.engine import Engine
from market.search.lexical import LexicalIndex
from market.search.prefixes import MAX_COMPLETIONS, unfinished_word


def completions(text: str, index: LexicalIndex) -> tuple[str, ...]:
    unfinished = unfinished_word(text, index)
    return () if unfinished is None else unfinished.completions


@pytest.fixture(scope="module")
def english() -> LexicalIndex:
    names = [
        "iPhone 11",
        "iPhone SE",
        "laptop",
        "laptop bag",
        "lamp",
        "table",
        "tablet",
        "café cup",
    ]
    return LexicalIndex.build(names, [""] * len(names), ["lap"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("iph", ("iphone",)),
        ("new iPh", ("iphone",)),
        ("lapt", ("laptop",)),
        ("lap", ("laptop",)),  # a word of the language that no listing contains
        ("la", ("laptop", "lamp")),  # the commonest first
        ("caf", ("café",)),
        ("cafe", ()),
        ("table", ()),  # a listing has the word
        ("lapt ", ()),  # a space ends the word
        ("lapt!", ()),
        ("%la", ()),
        ("labt", ()),
        ("the", ()),
        ("", ()),
    ],
)
def test_the_last_word_is_completed(
    english: LexicalIndex, text: str, expected: tuple[str, ...]
) -> None:
    assert completions(text, english) == expected


def test_compounds_and_words_of_other_scripts_are_completed() -> None:
    german = LexicalIndex.build(["Stehlampe", "Bürostuhl", "Staubsauger"], [""] * 3, [], "de")
    assert completions("stehl", german) == ("stehlampe",)
    assert completions("Buero", german) == completions("Büro", german) == ("bürostuhl",)
    assert completions("lampe", german) == (), "it ends a compound"
    japanese = LexicalIndex.build(["スマートフォン 64GB", "革の椅子"], [""] * 2, [], "ja")
    assert completions("スマ", japanese) == ("スマート",), "the part of it that is a word"
    assert completions("椅子", japanese) == ()


def test_an_unfinished_word_scores_like_its_best_completion(english: LexicalIndex) -> None:
    finished = english.scores("laptop")
    assert english.scores("lapt", completions=["laptop"]) == pytest.approx(finished)
    both = english.scores("la", completions=["laptop", "lamp"])
    assert (both > 0).tolist() == [False, False, True, True, True, False, False, False]
    assert both.max() == pytest.approx(1)
    phrase = english.scores("laptop ba", completions=["bag"])
    assert phrase == pytest.approx(english.scores("laptop bag"))


def test_one_letter_has_few_completions() -> None:
    words = [f"s{number:04d}" for number in range(2000)]
    index = LexicalIndex.build(words, [""] * len(words), [])
    found = completions("s", index)
    assert len(found) == MAX_COMPLETIONS
    assert np.count_nonzero(index.scores("s", completions=found)) == MAX_COMPLETIONS


def test_changed_listings_are_completed() -> None:
    index = LexicalIndex.build(["lamp", "sofa"], ["", ""], [])
    changed = index.with_changes(
        np.array([0]), (["lamp"], [""]), (["laptop", "sofa bed"], ["", ""])
    )
    assert completions("lapt", changed) == ("laptop",)
    assert completions("lam", changed) == (), "no listing has it any more"


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5])
def test_no_unfinished_word_is_empty(shop: Engine, length: int) -> None:
    for kind in ("guitar", "bicycle", "sofa"):
        result = shop.search(kind[:length], limit=100)
        assert set(ids(shop.search(kind, limit=100))) <= set(ids(result)) or length < 3
        assert result.total and result.corrected_query is None


def test_words_before_the_unfinished_one_are_corrected(shop: Engine) -> None:
    assert shop.search("vintgae gui").corrected_query == "vintage gui"
