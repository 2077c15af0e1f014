"""Highlights: spans are offsets in the original text, found by the stems that search compares."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.data.words import find_words, word_spans
from market.search.highlights import MAX_SNIPPET, Highlighter
from market.search.lexical import LexicalIndex
from market.search.rules import Synonym
from market.search.synonyms import Synonyms

TEXTS = [
    "Two lamps & a Café table",
    "Stehlampe mit Lampenschirm",
    "革の椅子とIKEAテーブル",
    'Laptop, 15" laptops',
    "Die Bürostühle",
]


def index(language: str) -> LexicalIndex:
    return LexicalIndex.build(TEXTS, [""] * len(TEXTS), [], language)


def marked(query: str, text: str, language: str = "en") -> list[str]:
    """Return the highlighted parts of a name."""
    spans = Highlighter.of(query, index(language)).highlight(text, "").name
    return [text[start:end] for start, end in spans]


@pytest.mark.parametrize(
    ("query", "text", "language", "expected"),
    [
        ("lamp", TEXTS[0], "en", ["lamps"]),
        ("CAFE tables", TEXTS[0], "en", ["Café", "table"]),
        ("cafe", "The cafe\u0301 two", "en", ["cafe\u0301"]),
        ("lapt", TEXTS[3], "en", ["Laptop", "laptops"]),
        ("the two", TEXTS[0], "en", ["Two"]),
        ("lampe", TEXTS[1], "de", ["Stehlampe"]),
        ("Stuhl", TEXTS[4], "de", ["Bürostühle"]),
        ("buero", TEXTS[4], "de", ["Bürostühle"]),
        ("椅子", TEXTS[2], "ja", ["椅子"]),
        ("革の椅子", TEXTS[2], "ja", ["革", "椅子"]),
        ("ikea", TEXTS[2], "ja", ["IKEA"]),
        ("sofa", TEXTS[0], "en", []),
        ("", TEXTS[0], "en", []),
    ],
)
def test_the_words_of_a_query_are_marked(
    query: str, text: str, language: str, expected: list[str]
) -> None:
    assert marked(query, text, language) == expected


def test_synonyms_are_marked() -> None:
    lexical = index("en")
    synonyms = Synonyms(
        [Synonym.model_validate({"name": "lights", "words": ["light", "lamp"]})], lexical.language
    )
    highlighter = Highlighter.of("light", lexical, synonyms)
    assert highlighter.highlight(TEXTS[0], "").name == [(4, 9)]


def test_the_snippet_is_the_part_with_most_matches() -> None:
    filler = "nothing to see here, " * 30
    description = f"One lamp. {filler}<b>Lamp</b> beside a lamp table. {filler}"
    _, snippet, spans = Highlighter.of("lamp table", index("en")).highlight("", description)
    assert len(snippet) <= MAX_SNIPPET and snippet in description
    assert [snippet[start:end] for start, end in spans] == ["Lamp", "lamp", "table"]
    assert "<b>" in snippet, "plain text: the page escapes it"
    plain = Highlighter.of("sofa", index("en")).highlight("", description)
    assert description.startswith(plain.snippet) and plain.spans == []


@given(st.text(st.sampled_from("lamp table\n.é椅子ケ🔥\u0301"), max_size=600))
def test_spans_lie_within_the_texts_in_order(text: str) -> None:
    name, snippet, spans = HIGHLIGHTER.highlight(text, text)
    assert len(snippet) <= MAX_SNIPPET and snippet in text
    for source, found in ((text, name), (snippet, spans)):
        edges = [edge for span in found for edge in span]
        assert edges == sorted(edges) and all(0 <= edge <= len(source) for edge in edges)


HIGHLIGHTER = Highlighter.of("lamp 椅子", index("en"))


@given(st.text(st.sampled_from("ab é\n.椅子ケーの🔥-_9"), max_size=40))
def test_word_spans_are_those_of_find_words(text: str) -> None:
    assert [text[start:end] for start, end in word_spans(text)] == find_words(text)
