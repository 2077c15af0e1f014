"""Learn from a log of searches that somebody else made, and judge on queries never seen.

In:  --raw, a folder with Products.csv, searches.csv (search_id, user_id, timestamp, query,
     product_ids) and interactions.csv (product_id, and search_id or user_id and timestamp).
     Photos, prices, categories, times and users may be absent. The tables may be compressed, and
     have other common names of columns and forms of lists; each assumption is printed.
Out: a table, printed; --out writes it as CSV.

The folder goes through the code of the stages clean, merge, embed_texts and index. Queries are
divided into those to fit on and those to judge on; words in another order or form are the same
query. If the log has times, the models are fitted on the earlier searches and judged on the later
ones. Everything that is fitted or counted, users' histories included, comes from searches of the
fitting queries before the cut-off, and from events before it that followed no search in words.

A model reranks the listings that a judged search showed. Its score is NDCG@10 by clicks, each
divided by the probability that users look at its place; our position-aware fit estimates that on
the fitting part alone. Only searches with a click count. `by raw clicks` is the same without the
correction, which favours the shown order. Intervals are 95 % bootstrap intervals over queries;
`ours minus` is the paired difference.

LambdaMART has the defaults and the features of metarank's documentation: BM25, shared words and
the cosine of name and query, numbers of words, and the clicks and click rates of each listing in
windows. metarank does not correct for places by default.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import pandas as pd
from command import BenchmarkCommand
from search_log_counts import ShownRows
from search_log_data import SearchLog, Split, prepare_raw, split_searches
from search_log_index import EngineBuilder, input_settings
from search_log_models import OURS, Comparison, Part

from market.core.errors import MarketError
from market.search.click_fitting import ClickFit, LearnedRanker
from market.search.click_metrics import corrected_ndcg
from market.search.engine import Engine
from market.search.impressions import WINDOWS, Impressions, query_keys

RESAMPLES = 1000  # bootstrap samples for one interval
SHOWN_WEIGHTS = 12  # of the learned ranker, those that moved most


def collect_parts(
    engine: Engine, log: SearchLog, split: Split, keys: pd.Series, *, max_searches: int, seed: int
) -> tuple[SearchLog, Part, Part]:
    """Return the part of the log to fit on, and the impressions of both parts.

    Parameters
    ----------
    engine
        With prior weights.
    log
        The whole log.
    split
        Of its searches.
    keys
        The key of each search's query.
    max_searches
        Of each part, at most; only searches with a click are drawn.
    seed
        Draws them.
    """
    earlier = log.before(split.cutoff, split.fitting)
    parts = []
    # All judged searches come after the cut-off: one model of the events before it is enough.
    judged_windows = WINDOWS if split.cutoff is None else 1
    for searches, clicks, windows in (
        (split.fitting, earlier.clicks, WINDOWS),
        (split.judged, log.clicks, judged_windows),
    ):
        clicked = searches[searches["search_id"].isin(clicks["search_id"])]
        if clicked.empty:
            raise MarketError(
                "the queries to fit on, or those to judge on, have no search with a click: the log "
                "needs more queries with clicks"
            )
        impressions = Impressions.collect(
            engine,
            clicked,
            clicks,
            earlier.events,
            max_searches=max_searches,
            seed=seed,
            windows=windows,
        )
        impressions = impressions.select(impressions.clicked)
        parts.append(Part(impressions, ShownRows.of(impressions, clicked, keys, engine)))
    return earlier, *parts


def tabulate(comparison: Comparison, examination: np.ndarray, seed: int) -> pd.DataFrame:
    """Return a row for each model, with its scores, their intervals and the difference of ours."""
    judged = comparison.judged.impressions
    rng = np.random.default_rng(seed)
    queries, codes = np.unique(judged.query, return_inverse=True)
    sizes = np.bincount(codes)
    draws = rng.multinomial(len(queries), np.full(len(queries), 1 / len(queries)), size=RESAMPLES)
    scores = {
        name: corrected_ndcg(judged, values, examination)
        for name, values in comparison.scores.items()
    }

    def interval(values: np.ndarray) -> tuple[float, float]:
        sums = np.bincount(codes, values)
        low, high = np.quantile(draws @ sums / (draws @ sizes), [0.025, 0.975])
        return float(low), float(high)

    rows = []
    for name, values in scores.items():
        low, high = interval(values)
        gain = scores[OURS] - values
        gain_low, gain_high = interval(gain)
        raw = corrected_ndcg(judged, comparison.scores[name], np.ones(1))
        rows.append(
            {
                "model": name,
                "ndcg@10": values.mean(), "ndcg@10_low": low, "ndcg@10_high": high,
                "ours_minus": gain.mean(),
                "ours_minus_low": gain_low, "ours_minus_high": gain_high,
                "by_raw_clicks": raw.mean(),
                "searches": len(values), "queries": len(queries),
                "fitted_on": len(comparison.fitting.impressions), "seed": seed,
                "fit_seconds": round(comparison.seconds[name], 1),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def to_markdown(table: pd.DataFrame) -> str:
    """Return the table as Markdown, with the intervals in brackets."""

    def cells(name: str) -> list[str]:
        low, high = table[f"{name}_low"], table[f"{name}_high"]
        return [
            f"{value:.4f} ({a:.4f} to {b:.4f})"
            for value, a, b in zip(table[name], low, high, strict=True)
        ]

    shown = table[["model"]].assign(
        **{"ndcg@10": cells("ndcg@10"), "ours minus": cells("ours_minus")}
    )
    shown["by raw clicks"] = table["by_raw_clicks"].map("{:.4f}".format)
    shown = shown.join(table[["searches", "queries", "seed", "fit_seconds"]])
    return shown.to_markdown(index=False, disable_numparse=True)


def report(engine: Engine, aware: ClickFit, served: LearnedRanker) -> None:
    """Print the learned examination and weights, and the gate's decision."""
    curve = " ".join(f"{value:.2f}" for value in aware.examination[:20])
    click.echo(f"\nexamination by place, the first is 1: {curve}")
    click.echo(
        f"gate: {'accepted' if served.accepted else 'kept the prior'}; held-out fitting queries "
        f"gain {served.gain:+.4f} ± {served.standard_error:.4f} (standard error)"
    )
    prior, learned = engine.ranker.weights, aware.ranker.weights
    moved = sorted(learned, key=lambda name: -abs(learned[name] - prior.get(name, 0.0)))
    weights = ", ".join(
        f"{name} {prior.get(name, 0.0):.2f} → {learned[name]:.2f}"
        for name in moved[:SHOWN_WEIGHTS]
        if learned[name] != prior.get(name)
    )
    click.echo(f"weights that moved most: {weights or 'none'}\n")


