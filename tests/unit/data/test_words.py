"""Words of every script are found, and texts with spaces give scikit-learn's own terms."""

from __future__ import annotations

from pathlib import Path

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from market.data.words import (
    SPACED_WORD,
    WordVectorizer,
    find_words,
    separate_words,
    word_vectorizer,
)
from market.models.skops_files import load_model, save_model

ENGLISH = ["Oak table, 6 chairs — £45!", "it's a café's no. 1 ❤️ 1️⃣", "x y zz \u2122 m² 10½", ""]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("中古の自転車", ["中古", "の", "自転車"]),
        ("iPhone12用ケース", ["iPhone12", "用", "ケース"]),
        ("ขายโต๊ะไม้", ["ขาย", "โต๊ะ", "ไม้"]),
        ("二手手机", ["二手", "手机"]),
        ("ទិញកង់", ["ទិញ", "កង់"]),
        ("पुरानी साइकिल", ["पुरानी", "साइकिल"]),
        ("자전거 팝니다", ["자전거", "팝니다"]),
        ("Grüße, naïve_x", ["Grüße", "naïve_x"]),
        ("cafe\u0301", ["café"]),
    ],
)
def test_words_are_found_in(text: str, words: list[str]) -> None:
    assert find_words(text) == words


@pytest.mark.parametrize("text", ENGLISH)
def test_texts_with_spaces_stay_as_they_are(text: str) -> None:
    assert separate_words(text) == text


@pytest.mark.parametrize(
    ("options", "of_sklearn"),
    [({}, {}), ({"ngram_range": (1, 2)}, {"ngram_range": (1, 2)})],
)
def test_terms_of_english_are_those_of_sklearn(options: dict, of_sklearn: dict) -> None:
    ours, theirs = word_vectorizer(**options), TfidfVectorizer(**of_sklearn)
    for text in ENGLISH:
        assert ours.build_analyzer()(text) == theirs.build_analyzer()(text)
    letters = {"analyzer": "char_wb", "ngram_range": (2, 4)}
    assert WordVectorizer(**letters).build_analyzer()(ENGLISH[0]) == TfidfVectorizer(
        **letters
    ).build_analyzer()(ENGLISH[0])


def test_a_saved_vectorizer_finds_the_same_words(tmp_path: Path) -> None:
    texts = ["木製の机", "机と椅子", "oak desk"]
    vectorizer = word_vectorizer().fit(texts)
    assert {"木製", "机", "椅子", "oak", "desk"} <= set(vectorizer.get_feature_names_out())
    save_model(vectorizer, tmp_path / "words.skops")
    loaded = load_model(tmp_path / "words.skops")
    assert (loaded.transform(texts) != vectorizer.transform(texts)).nnz == 0


def test_the_part_of_a_word_with_spaces_is_told_apart() -> None:
    assert SPACED_WORD.findall("赤いguitarと椅子 oak") == ["guitar", "oak"]
