"""HTML in texts of listings, turned into plain text.

Shops export descriptions as HTML (Shopify calls the column "Body (HTML)"). Only texts with a tag of
HTML are parsed: "a < b" and "<3" stay as they are.
"""

from __future__ import annotations

import re
from html.entities import html5

import pandas as pd
from inscriptis import get_text
from inscriptis.css_profiles import CSS_PROFILES
from inscriptis.model.config import ParserConfig

# Tags that make a text HTML. Words that people put between angle brackets, such as <code>, <title>
# and <link>, are not among them; within HTML they count as tags all the same.
_TAGS = (
    "a|article|b|blockquote|body|br|center|dd|div|dl|dt|em|figure|font|h[1-6]|head|hr|html|i|iframe|"
    "img|li|ol|p|pre|script|section|small|span|strike|strong|style|sub|sup|table|tbody|td|th|thead|"
    "tr|u|ul|video"
)
_ATTRIBUTE = r"""\s+[a-z][a-z0-9:_-]*\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'<>=]+)"""
TAG = re.compile(rf"<(?:/(?:{_TAGS})\s*|(?:{_TAGS})(?:{_ATTRIBUTE})*+\s*/?)>", re.IGNORECASE)
ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
CDATA = re.compile(r"<!\[CDATA\[|\]\]>")
LAYOUT = ParserConfig(CSS_PROFILES["strict"])  # without the indents of a page
MAX_CODE_POINT = 0x10FFFF


def html_to_text(texts: pd.Series, keep_entities: pd.Series | None = None) -> pd.Series:
    """Return texts without HTML.

    Tags, comments, scripts and styles are dropped; line breaks, paragraphs and items of lists begin
    a new line. Entities such as &amp; become characters, in texts without tags too. HTML that was
    escaped as a whole (&lt;p&gt;) counts as HTML.

    Parameters
    ----------
    texts
        (n,) str; missing ones stay missing.
    keep_entities
        (n,) bool, the texts whose entities stay if they have no tags; by default none.

    Returns
    -------
    pd.Series
        (n,) str, by the index of `texts`. A text without HTML is unchanged.

    Examples
    --------
    >>> html_to_text(pd.Series(["<p>Oak &amp; ash<br>80&nbsp;cm</p>", "a < b"])).tolist()
    ['Oak & ash\\n80 cm', 'a < b']
    """
    if not texts.str.contains("[<&]").any():
        return texts
    plain = _unescape_plain(texts, keep_entities)
    tagged = _has_tags(plain)
    return plain.where(~tagged, plain[tagged].map(_parse).reindex(texts.index))


def count_html(texts: pd.Series, keep_entities: pd.Series | None = None) -> int:
    """Return the number of texts that `html_to_text` changes."""
    plain = _unescape_plain(texts, keep_entities)
    return int((_has_tags(texts) | (plain.notna() & plain.ne(texts))).sum())


def _has_tags(texts: pd.Series) -> pd.Series:
    """Return whether each text (n,) has a tag of HTML; False where it is missing."""
    likely = texts.str.contains("<", regex=False).eq(True)
    return likely & texts.where(likely).str.contains(TAG).eq(True)


def _unescape_plain(texts: pd.Series, keep_entities: pd.Series | None) -> pd.Series:
    """Return texts (n,) with characters in place of entities, unless they have tags."""
    with_entity = texts.str.contains(ENTITY).eq(True) & ~_has_tags(texts)
    if keep_entities is not None:
        with_entity &= ~keep_entities
    return texts.where(~with_entity, texts[with_entity].map(_unescape).reindex(texts.index))


def _parse(text: str) -> str:
    return get_text(CDATA.sub("", text), LAYOUT).strip()


def _unescape(text: str) -> str:
    return ENTITY.sub(_character, text)


def _character(match: re.Match[str]) -> str:
    """Return the characters that an entity stands for, or the match if it is none."""
    name = match[0][1:-1]
    if not name.startswith("#"):
        return html5.get(f"{name};", match[0])
    code = int(name[2:], 16) if name[1] in "xX" else int(name[1:])
    is_character = 0x20 <= code <= MAX_CODE_POINT and not 0xD800 <= code <= 0xDFFF
    return chr(code) if is_character else match[0]
