"""Words: slips of the keyboard are mended, and the right listing comes first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from market.search.lexical import MENDED, LexicalIndex, allowed_slips, split_words

NAMES = [
    "Oak dining table",
    "Oak table and chairs",
    "Bosch drill GSB13",
    "Bosch drill bits",
    "Guitar",
    "Guitar stand",
    "A bagpipe",
    "",
    "Planters",
    "Printers, two planters",
]
DESCRIPTIONS = [
    "solid wood",
    "",
    "in a wardrobe since 2019",
    "a wardrobe full",
    "plays well",
    "for any guitar",
    "loud",
    "",
    "",
    "printers",
]
LANGUAGE = ["tables", "drilling", "guiter"]  # "guiter" stands for any rare but right word


@pytest.fixture(scope="module")
def index() -> LexicalIndex:
    return LexicalIndex.build(NAMES, DESCRIPTIONS, LANGUAGE)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("tabel", "table"),  # swapped
        ("tble", "table"),  # left out
        ("tablee", "table"),  # added
        ("tanle", "table"),  # changed
        ("wradrboe", "wardrobe"),  # two in a long word
        ("Bosh drilll, pleaze", "bosch drill, pleaze"),  # the rest stays
    ],
)
def test_a_slip_is_mended(index: LexicalIndex, typed: str, meant: str) -> None:
    assert index.mend(typed) == meant


@pytest.mark.parametrize(
    "typed",
    [
        "oka",  # too short to tell
        "gsb14",  # a model number
        "guiter",  # right in the language
        "Tables",
        "table",
        "taxxe",  # two slips in five letters
        "bagpipes",  # "bagpipe" is in one listing only: nobody can tell
        "these",  # a word that says nothing is not mended either
        "xylophone",
        "x" * 41,
        "",
        " ?! ",
        "🚲 🔥",
        "'; DROP TABLE listings; --",
        "<b>table</b>",
    ],
)
def test_what_is_no_slip_stays(index: LexicalIndex, typed: str) -> None:
    assert index.mend(typed) == typed


def test_of_equally_near_words_the_likelier_is_meant(index: LexicalIndex) -> None:
    # One letter from both: two names have "planters", one has "printers", though in two listings.
    listings = LexicalIndex.build(
        ["stall", "stall", "stale", "a"], ["", "", "", "stale small small stale"], []
    )
    assert listings.mend("stalle") == "stall"
    other = LexicalIndex.build(["stale", "stale", "stall", "a"], ["", "", "", "stall"], [])
    assert other.mend("stalle") == "stale"
    assert index.mend("plinters") == "planters"


def test_a_nearer_word_beats_a_likelier_one() -> None:
    listings = LexicalIndex.build(["wardrobe"] * 9 + ["wardrober"] * 2, [""] * 11, [])
    assert listings.mend("wardrobers") == "wardrober"


def test_slips_are_counted_by_length() -> None:
    words = ("cat", "sofa", "guitar", "wardrobe", "iphone6")
    assert [allowed_slips(word) for word in words] == [0, 1, 1, 2, 0]


def test_a_very_long_query_is_mended_at_its_beginning_only(index: LexicalIndex) -> None:
    mended = index.mend("tabel " * 1700).split()
    assert mended[:MENDED] == ["table"] * MENDED and set(mended[MENDED:]) == {"tabel"}


def test_words_are_split_without_those_that_say_nothing() -> None:
    assert split_words("The OAK-table, of £5!") == ["oak", "table", "5"]
    assert split_words("x" * 99) == ["x" * 40]


def test_any_form_of_a_word_is_found(index: LexicalIndex) -> None:
    np.testing.assert_array_equal(index.scores("guitars"), index.scores("guitar"))
    found = index.scores("drilling TABLES")
    assert set(np.flatnonzero(found)) == {0, 1, 2, 3}


def test_the_name_outweighs_the_description() -> None:
    index = LexicalIndex.build(
        ["red bicycle bell", "a bell and more"], ["of chrome", "for any bicycle"], []
    )
    named, described = index.scores("bicycle")
    assert named > described > 0


def test_a_rarer_word_says_more(index: LexicalIndex) -> None:
    scores = index.scores("bosch gsb13")
    assert scores.argmax() == 2 and scores[2] > scores[3] > 0


@pytest.mark.parametrize("text", ["", "the", "🔥", "xylophone", "?!", "\x00"])
def test_what_shares_no_word_scores_nothing(index: LexicalIndex, text: str) -> None:
    scores = index.scores(text)
    assert scores.shape == (len(NAMES),) and not scores.any()
    assert not index.knows(text)


def test_it_knows_the_words_of_listings_and_of_the_language(index: LexicalIndex) -> None:
    assert index.knows("qwxz bagpipe") and index.knows("guiter") and not index.knows("bagpipess")


@pytest.mark.parametrize("texts", [["", ""], ["the", "🔥"]])
def test_listings_without_words_can_be_indexed(texts: list[str], tmp_path: Path) -> None:
    index = LexicalIndex.build(texts, texts, [])
    index.save(tmp_path / "words")
    for of in (index, LexicalIndex.load(tmp_path / "words")):
        assert of.scores("table").tolist() == [0, 0]
        assert of.mend("table") == "table"


def test_what_was_saved_scores_and_mends_the_same(index: LexicalIndex, tmp_path: Path) -> None:
    index.save(tmp_path / "words")
    again = LexicalIndex.load(tmp_path / "words")
    for text in ("oak tables", "drill", "wardrobe", "nothing known"):
        np.testing.assert_array_equal(again.scores(text), index.scores(text))
    assert again.mend("tabel plinters guiter") == "table planters guiter"


def test_the_same_listings_are_the_same_bytes(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from runpy import run_path\n"
        f"t = run_path({__file__!r})\n"
        "index = t['LexicalIndex'].build(t['NAMES'], t['DESCRIPTIONS'], t['LANGUAGE'])\n"
        "index.save(Path(sys.argv[1]))"
    )
    for seed in "12":
        subprocess.run(
            [sys.executable, "-c", script, tmp_path / seed],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            timeout=60,
        )
    files = sorted(path.name for path in (tmp_path / "1").iterdir())
    assert "words.parquet" in files
    for name in files:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name
