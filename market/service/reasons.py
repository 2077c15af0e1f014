"""Why a listing is shown, in words that fit what was asked and who asks."""

from __future__ import annotations

import math

from market.search.ranker import FEATURE_TEXTS, LISTING_FEATURES, QUERY_FEATURES
from market.service.schemas import Reason

# Signals of the person. Of somebody new they are all unknown, which a learned ranker weighs too:
# to call that "goes with what you looked at" would be untrue.
PERSON = FEATURE_TEXTS.keys() - {*QUERY_FEATURES, *LISTING_FEATURES}
NEWCOMER = "newcomer"


def explain(
    why: dict[str, float], words: dict[str, str], *, newcomer: bool, near: str | None
) -> list[Reason]:
    """Return the parts of a score, the largest first; they add up to it.

    `words` are those of signals that mean another thing here than FEATURE_TEXTS says; `newcomer`:
    nothing is known of the person; `near`: the place that was asked for.
    """
    said = FEATURE_TEXTS | words | {NEWCOMER: "suits somebody new"}
    unknown = PERSON if newcomer else frozenset()
    if near:
        said["proximity"] = f"near {near}"
        unknown = unknown - {"proximity"}
    parts = {name: part for name, part in why.items() if name not in unknown}
    parts[NEWCOMER] = sum(part for name, part in why.items() if name in unknown)
    return [
        Reason(signal=name, words=said[name], contribution=part)
        for name, part in sorted(parts.items(), key=lambda item: -item[1])
        if part and math.isfinite(part)
    ]
