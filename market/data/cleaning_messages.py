"""What stage clean says about prices, HTML and events."""

from __future__ import annotations

import difflib
from pathlib import Path

import pandas as pd

from market.core.errors import MarketError
from market.data.clean_listings import has_price_to_learn
from market.data.interactions import EVENTS

MAX_EVENTS_SHOWN = 10  # unknown events in messages; the metrics have all of them


def check_prices(products: pd.DataFrame, path: Path, placeholder_above: float) -> None:
    """Raise MarketError if placeholders leave too few prices to learn from.

    That is the case if they leave none, or if at least as many prices are above `placeholder_above`
    as are left.

    Parameters
    ----------
    products
        As `listings.clean_products` returns them.
    path
        The table to name.
    placeholder_above
        The setting that the message may blame.
    """
    prices = int(products["price"].notna().sum())
    learned = int(has_price_to_learn(products).sum())
    above = int(products["price"].gt(placeholder_above).sum())
    if above and above >= learned:
        raise MarketError(
            f"{path}: {above} of {prices} prices are above clean.placeholder_above="
            f"{placeholder_above:g} and so taken for placeholders, which leaves {learned} to learn "
            "from: raise it in params.yaml"
        )
    if prices and not learned:
        raise MarketError(
            f"{path}: all {prices} prices look like placeholders (12345…, 11111…), which leaves "
            "none to learn from: correct them"
        )


def html_messages(path: Path, counts: dict[str, int]) -> list[str]:
    """Return a line for each column of a table whose texts have HTML."""
    return [
        f"{path}: {count} texts of {name!r:.60} have HTML: only the text in it is kept"
        for name, count in counts.items()
    ]


def unknown_event_messages(path: Path, unknown: dict[str, int]) -> list[str]:
    """Return a line for each of the commonest events without a weight, and one for all others."""
    known = f"events with a weight: {', '.join(EVENTS)}"
    lines = []
    for event, count in list(unknown.items())[:MAX_EVENTS_SHOWN]:
        similar = difflib.get_close_matches(event.lower(), EVENTS, n=1)
        remedy = f": rename it if {similar[0]!r} is meant" if similar else f" ({known})"
        lines.append(f"{path}: event {event!r:.60} ({count} rows) counts as a view{remedy}")
    if unknown:
        lines.append(f"{path}: input.events in params.yaml renames events")
    if (more := len(unknown) - MAX_EVENTS_SHOWN) > 0:
        lines.append(f"{path}: {more} other events count as views: metrics/clean.json lists them")
    return lines
