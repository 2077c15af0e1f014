"""The language of names and descriptions."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from market.core.languages import LANGUAGES
from market.data.inspection.finding import Finding, percent
from market.data.personal_data import EMAIL, LINK

MAX_TEXTS = 100  # that are classified: each takes a few milliseconds
MIN_CHARACTERS = 200  # of a text, made up of several listings if they are short
DEFAULT = "en"


def detect_language(texts: pd.Series) -> Finding[str]:
    """Return the language of most texts.

    Parameters
    ----------
    texts
        Names and descriptions (n,), without missing ones.
    """
    # Imported here: it loads a model of 4 MB, and only this command needs it.
    from py3langid import classify

    joined = _join_short(texts)
    if not joined:
        return Finding(DEFAULT, 0.0, "no texts")
    step = -(-len(joined) // MAX_TEXTS)
    votes = Counter(classify(text)[0] for text in joined[::step])
    known = Counter({code: count for code, count in votes.items() if code in LANGUAGES})
    if not known:
        return Finding(DEFAULT, 0.0, f"{votes.most_common(1)[0][0]!r} is not supported")
    language, count = known.most_common(1)[0]
    share = count / sum(votes.values())
    return Finding(language, share, f"{percent(share)} of texts")


def _join_short(texts: pd.Series) -> list[str]:
    joined, current = [], ""
    for text in texts:
        text = LINK.sub(" ", EMAIL.sub(" ", text))
        # Capital letters look like abbreviations to the model.
        current += " " + (text.lower() if text.isupper() else text)
        if len(current) >= MIN_CHARACTERS:
            joined.append(current[:2000])
            current = ""
        if len(joined) >= 20 * MAX_TEXTS:
            break
    return joined or ([current] if current.strip() else [])
