"""Lexical search: typing errors are corrected, and the right listing scores highest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from market.search.lexical import MAX_CORRECTED_WORDS, LexicalIndex, max_edits

pytestmark = pytest.mark.slow

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
LANGUAGE = ["tables", "drilling", "guiter"]  # "guiter" stands for any rare, correct word


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
        ("Bosh drilll, pleaze", "bosch drill, pleaze"),  # the rest is kept
    ],
)
def test_a_typing_error_is_corrected(index: LexicalIndex, typed: str, meant: str) -> None:
    assert index.correct_spelling(typed) == meant


@pytest.mark.parametrize(
    "typed",
    [
        "oka",  # too short
        "gsb14",  # a model number
        "guiter",  # a word of the language
        "Tables",
        "table",
        "taxxe",  # two errors in five letters
        "bagpipes",  # "bagpipe" is in one listing only, so it may be an error itself
        "these",  # a stop word
        "xylophone",
        "x" * 41,
        "",
        " ?! ",
        "🚲 🔥",
        "'; DROP TABLE listings; --",
        "<b>table</b>",
    ],
)
def test_other_words_are_kept(index: LexicalIndex, typed: str) -> None:
    assert index.correct_spelling(typed) == typed


def test_among_equally_near_words_the_one_in_most_names_is_chosen(index: LexicalIndex) -> None:
    # One letter from both: two names have "planters", one has "printers", though in two listings.
    listings = LexicalIndex.build(
        ["stall", "stall", "stale", "a"], ["", "", "", "stale small small stale"], []
    )
    assert listings.correct_spelling("stalle") == "stall"
    other = LexicalIndex.build(["stale", "stale", "stall", "a"], ["", "", "", "stall"], [])
    assert other.correct_spelling("stalle") == "stale"
    assert index.correct_spelling("plinters") == "planters"


def test_an_unknown_plural_becomes_its_singular() -> None:
    listings = LexicalIndex.build(["model car"] * 9 + ["cable modem"] * 2, [""] * 11, [])
    assert listings.correct_spelling("modems") == "modem"
    assert listings.correct_spelling("midel") == "model"


def test_a_nearer_word_beats_a_more_frequent_one() -> None:
    listings = LexicalIndex.build(["wardrobe"] * 9 + ["wardrober"] * 2, [""] * 11, [])
    assert listings.correct_spelling("wardrobers") == "wardrober"


def test_the_number_of_corrected_errors_grows_with_length() -> None:
    words = ("cat", "sofa", "guitar", "wardrobe", "iphone6")
    assert [max_edits(word) for word in words] == [0, 1, 1, 2, 0]


def test_only_the_beginning_of_a_very_long_query_is_corrected(index: LexicalIndex) -> None:
    words = index.correct_spelling("tabel " * 1700).split()
    assert words[:MAX_CORRECTED_WORDS] == ["table"] * MAX_CORRECTED_WORDS
    assert set(words[MAX_CORRECTED_WORDS:]) == {"tabel"}


def test_words_are_compared_by_their_stems(index: LexicalIndex) -> None:
    np.testing.assert_array_equal(index.scores("guitars"), index.scores("guitar"))
    scores = index.scores("drilling TABLES")
    assert set(np.flatnonzero(scores)) == {0, 1, 2, 3}


def test_the_name_outweighs_the_description() -> None:
    index = LexicalIndex.build(
        ["red bicycle bell", "a bell and more"], ["of chrome", "for any bicycle"], []
    )
    in_name, in_description = index.scores("bicycle")
    assert in_name > in_description > 0


def test_a_rarer_word_scores_higher(index: LexicalIndex) -> None:
    scores = index.scores("bosch gsb13")
    assert scores.argmax() == 2 and scores[2] > scores[3] > 0


@pytest.mark.parametrize("text", ["", "the", "🔥", "xylophone", "?!", "\x00"])
def test_without_a_common_word_the_score_is_0(index: LexicalIndex, text: str) -> None:
    scores = index.scores(text)
    assert scores.shape == (len(NAMES),) and not scores.any()
    assert not index.knows(text)


def test_words_of_listings_and_of_the_language_are_known(index: LexicalIndex) -> None:
    assert index.knows("qwxz bagpipe") and index.knows("guiter") and not index.knows("bagpipess")


@pytest.mark.parametrize("texts", [["", ""], ["the", "🔥"]])
def test_listings_without_words_can_be_indexed(texts: list[str], tmp_path: Path) -> None:
    index = LexicalIndex.build(texts, texts, [])
    index.save(tmp_path / "words")
    for either in (index, LexicalIndex.load(tmp_path / "words")):
        assert either.scores("table").tolist() == [0, 0]
        assert either.correct_spelling("table") == "table"


def test_a_loaded_index_scores_and_corrects_the_same(index: LexicalIndex, tmp_path: Path) -> None:
    index.save(tmp_path / "words")
    loaded = LexicalIndex.load(tmp_path / "words")
    for text in ("oak tables", "drill", "wardrobe", "nothing known"):
        np.testing.assert_array_equal(loaded.scores(text), index.scores(text))
    assert loaded.correct_spelling("tabel plinters guiter") == "table planters guiter"


def test_the_index_answers_in_the_language_it_was_built_in(tmp_path: Path) -> None:
    names = ["Zwei Stühle", "Stuhl", "Alte Möbel", "Café-Tisch"] * 2
    LexicalIndex.build(names, [""] * 8, [], "de").save(tmp_path / "words")
    german = LexicalIndex.load(tmp_path / "words")
    assert set(np.flatnonzero(german.scores("Stuhl"))) == {0, 1, 4, 5}
    assert german.correct_spelling("Moebel cafe Stuhle") == "Moebel cafe Stuhle", "no errors"
    assert german.correct_spelling("Mööbel") == "möbel"
    assert german.knows("moebel") and not german.knows("die und")


def test_a_japanese_query_is_found_and_never_corrected() -> None:
    names = ["中古の自転車", "自転車ヘルメット", "木製の机", "guitar guitar"] * 2
    index = LexicalIndex.build(names, [""] * 8, [], "ja")
    assert set(np.flatnonzero(index.scores("自転車"))) == {0, 1, 4, 5}
    assert set(np.flatnonzero(index.scores("赤い机"))) == {2, 6}
    assert index.correct_spelling("自転東ヘルメツト guitra") == "自転東ヘルメツト guitar"


def test_equal_listings_give_equal_bytes(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from runpy import run_path\n"
        f"module = run_path({__file__!r})\n"
        "texts = [module[name] for name in ('NAMES', 'DESCRIPTIONS', 'LANGUAGE')]\n"
        "index = module['LexicalIndex'].build(*texts)\n"
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


# --- Compounds ------------------------------------------------------------------------------------
COMPOUNDS = ["Stehlampe in Rot", "Zwei Bürostühle", "Stuhl aus Holz", "Lampenschirm"]


@pytest.mark.parametrize(
    ("query", "rows"),
    [("Lampe", [0]), ("lampen", [0]), ("Stühle", [2, 1]), ("Bürostuhl", [1]), ("Holz", [2])],
)
def test_a_word_finds_the_compounds_that_end_in_it(query: str, rows: list[int]) -> None:
    index = LexicalIndex.build(COMPOUNDS, [""] * 4, [], "de")
    scores = index.scores(query)
    assert np.argsort(-scores)[: len(rows)].tolist() == rows and (scores > 0).sum() == len(rows)
    assert scores.max() <= 1 and index.knows(query) and index.correct_spelling(query) == query


def test_an_inflected_form_is_no_typing_error() -> None:
    names = ["Zwei Stühle", "Graue Stühle", "Stahl", "Stahl"]
    index = LexicalIndex.build(names, [""] * 4, ["steel"], "de")
    assert index.correct_spelling("Stuhl") == "Stuhl" and index.knows("Stuhl")
    assert index.correct_spelling("Stahel") == "stahl" and not index.knows("Stahel")


def test_a_short_word_and_another_language_find_no_compounds() -> None:
    assert not LexicalIndex.build(["Wanduhr"], [""], [], "de").scores("Uhr").any()
    assert not LexicalIndex.build(["Stehlampe"], [""], [], "fr").scores("Lampe").any()
    assert not LexicalIndex.build(["floorlamps"], [""], [], "en").scores("lamps").any()
