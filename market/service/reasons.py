"""Explanations: each feature's contribution to a score, with a text for the user."""

from __future__ import annotations

import math
from collections.abc import Mapping

from market.search.feature_names import FEATURE_TEXTS, LISTING_FEATURES, QUERY_FEATURES
from market.search.rule_application import PIN, rule_text
from market.service.schemas import Reason

# A learned ranker weighs a new user's missing history as well. "Similar to what you viewed" would
# be untrue there, so the user features of a new user are added up under one name.
USER_FEATURES = FEATURE_TEXTS.keys() - {*QUERY_FEATURES, *LISTING_FEATURES}
NEW_USER = "new_user"
NEW_USER_TEXT = "suggested for new visitors"


def explain(
    contributions: Mapping[str, float],
    special_texts: Mapping[str, str],
    *,
    is_new_user: bool,
    near: str | None,
) -> list[Reason]:
    """Return the reasons for a score, the largest first.

    Parameters
    ----------
    contributions
        Contribution of each feature to the score.
    special_texts
        Texts of features that mean something special in this search.
    is_new_user
        Whether the user has no events.
    near
        Place of the filter `near`, if any.

    Returns
    -------
    list of Reason
        The finite, non-zero contributions, which add up to the score; before them a rule that has
        placed the listing, which contributes 0.
    """
    texts = {**FEATURE_TEXTS, **special_texts, NEW_USER: NEW_USER_TEXT}
    merged = USER_FEATURES if is_new_user else frozenset()
    if near:
        texts["proximity"] = f"near {near}"
        merged = merged - {"proximity"}
    parts = {name: part for name, part in contributions.items() if name not in merged}
    parts[NEW_USER] = sum(part for name, part in contributions.items() if name in merged)
    return [
        Reason(feature=name, text=rule_text(name, part) or texts[name], contribution=part)
        for name, part in sorted(
            parts.items(), key=lambda item: (not item[0].startswith(PIN), -item[1])
        )
        if (part or name.startswith(PIN)) and math.isfinite(part)
    ]
