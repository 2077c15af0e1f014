"""How a text file is written: its encoding and the separator of its fields."""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter

import chardet

from market.data.csv_tables import usual_lines
from market.data.inspection.finding import Finding, percent

# The decoders of these remove the mark themselves, or `tables.read_table` does.
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
SEPARATORS = (",", ";", "\t", "|", "^", "~", "\x1f", ":")  # of several that fit, the first
SAMPLE_BYTES = 2**18  # that the encoding is detected from
SAMPLE_LINES = 300  # that the separator is detected from
# The signs beyond ASCII that texts in English have: Windows writes them in cp1252, and other
# encodings have letters there.
CP1252_SIGNS = frozenset("£€–—‘’“”…•·©®°½¼¾²³×™§ ")


def detect_encoding(content: bytes) -> Finding[str]:
    """Return the encoding of a text file, "ascii" if it has no sign beyond ASCII.

    chardet was preferred to charset-normalizer: on short tables in 16 languages and their usual
    encodings it errs once in 42, the other 14 times.
    """
    for mark, name in BYTE_ORDER_MARKS.items():
        if content.startswith(mark):
            return Finding(name, 1.0, "by its byte order mark")
    if content.isascii() and b"\0" not in content:
        return Finding("ascii", 1.0, "only ASCII")
    if b"\0" not in content and _decodes(content, "utf-8"):
        return Finding("utf-8", 1.0, "every byte fits")
    sample = _telling_lines(content)
    beyond = {sign for sign in sample.decode("cp1252", "replace") if not sign.isascii()}
    if b"\0" not in content and beyond <= CP1252_SIGNS:
        return Finding("cp1252", 1.0, "its few special signs")
    detected = chardet.detect(sample)["encoding"]
    name = codecs.lookup(detected).name if detected else "cp1252"
    # A file in it has more signs than its ISO relative, which it contains.
    name = {"iso8859-1": "cp1252", "shift_jis": "cp932", "gb2312": "gb18030"}.get(name, name)
    if not _decodes(content, name):
        return Finding("cp1252", 0.0, "unknown encoding")
    return Finding(name, 0.9, "by its letters")


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        # Not final: an excerpt may end within a character.
        codecs.getincrementaldecoder(encoding)().decode(content)
    except (UnicodeError, LookupError):
        return False
    return True


def _telling_lines(content: bytes) -> bytes:
    """Return the first lines that are not ASCII: the others tell nothing of the encoding."""
    if b"\0" in content:
        return content[:SAMPLE_BYTES]
    lines = [line for line in content.split(b"\n") if not line.isascii()]
    return b"\n".join(lines)[:SAMPLE_BYTES]


def detect_separator(text: str) -> Finding[str]:
    """Return the separator with which the most records have as many fields as the header.

    Parameters
    ----------
    text
        The table, or its beginning.
    """
    scores: dict[str, tuple[float, int]] = {}
    for separator in SEPARATORS:
        counts = _field_counts(text, separator)
        if not counts or counts[0] < 2:
            continue
        fitting = Counter(counts)[counts[0]] / len(counts)
        scores[separator] = (round(fitting, 2), counts[0])
    if not scores:
        return Finding(",", 0.0, "one column")
    best = max(scores, key=lambda separator: scores[separator])
    share, fields = scores[best]
    return Finding(best, share, f"{fields} fields in {percent(share)} of rows")


def _field_counts(text: str, separator: str) -> list[int]:
    """Return the number of fields of the first records that have content."""
    # Only \n ends lines for `csv_tables.parse_csv`; a bare \r is part of a field.
    text = usual_lines(text).replace("\r\n", "\n").replace("\r", " ")
    lines = io.StringIO(text, newline="\n")
    counts = []
    try:
        for record in csv.reader(lines, delimiter=separator):
            if any(field.strip() for field in record):
                counts.append(len(record))
            if len(counts) == SAMPLE_LINES:
                break
    except csv.Error:
        return []
    return counts
