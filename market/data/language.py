"""A language as search reads it: its words, their stems, and the words that carry no meaning."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import bm25s.stopwords
import Stemmer
import stop_words

from market.core.errors import MarketError
from market.core.languages import LANGUAGES, STEMMERS
from market.data.words import find_words

MAX_WORD_LENGTH = 40  # letters; comparing longer strings with the vocabulary takes too long
# Longer lists also hold words that a user may look for: one German list has "Uhr" (watch).
MAX_STOP_WORDS = 500
# bm25s names the lists of its languages after them; those of `stop_words` go by ISO 639-1.
_BM25S_LISTS = {
    "da": "DANISH", "de": "GERMAN", "en": "EN", "es": "SPANISH", "fr": "FRENCH", "it": "ITALIAN",
    "ko": "KOREAN", "nb": "NORWEGIAN", "nl": "DUTCH", "nn": "NORWEGIAN", "no": "NORWEGIAN",
    "pt": "PORTUGUESE", "ru": "RUSSIAN", "sv": "SWEDISH", "tr": "TURKISH",
}  # fmt: skip
# In Turkish and Azerbaijani, I is the capital of ı, and İ that of i.
_DOTLESS_I = str.maketrans({"I": "ı", "İ": "i"})
# Accents of Latin, Greek and Cyrillic, points of Hebrew, short vowels of Arabic. The signs of other
# scripts stay: without them, Japanese か and が or two Thai vowels would be one.
_ACCENTS = {
    *range(0x0300, 0x0370), *range(0x0591, 0x05BE), 0x05BF, 0x05C1, 0x05C2, 0x05C4, 0x05C5, 0x05C7,
    0x0640, *range(0x064B, 0x0660), 0x0670, 0x200C,
}  # fmt: skip
_WITHOUT_ACCENTS = dict.fromkeys(_ACCENTS) | str.maketrans(
    {"ı": "i", "ł": "l", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d", "ħ": "h"}
)


def strip_accents(word: str) -> str:
    """Return a word in lower case without accents: "café" becomes "cafe"."""
    if word.isascii():
        return word
    stripped = unicodedata.normalize("NFD", word).translate(_WITHOUT_ACCENTS)
    return unicodedata.normalize("NFC", stripped)


class Language:
    """The words of one language. Words of others in the same text are found as well.

    Parameters
    ----------
    code
        ISO 639-1.

    Attributes
    ----------
    code
        As given.
    stop_words
        Words that carry no meaning, in lower case; empty if there is no short list of them.

    Raises
    ------
    MarketError
        If the code is not in `languages.LANGUAGES`.

    Examples
    --------
    >>> german = Language("de")
    >>> [german.stem(word) for word in german.words("Die Stühle, der Stuhl")]
    ['stuhl', 'stuhl']
    """

    def __init__(self, code: str) -> None:
        if code not in LANGUAGES:
            raise MarketError(
                f"input.language is {code!r}, which is unknown: use one of {', '.join(LANGUAGES)}"
            )
        self.code = code
        self.stop_words = _stop_words(code)
        self._stemmer = Stemmer.Stemmer(STEMMERS[code]) if code in STEMMERS else None

    def fold(self, text: str) -> str:
        """Return a text in lower case, with the letters that its language has for the capitals."""
        return (text.translate(_DOTLESS_I) if self.code in ("az", "tr") else text).casefold()

    def words(self, text: str) -> list[str]:
        """Return the words of a text in order: lower case, without stop words.

        Full-width letters and digits become plain ones, half-width katakana becomes full-width.
        """
        folded = (
            self.fold(unicodedata.normalize("NFKC", word)) for word in find_words(self.fold(text))
        )
        return [word[:MAX_WORD_LENGTH] for word in folded if word not in self.stop_words]

    def stem(self, word: str) -> str:
        """Return the stem of a word of `words`, without accents: equal for its inflected forms."""
        return strip_accents(self._stemmer.stemWord(word) if self._stemmer else word)

    def key(self, word: str) -> str:
        """Return a word of `words` without what writers leave out or replace: accents.

        In German, "ae" and "ä" have the same key.
        """
        if self.code == "de":
            for umlaut, pair in (("ä", "ae"), ("ö", "oe"), ("ü", "ue")):
                word = word.replace(pair, umlaut)
        return strip_accents(word)


@lru_cache
def _stop_words(code: str) -> frozenset[str]:
    if code in _BM25S_LISTS:
        listed = getattr(bm25s.stopwords, f"STOPWORDS_{_BM25S_LISTS[code]}")
    elif code in stop_words.LANGUAGE_MAPPING:
        listed = stop_words.get_stop_words(code)
    else:
        listed = []
    return frozenset(listed) if len(listed) <= MAX_STOP_WORDS else frozenset()
