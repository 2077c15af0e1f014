"""Make a log of searches of any size, to try `search_log.py` and to time it.

Out: Products.csv, searches.csv and interactions.csv in --out. The texts are invented words, the ids
     hold odd characters, and there are no photos, prices or categories.

Products and queries belong to topics, each with words of its own. A listing is relevant to a query
if it belongs to the query's topic and is of good quality, which only clicks show. The shown order
is by common words, with noise. Users read from the top and leave when satisfied. As in many logs,
one search in ten has no user, and times are dates unless --times says otherwise.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import pandas as pd
from command import BenchmarkCommand

from market.search.click_simulation import MAX_SHOWN, MIN_SHOWN, TopDown

PER_TOPIC = 40  # products of a topic
TOPIC_WORDS, COMMON_WORDS = 25, 2000
DAYS = 60
WITHOUT_USER = 0.1  # share of the searches
ODD = "#%&+'üß京/.~:="  # characters of ids


class Marketplace:
    """Products and queries with their topics and words, all drawn from one generator."""

    def __init__(self, products: int, queries: int, rng: np.random.Generator) -> None:
        topics = max(products // PER_TOPIC, 2)
        self.rng = rng
        self.topic = rng.integers(topics, size=products)
        self.quality = rng.random(products)
        self.words = [self._draw_words(topic, rng.integers(2, 6)) for topic in self.topic]
        self.query_topic = rng.integers(topics, size=queries)
        self.queries = [self._draw_words(topic, rng.integers(1, 4)) for topic in self.query_topic]
        self.members = [np.flatnonzero(self.topic == topic) for topic in range(topics)]
        self.ids = [f"{ODD[n % len(ODD)]}{n:05x}" for n in range(products)]

    def _draw_words(self, topic: int, count: int) -> list[str]:
        """Return words of a topic; one in four is common to all."""
        own = topic * TOPIC_WORDS + self.rng.zipf(1.5, size=count) % TOPIC_WORDS
        common = -1 - self.rng.integers(COMMON_WORDS, size=count)
        return [_word(n) for n in np.where(self.rng.random(count) < 0.25, common, own)]

    def search(self, query: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the products shown for a query (k,), and whether each is relevant."""
        others = self.rng.integers(len(self.ids), size=10)
        candidates = np.unique(np.r_[self.members[self.query_topic[query]], others])
        wanted = set(self.queries[query])
        score = np.array([len(wanted & set(self.words[row])) for row in candidates], float)
        score += self.rng.normal(0, 0.5, len(candidates))
        shown = candidates[np.argsort(-score)[: self.rng.integers(MIN_SHOWN, MAX_SHOWN + 1)]]
        in_topic = self.topic[shown] == self.query_topic[query]
        return shown, in_topic & (self.quality[shown] > 0.5)


def _word(number: int) -> str:
    """Return an invented word, the same for the same number."""
    return f"w{(number * 2654435761) % 2**32:08x}"


def make_tables(
    products: int, searches: int, *, times: bool, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the tables of listings, searches and interactions.

    Parameters
    ----------
    products, searches
        The numbers of rows.
    times
        Whether timestamps have hours; otherwise they are dates.
    seed
        Of all draws.
    """
    rng = np.random.default_rng(seed)
    market = Marketplace(products, max(searches // 3, 2), rng)
    shares = np.arange(1, len(market.queries) + 1) ** -0.7
    clicker = TopDown(relevant=0.35, irrelevant=0.08)
    moments = np.sort(rng.integers(DAYS * 86_400, size=searches))
    rows, clicks = [], []
    for number, query in enumerate(
        rng.choice(len(market.queries), searches, p=shares / shares.sum()).tolist()
    ):
        shown, relevant = market.search(query)
        user = "" if rng.random() < WITHOUT_USER else f"u{rng.integers(searches // 2)}"
        time = pd.Timestamp("2024-03-01") + pd.Timedelta(seconds=int(moments[number]))
        stamp = time.isoformat() if times else time.date().isoformat()
        ids = [market.ids[row] for row in shown]
        rows.append((f"s{number}", user, stamp, " ".join(market.queries[query]), " ".join(ids)))
        for place in np.flatnonzero(clicker.click(relevant, rng)).tolist():
            event = "buy" if rng.random() < 0.1 else "view"
            clicks.append((user, ids[place], event, stamp, f"s{number}"))
    names = [" ".join(words) for words in market.words]
    descriptions = [
        " ".join(market._draw_words(topic, rng.integers(5, 20))) for topic in market.topic
    ]
    return (
        pd.DataFrame(
            {"id": market.ids, "product_name": names, "product_description": descriptions}
        ),
        pd.DataFrame(rows, columns=["search_id", "user_id", "timestamp", "query", "product_ids"]),
        pd.DataFrame(clicks, columns=["user_id", "product_id", "event", "timestamp", "search_id"]),
    )


@click.command(cls=BenchmarkCommand, help=__doc__)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A new folder.")
@click.option("--products", default=48_000, show_default=True)
@click.option("--searches", default=65_000, show_default=True)
@click.option("--times", is_flag=True, help="Timestamps have hours.")
@click.option("--seed", default=0, show_default=True)
def main(out: Path, products: int, searches: int, times: bool, seed: int) -> None:
    tables = make_tables(products, searches, times=times, seed=seed)
    out.mkdir(parents=True)
    for name, table in zip(("Products", "searches", "interactions"), tables, strict=True):
        table.to_csv(out / f"{name}.csv", index=False)
        click.echo(f"{out / name}.csv: {len(table):,} rows")


if __name__ == "__main__":
    main()
