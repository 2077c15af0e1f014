"""A synthetic log of searches: the rows of searches.csv, and the search of each event."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from market.data.synthetic.draws import Rng, draw_id, pick

SHARE_OF_VIEWS = 0.15  # that follow from a search
WITHOUT_CLICK = 0.3  # further searches, for each one with a click
WITHOUT_RESULT = 0.05
WITHOUT_USER = 0.1  # of the searches without a click
MISSPELT = 0.08
SHOWN = 12  # listings on a page
NOISE = 0.35  # standard deviation, beside the share of the query's words that a listing has
UNSOLD = ("hovercraft", "grand piano", "narrow boat", "beehive", "hot tub", "telescope")
WORD = re.compile(r"[^\W_]+")


def draw_searches(
    rng: Rng, products: pd.DataFrame, log: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Simulate searches before some of the views of a log, and searches without a click.

    The query has words of the viewed listing, its category or its colour, now and then with a
    typing error. Listings with these words are shown in a noisy order, and the viewed one at a
    place k drawn with probability in proportion to 1 / (k + 1), as users look at the top most.

    Parameters
    ----------
    rng
        The source of randomness: one of its own, so that the log stays as it is without searches.
    products
        The listings, as `listings.draw_products` returns them.
    log
        As `interactions.draw_interactions` returns it.

    Returns
    -------
    searches, log
        search_id, user_id, timestamp (ISO 8601 to the second), query, product_ids (separated by
        spaces) and total, by timestamp; and the log with the column search_id, "" without a search.
    """
    page = _Pages(rng, products)
    times = pd.to_datetime(log["timestamp"])
    row_of = {product_id: row for row, product_id in enumerate(products["id"])}
    search_ids = np.full(len(log), "", dtype=object)
    visits = _visits(log)
    searches: list[dict[str, Any]] = []
    for visit in visits:
        if rng.random() >= SHARE_OF_VIEWS:
            continue
        first = visit[0]
        time = times[first] - pd.Timedelta(seconds=int(rng.integers(3, 10)))
        viewed = row_of[log["product_id"][first]]
        search = page.draw(log["user_id"][first], time, page.draw_words(viewed), viewed)
        search_ids[visit] = search["search_id"]
        searches.append(search)
    for _ in range(round(WITHOUT_CLICK * len(searches))):
        event = int(rng.integers(len(log)))
        time = times[event] + pd.Timedelta(seconds=int(rng.integers(20, 2_000)))
        user = "" if rng.random() < WITHOUT_USER else log["user_id"][event]
        unsold = rng.random() < WITHOUT_RESULT / WITHOUT_CLICK
        words = [pick(rng, UNSOLD)] if unsold else page.draw_words(int(rng.integers(len(products))))
        searches.append(page.draw(user, time, words))
    table = pd.DataFrame(
        searches, columns=["search_id", "user_id", "timestamp", "query", "product_ids", "total"]
    ).sort_values("timestamp", kind="stable", ignore_index=True)
    table["timestamp"] = pd.to_datetime(table["timestamp"]).dt.strftime("%Y-%m-%dT%H:%M:%S")
    return table, log.assign(search_id=search_ids)


def _visits(log: pd.DataFrame) -> list[list[int]]:
    """Return the rows of each view in a log and of what the user then did with the listing."""
    visits: list[list[int]] = []
    for _, events in log.groupby("user_id", sort=True):
        for row, event, product_id in zip(
            events.index, events["event"], events["product_id"], strict=True
        ):
            follows = event != "view" and visits and log["product_id"][visits[-1][0]] == product_id
            if follows:
                visits[-1].append(row)
            elif event == "view":
                visits.append([row])
    return visits


class _Pages:
    """Pages of results, by the words of the listings (n rows)."""

    def __init__(self, rng: Rng, products: pd.DataFrame) -> None:
        self._rng = rng
        self._ids = products["id"].tolist()
        leaves = products["category"].str.split(" / ").str[-1]
        self._choices = [
            [WORD.findall(text.lower()) for text in row]
            for row in zip(products["noun"], leaves, products["colour"], strict=True)
        ]
        self._words = [{word for words in row for word in words} for row in self._choices]

    def draw_words(self, row: int) -> list[str]:
        """Return words with which a user would search for a listing."""
        noun, leaf, colour = self._choices[row]
        start = int(self._rng.integers(len(noun)))
        return pick(
            self._rng, [noun, noun, noun[start:], noun[-1:], [*colour, *noun[-2:]], leaf[:2]]
        )

    def draw(
        self, user_id: str, time: pd.Timestamp, words: list[str], viewed: int | None = None
    ) -> dict[str, Any]:
        """Return a search with its first page, which holds the viewed listing if there is one."""
        overlap = np.array([len(own & {*words}) for own in self._words]) / max(1, len(words))
        scores = overlap + self._rng.normal(0, NOISE, len(overlap))
        order = [row for row in np.argsort(-scores, kind="stable").tolist() if overlap[row] > 0]
        shown = order[:SHOWN]
        if viewed is not None:
            shown = [row for row in shown if row != viewed][: SHOWN - 1]
            weights = 1 / np.arange(1, len(shown) + 2)
            place = int(self._rng.choice(len(weights), p=weights / weights.sum()))
            shown.insert(place, viewed)
        return {
            "search_id": draw_id(self._rng),
            "user_id": user_id,
            "timestamp": time,
            "query": " ".join(self._misspell(word) for word in words),
            "product_ids": " ".join(self._ids[row] for row in shown),
            "total": str(len(order)),
        }

    def _misspell(self, word: str) -> str:
        """Return a word, now and then without a letter or with two letters swapped."""
        if len(word) < 4 or self._rng.random() >= MISSPELT:
            return word
        at = int(self._rng.integers(1, len(word) - 1))
        if self._rng.random() < 0.5:
            return word[:at] + word[at + 1 :]
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
