"""Phrases: pairs of adjacent words of a query in the names of listings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from market.search.lexical import LexicalIndex

NAMES = ["Red oak table", "table oak red", "oak table with red legs", "", "Oak, oak! Tables", "red"]
EVERYTHING = np.arange(len(NAMES))


@pytest.fixture(scope="module")
def index() -> LexicalIndex:
    return LexicalIndex.build(NAMES, ["red oak table"] * len(NAMES), [])


@pytest.mark.parametrize(
    ("query", "shares"),
    [
        ("red oak table", [1, 0, 0.5, 0, 0.5, 0]),
        ("oak tables", [1, 0, 1, 0, 1, 0]),  # by their stems
        ("the oak and the table", [1, 0, 1, 0, 1, 0]),  # without stop words
        ("oak table oak table", [0.5, 0.5, 0.5, 0, 0.5, 0]),  # a pair counts once
        ("red velvet sofa", [0] * 6),
    ],
)
def test_the_share_of_pairs_that_a_name_has(
    index: LexicalIndex, query: str, shares: list[float]
) -> None:
    phrases = index.phrases(query)
    assert phrases is not None
    assert phrases(EVERYTHING).tolist() == shares
    assert phrases(EVERYTHING[::-2]).tolist() == shares[::-2]
    assert phrases(EVERYTHING[:0]).tolist() == []


@pytest.mark.parametrize("query", ["", "table", "the table", "!"])
def test_a_query_of_one_word_has_no_pair(index: LexicalIndex, query: str) -> None:
    assert index.phrases(query) is None


def test_an_unfinished_word_stands_for_any_of_its_completions(index: LexicalIndex) -> None:
    phrases = index.phrases("red oak tab", ["table", "tablet"])
    assert phrases is not None and phrases(EVERYTHING).tolist() == [1, 0, 0.5, 0, 0.5, 0]
    assert index.phrases("tab", ["table"]) is None


def test_changed_listings_have_phrases_too(index: LexicalIndex) -> None:
    changed = index.with_changes(
        np.array([0]), ([NAMES[0]], ["red oak table"]), (["red oak stool", "new red oak"], ["", ""])
    )
    phrases = changed.phrases("red oak stool")
    assert phrases is not None
    assert phrases(np.array([7, 1, 6, 2])).tolist() == [0.5, 0, 1, 0]


def test_names_are_saved_and_an_older_index_has_none(index: LexicalIndex, tmp_path: Path) -> None:
    index.save(tmp_path)
    again = LexicalIndex.load(tmp_path).phrases("oak table")
    assert again is not None and again(EVERYTHING).tolist() == [1, 0, 1, 0, 1, 0]
    (tmp_path / "name_stems.npy").unlink()
    older = LexicalIndex.load(tmp_path).phrases("oak table")
    assert older is not None and older(EVERYTHING).tolist() == [0.0] * len(NAMES)
