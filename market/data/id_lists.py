"""Lists in one field of a table: ids or numbers, as JSON or divided by a separator."""

from __future__ import annotations

import json
import re
from collections.abc import Collection

import pandas as pd

from market.data.typed_tables import cell_text

SEPARATORS = (None, ",", ";", "|")  # None: spaces
MAX_COMPARED = 1000  # fields from which the separator of a column is recognised
# Within the text that Python or NumPy gives of a list: ['a', 'b'] or ['a' 'b'].
QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")


def split_list(text: str | None, separator: str | None = None) -> list[str]:
    """Return the elements of a list in one field.

    Parameters
    ----------
    text
        A JSON list, a list as Python prints it, or elements with a separator between them.
    separator
        One of SEPARATORS.

    Examples
    --------
    >>> split_list("p1 p2"), split_list('["a b", 7]'), split_list("['a', 'b']")
    (['p1', 'p2'], ['a b', '7'], ['a', 'b'])
    """
    if text is None or pd.isna(text):
        return []
    if text[:1] == "[" and text[-1:] == "]":
        try:
            texts = [cell_text(element) for element in json.loads(text)]
            return [element.strip() for element in texts if element and element.strip()]
        except ValueError:
            quoted = [single or double for single, double in QUOTED.findall(text)]
            return quoted or text[1:-1].replace(",", " ").split()
    return [element.strip() for element in text.split(separator) if element.strip()]


def find_separator(texts: pd.Series, known: Collection[str]) -> str | None:
    """Return the one of SEPARATORS with which a column of lists holds the most known ids.

    Parameters
    ----------
    texts
        Fields (n,).
    known
        A set of ids.

    Examples
    --------
    >>> find_separator(pd.Series(["p1|p2", "p3"]), {"p1", "p2", "p3"})
    '|'
    """
    some = texts.dropna().head(MAX_COMPARED)

    def known_ids(separator: str | None) -> int:
        return sum(element in known for text in some for element in split_list(text, separator))

    return max(SEPARATORS, key=known_ids)
