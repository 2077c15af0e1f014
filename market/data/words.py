"""Finding the words of a text in any script, also where no spaces stand between them.

What decides is the script of each part of a text, not the language of the marketplace: an English
listing may name a thing in Japanese, and the other way round.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Any

from icu4py.breakers import WordBreaker
from sklearn.feature_extraction.text import TfidfVectorizer

# Scripts whose words follow each other without a space. ICU finds them by dictionaries of Chinese,
# Japanese, Thai, Lao, Khmer and Burmese. It was preferred to jieba, fugashi, Janome and PyThaiNLP:
# one package for all of them, with wheels, at 1 µs for each character.
_THAI_TO_KHMER = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_HAN_AND_KANA = (
    "\u3005-\u3007\u3041-\u309f\u30a0-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\uff66-\uff9f\U00020000-\U0003fffd"
)
UNSPACED_SIGNS = _THAI_TO_KHMER + _HAN_AND_KANA  # inside the brackets of an expression
UNSPACED = re.compile(f"[{UNSPACED_SIGNS}]+")
# Signs inside words that are no letters to Python's \w: accents, points of Hebrew and Arabic,
# vowels of Hindi, Thai and their relatives, the non-joiner of Persian. Those of emoji are left out.
_MARKS = (
    "\u0300-\u036f\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed"
    "\u0900-\u0963\u0966-\u0dff\u0e31-\u0e4e\u0eb1-\u0ece\u102b-\u1059\u17b4-\u17d3\u200c"
    "\u3099\u309a"
)
WORD_PATTERN = rf"\w[\w{_MARKS}]*"
# scikit-learn's default, words of two letters or more, and single ones where these are words.
TERM_PATTERN = rf"\b\w[\w{_MARKS}]+|[{_HAN_AND_KANA}]"
WORD = re.compile(WORD_PATTERN)
# A word, or the part of one, that is in a script with spaces.
SPACED_WORD = re.compile(rf"(?![{UNSPACED_SIGNS}])\w(?:(?![{UNSPACED_SIGNS}])[\w{_MARKS}])*")


def separate_words(text: str) -> str:
    """Return the text with spaces around each word of a script that writes none.

    All other parts of the text stay as they are.

    Examples
    --------
    >>> separate_words("IKEAの椅子")
    'IKEA の  椅子 '
    """
    return UNSPACED.sub(lambda match: f" {' '.join(WordBreaker(match.group(), 'ja'))} ", text)


def find_words(text: str) -> list[str]:
    """Return the words of a text in order, as they are written but for separate accents.

    A letter and its accent become one sign where there is one, which `\\w` then recognises.
    """
    return WORD.findall(separate_words(unicodedata.normalize("NFC", text)))


def word_spans(text: str) -> list[tuple[int, int]]:
    """Return start and end (exclusive) of each word of a text, as `find_words` finds them.

    Examples
    --------
    >>> word_spans("IKEAの椅子")
    [(0, 4), (4, 5), (5, 7)]
    """
    spans = [match.span() for match in SPACED_WORD.finditer(text)]
    for match in UNSPACED.finditer(text):
        start = match.start()
        for word in WordBreaker(match.group(), "ja"):
            if WORD.match(word):
                spans.append((start, start + len(word)))
            start += len(word)
    return sorted(spans)


class WordVectorizer(TfidfVectorizer):
    """TF-IDF over the words of any script, or over their characters.

    It equals scikit-learn's for texts whose words have spaces between them. For words use
    `word_vectorizer`, as the default pattern of scikit-learn finds none of a single sign.
    """

    def build_preprocessor(self) -> Callable[[str], str]:
        """Return a function that separates words and then does what TfidfVectorizer does."""
        preprocess = super().build_preprocessor()
        return lambda text: preprocess(separate_words(text))


def word_vectorizer(**options: Any) -> WordVectorizer:
    """Return an unfitted TF-IDF over words, with these options of scikit-learn's TfidfVectorizer.

    Its terms are words of two letters or more, and single Chinese and Japanese signs.
    """
    return WordVectorizer(**{"token_pattern": TERM_PATTERN, **options})