def run(
    raw: Path, cache: Path, *, max_searches: int, seed: int, judged_share: float, later_share: float
) -> pd.DataFrame:
    """Run the whole benchmark on a raw folder, and print its results; return the table."""
    settings = input_settings(raw)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        timed, notes = prepare_raw(raw, work / "raw", settings)
        for note in notes:
            click.echo(note, err=True)
        log = SearchLog.clean(work / "raw", work / "clean", settings, timed=timed)
        builder = EngineBuilder(work / "clean", cache, settings)
        engine = builder.build()
    keys = pd.Series(query_keys(engine, log.searches["query"]), index=log.searches.index)
    split = split_searches(log, keys, judged_share=judged_share, later_share=later_share, seed=seed)
    used = pd.concat([split.fitting, split.judged])
    used = used[used["search_id"].isin(log.clicks["search_id"])]
    builder.encode_ahead(engine, used["query"].unique())
    earlier, fitting, judged = collect_parts(
        engine, log, split, keys, max_searches=max_searches, seed=seed
    )
    click.echo(
        f"{len(engine.listings):,} listings, {len(log.searches):,} searches, {len(log.clicks):,} "
        f"events on listings that they showed\nfitted on {len(fitting.impressions):,} searches "
        f"with a click for {len(np.unique(fitting.impressions.query)):,} queries, judged on "
        f"{len(judged.impressions):,} for {len(np.unique(judged.impressions.query)):,} others"
        + ("" if split.cutoff is None else f", from {split.cutoff:%Y-%m-%d %H:%M} on")
    )
    comparison = Comparison(engine, earlier, fitting, judged, seed)
    aware, served = comparison.run()
    report(engine, aware, served)
    return tabulate(comparison, aware.examination, seed)


@click.command(cls=BenchmarkCommand, help=__doc__)
@click.option(
    "--raw",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="A folder with the log.",
)
@click.option(
    "--cache",
    type=click.Path(path_type=Path),
    help="Where the index and the vectors of queries stay for the next run.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Where to write the table, as CSV.")
@click.option("--seed", default=0, show_default=True)
@click.option(
    "--max-searches",
    default=20_000,
    show_default=True,
    help="With a click, of each part, drawn at random.",
)
@click.option(
    "--judged-share",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.35,
    show_default=True,
    help="Share of the queries that are judged.",
)
@click.option(
    "--later-share",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.35,
    show_default=True,
    help="Share of the searches after the cut-off.",
)
def main(
    raw: Path,
    cache: Path | None,
    out: Path | None,
    seed: int,
    max_searches: int,
    judged_share: float,
    later_share: float,
) -> None:
    started = time.perf_counter()
    temporary = None if cache else Path(tempfile.mkdtemp())
    try:
        table = run(
            raw,
            cache or temporary or Path(),
            max_searches=max_searches,
            seed=seed,
            judged_share=judged_share,
            later_share=later_share,
        )
    finally:
        if temporary is not None:
            shutil.rmtree(temporary)
    click.echo(to_markdown(table))
    click.echo(f"\n{(time.perf_counter() - started) / 60:.1f} minutes")
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(out, index=False)


if __name__ == "__main__":
    main()
