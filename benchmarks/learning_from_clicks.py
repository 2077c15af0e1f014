"""Learn from simulated clicks on a real catalogue, where the relevant listings are known.

In:  models/index of a project (--index), by default of the current folder; without --prices no
     price is known. The catalogue needs categories.
Out: a table, printed; --out writes it as CSV, a row for each run.

A query is the name of a leaf category, or a longer word of that name; the listings of the leaf are
relevant, and no category is indexed. Half of the leaves, drawn by the seed, give the queries that
users search for; NDCG@10 is measured on the queries of the other half, over all candidates. What
users see is a page of 10 to 20 of the served ranking, with noise of a place. The served ranking is
the prior's, or that of distorted weights, which leaves more to learn. `naive` takes no account of
places, `ours` is the position-aware fit after its test on held-out queries, `ungated` is the same
without the test, and `truth` is fitted to the relevance of the same pages.

--placebo N instead simulates N logs in which clicks depend on the place alone, and reports how
often the gate accepts what was learned.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
from command import BenchmarkCommand
from threadpoolctl import threadpool_limits

from market.core.errors import MarketError
from market.core.paths import EXPECTED_PRICES, PHOTO_EMBEDDER, SEARCH_INDEX
from market.core.stage import progress
from market.core.torch_setup import set_up_torch
from market.search.click_fitting import fit_clicks, learn_from_clicks
from market.search.click_simulation import (
    CLICKERS,
    PLACEBO,
    Clicker,
    SimulatedSearch,
    leaf_queries,
    simulate_searches,
)
from market.search.encoders import CachedTextEncoder
from market.search.engine import Engine
from market.search.evaluation_queries import encode_queries
from market.search.feature_names import QUERY_FEATURES
from market.search.impressions import Impressions
from market.search.index import SearchIndex
from market.search.metrics import ndcg
from market.search.ranker import Ranker
from market.search.tuning import EVERYTHING

# Words alone, nearly: what a shop may have before it has vectors.
DISTORTED = dict.fromkeys(QUERY_FEATURES, 0.0) | {
    "bm25": 8.0, "text_similarity": 0.2, "image_similarity": 0.2, "recency": 3.0,
}  # fmt: skip
SESSIONS = (300, 1000, 4000)
PLACEBO_SESSIONS = 1000


@dataclass(frozen=True, eq=False)
class LeafQuery:
    """A query with the m candidates that the engine finds for it.

    Attributes
    ----------
    leaf
        The name of the leaf category.
    features
        m rows of the ranker's features.
    relevant
        (m,) bool: the candidate is of the leaf.
    n_relevant
        The number of the leaf's listings, candidates or not.
    """

    leaf: str
    features: pd.DataFrame
    relevant: np.ndarray
    n_relevant: int

    def ndcg(self, ranker: Ranker) -> float:
        """Return the NDCG@10 of the candidates as a ranker orders them."""
        return float(ndcg(ranker.predict(self.features), self.relevant, self.n_relevant))


def load_engine(index: Path, prices: Path | None) -> Engine:
    """Open an index with prior weights; without a table of prices, none is known."""
    set_up_torch(0)
    encoder = CachedTextEncoder.load(index)
    if prices is not None:
        return Engine.load(index, None, PHOTO_EMBEDDER, prices, encode_text=encoder)
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        ids = SearchIndex.load(index).listings[["product_id"]]
        ids.assign(price_expected=np.nan, price_flag="").to_parquet(file.name)
        return Engine.load(index, None, PHOTO_EMBEDDER, Path(file.name), encode_text=encoder)


def find_candidates(engine: Engine) -> list[LeafQuery]:
    """Return all queries whose candidates include a relevant listing."""
    leaves = leaf_queries(engine.listings)
    encode_queries(engine.encode_text, [text for queries in leaves.values() for text in queries])
    everything = engine.allowed(EVERYTHING)
    searchable = []
    for leaf, queries in progress(leaves.items(), desc="find candidates", unit="leaf"):
        for text, ids in queries.items():
            positions, features = engine.candidates(engine.build_query(text), everything)
            relevant = np.isin(engine.catalogue.ids(positions), list(ids))
            if relevant.any():
                searchable.append(LeafQuery(leaf, features.astype(np.float32), relevant, len(ids)))
    if len({query.leaf for query in searchable}) < 2:
        raise MarketError("the catalogue has fewer than two leaf categories to search for")
    return searchable


def split_leaves(queries: list[LeafQuery], seed: int) -> tuple[list[LeafQuery], list[LeafQuery]]:
    """Divide the leaves at random, and return the queries of each half."""
    leaves = sorted({query.leaf for query in queries})
    searched = set(np.random.default_rng(seed).permutation(leaves)[: len(leaves) // 2].tolist())
    return (
        [query for query in queries if query.leaf in searched],
        [query for query in queries if query.leaf not in searched],
    )


def to_impressions(queries: list[LeafQuery], searches: list[SimulatedSearch]) -> Impressions:
    """Return the pages of simulated searches, with their clicks and the features of each query."""
    sizes = [len(search.shown) for search in searches]
    return Impressions(
        features=pd.concat(
            [queries[search.query].features.iloc[search.shown] for search in searches],
            ignore_index=True,
        ),
        search=np.repeat(np.arange(len(searches)), sizes),
        place=np.concatenate([np.arange(size) for size in sizes]),
        gain=np.concatenate([search.clicked for search in searches]).astype(float),
        query=np.array([search.query for search in searches]),
        weight=np.ones(sum(sizes)),
        listing=np.concatenate([search.shown for search in searches]),
    )


def simulate(
    queries: list[LeafQuery], served: Ranker, clicker: Clicker, *, sessions: int, seed: int
) -> tuple[Impressions, np.ndarray]:
    """Return the impressions of simulated searches, and the relevance (n,) of their rows."""
    rankings = [np.argsort(-served.predict(query.features), kind="stable") for query in queries]
    searches = simulate_searches(
        rankings, [query.relevant for query in queries], clicker, searches=sessions, seed=seed
    )
    relevance = [queries[search.query].relevant[search.shown] for search in searches]
    return to_impressions(queries, searches), np.concatenate(relevance).astype(float)


def compare(
    queries: list[LeafQuery], served: Ranker, clicker: Clicker, sessions: list[int], seed: int
) -> Iterator[dict[str, Any]]:
    """Yield the held-out NDCG@10 of all rankers after each number of sessions."""
    searched, held_out = split_leaves(queries, seed)
    everything, relevance = simulate(
        searched, served, clicker, sessions=max(sessions), seed=seed + 1000
    )

    def score(ranker: Ranker) -> float:
        return float(np.mean([query.ndcg(ranker) for query in held_out]))

    known = replace(everything, gain=relevance)
    truth = fit_clicks(known, served, seed=seed, position_aware=False).ranker
    for count in sessions:
        first = np.arange(len(everything)) < count
        impressions = everything.select(first)
        learned = learn_from_clicks(impressions, served, seed=seed)
        yield {
            "sessions": count,
            "prior": score(served),
            "naive": score(fit_clicks(impressions, served, seed=seed, position_aware=False).ranker),
            "ungated": score(fit_clicks(impressions, served, seed=seed).ranker),
            "ours": score(learned.ranker),
            "truth": score(truth),
            "accepted": learned.accepted,
            "held_out_queries": len(held_out),
        }


def summarise(runs: pd.DataFrame) -> str:
    """Return a Markdown table: means over the seeds, with their standard errors."""
    rows = []
    for (served, clicker, sessions), group in runs.groupby(
        ["served", "clicker", "sessions"], sort=False
    ):
        row: dict[str, Any] = {"served": served, "clicks": clicker, "sessions": sessions}
        row |= {name: f"{group[name].mean():.4f}"
                for name in ("prior", "naive", "ungated", "ours", "truth")}  # fmt: skip
        for name, other in (("ours − prior", "prior"), ("ours − naive", "naive")):
            gain = group["ours"] - group[other]
            row[name] = f"{gain.mean():+.4f} ± {gain.std(ddof=1) / np.sqrt(len(gain)):.4f}"
        row |= {"accepted": f"{group['accepted'].mean():.0%}", "n": len(group)}
        rows.append(row)
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)


def run_placebo(queries: list[LeafQuery], runs: int, seed: int) -> pd.DataFrame:
    """Return for each simulated log of clicks by the place alone whether the gate accepted."""
    rows = []
    for number in progress(range(runs), desc="placebo", unit="log"):
        searched, _ = split_leaves(queries, seed + number)
        impressions, _ = simulate(
            searched, Ranker.prior(), PLACEBO, sessions=PLACEBO_SESSIONS, seed=seed + number + 1000
        )
        learned = learn_from_clicks(impressions, Ranker.prior(), seed=seed + number)
        rows.append({"seed": seed + number, "accepted": learned.accepted, "gain": learned.gain,
                     "standard_error": learned.standard_error})  # fmt: skip
    return pd.DataFrame(rows)


def run_comparison(
    queries: list[LeafQuery], clickers: list[str], sessions: list[int], seeds: int, seed: int
) -> pd.DataFrame:
    """Return a row for each served ranking, clicker, seed and number of sessions."""
    rankers = {"prior": Ranker.prior(), "distorted": Ranker.prior().with_weights(DISTORTED)}
    cases = [
        (served, name, number)
        for served in rankers
        for name in clickers
        for number in range(seed, seed + seeds)
    ]
    rows = []
    for served, name, number in progress(cases, desc="simulate", unit="log"):
        for row in compare(queries, rankers[served], CLICKERS[name], sessions, number):
            rows.append({"served": served, "clicker": name, "seed": number, **row})
    return pd.DataFrame(rows)


@click.command(cls=BenchmarkCommand, help=__doc__)
@click.option("--index", type=click.Path(path_type=Path), default=SEARCH_INDEX, show_default=True)
@click.option(
    "--prices", type=click.Path(exists=True, path_type=Path), help=f"As {EXPECTED_PRICES}."
)
@click.option("--out", type=click.Path(path_type=Path), help="Where to write all runs, as CSV.")
@click.option("--seed", default=0, show_default=True, help="The first.")
@click.option("--seeds", default=5, show_default=True, help="The number of seeds.")
@click.option("--clicker", "clickers", multiple=True, type=click.Choice([*CLICKERS]))
@click.option("--sessions", multiple=True, type=int, default=SESSIONS, show_default=True)
@click.option("--placebo", type=int, default=0, help="The number of logs without relevance.")
def main(
    index: Path,
    prices: Path | None,
    out: Path | None,
    seed: int,
    seeds: int,
    clickers: tuple[str, ...],
    sessions: tuple[int, ...],
    placebo: int,
) -> None:
    started = time.perf_counter()
    if not index.exists():
        raise MarketError(f"{index} does not exist: run the pipeline up to stage index")
    with threadpool_limits(1, "blas"):
        queries = find_candidates(load_engine(index, prices))
        leaves = len({query.leaf for query in queries})
        click.echo(f"{len(queries):,} queries for {leaves:,} leaf categories")
        if placebo:
            runs = run_placebo(queries, placebo, seed)
            share = runs["accepted"].mean()
            error = np.sqrt(share * (1 - share) / len(runs))
            click.echo(
                f"placebo: the gate accepted {share:.1%} ± {error:.1%} of {len(runs)} logs of "
                f"{PLACEBO_SESSIONS} sessions"
            )
        else:
            runs = run_comparison(queries, list(clickers or CLICKERS), [*sessions], seeds, seed)
            click.echo(summarise(runs))
    click.echo(f"{(time.perf_counter() - started) / 60:.1f} minutes")
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        runs.to_csv(out, index=False)


if __name__ == "__main__":
    main()
