"""Estimate how another ranker would have done on the logged searches, before it goes live.

In:  --models, a folder as stage `rank` writes it; or --rev, a version, git revision or DVC
     experiment, whose models come from DVC's cache or remote; data/clean/searches.parquet with
     clicks in interactions.parquet; models/index.
Out: for clicks and purchases among the first --places of a search, the estimates of
     market.search.replay with 95 % intervals, and the difference to the order that was shown, or to
     the models of --baseline. Corrected NDCG@10 of both orders. Warnings, if the log supports no
     such estimates. With --out FILE: the same as JSON.

Only searches in words count. The listings that a search showed are put in the new order; what it
would have shown besides is not known.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import pandas as pd
from tabulate import tabulate

from market.core.atomic import write_json
from market.core.errors import MarketError
from market.core.paths import (
    EXPECTED_PRICES,
    INTERACTIONS,
    PHOTO_EMBEDDER,
    SEARCH_INDEX,
    SEARCHES,
    require,
)
from market.core.stage import stage
from market.core.torch_setup import set_up_torch
from market.data.searches import clicks_of, read_searches
from market.search.cases import log_of_listings
from market.search.encoders import CachedTextEncoder
from market.search.engine import Engine
from market.search.model_registry import ModelRegistry
from market.search.model_versions import load_variant
from market.search.replay import ReplayEstimate
from market.search.replay_report import ReplayReport, replay

HEADERS = ["reward", "estimator", "new", "95 % interval", "difference", "95 % interval"]


@stage
@click.option("--models", help="Folder of the new models.")
@click.option("--rev", help="Revision of the new models.")
@click.option("--baseline", help="Models to compare with; by default the order that was shown.")
@click.option("--places", default=10, show_default=True, help="First places that count.")
@click.option("--max-searches", default=5000, show_default=True, help="Searches to draw.")
@click.option("--seed", default=42, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write.")
def main(
    models: str | None,
    rev: str | None,
    baseline: str | None,
    places: int,
    max_searches: int,
    seed: int,
    out: Path | None,
) -> str:
    if (models is None) == (rev is None):
        raise MarketError("give --models FOLDER or --rev REVISION, and not both")
    if min(places, max_searches) < 1:
        raise MarketError("--places and --max-searches must be at least 1")
    require(SEARCH_INDEX, INTERACTIONS, EXPECTED_PRICES, PHOTO_EMBEDDER)
    if rev is not None:
        ModelRegistry().bring_variant(rev)
    new = load_variant(models or rev or "")
    old = None if baseline is None else load_variant(baseline)
    set_up_torch(seed)
    encoder = CachedTextEncoder.load(SEARCH_INDEX)
    engine = Engine.load(SEARCH_INDEX, None, PHOTO_EMBEDDER, encode_text=encoder)
    log = log_of_listings(pd.read_parquet(INTERACTIONS), engine.listings)
    searches = read_searches()
    clicks = clicks_of(searches, log)
    if clicks.empty:
        raise MarketError(
            f"{SEARCHES}: no search with a click ({len(searches):,} searches): record searches "
            "(docs/serve.md), bring them with `python -m market.pull_logs`, then run `dvc repro`"
        )
    report = replay(
        engine, new, old, searches, clicks, log, k=places, max_searches=max_searches, seed=seed
    )
    print_report(report)
    if out is not None:
        write_json(out, report.summary())
    return ""


def print_report(report: ReplayReport) -> None:
    """Print the estimates, and what to be careful about."""

    def cells(estimate: ReplayEstimate | None, sign: str, has_interval: bool) -> list[str]:
        if estimate is None or np.isnan(estimate.estimate.value):
            return ["", ""]
        bounds = interval(estimate.interval) if has_interval else ""
        return [f"{estimate.estimate.value:{sign}.4f}", bounds]

    rows = [
        [
            row.reward,
            row.estimate.name,
            *cells(row.estimate, "", row.has_interval),
            *cells(row.difference, "+", row.has_interval),
        ]
        for row in report.rows
    ]
    click.echo(tabulate(rows, headers=HEADERS, disable_numparse=True))
    click.echo(
        f"\n{report.searches:,} searches for {report.queries:,} queries; the difference is to "
        f"{report.compared_with}; places are examined as "
        + " ".join(f"{value:.2f}" for value in report.examination[:10])
        + f"; effective clicks: {report.effective_clicks:,.0f}; support: {report.support:.0%}"
    )
    for warning in report.warnings:
        click.echo(f"Warning: {warning}", err=True)


def interval(bounds: tuple[float, float]) -> str:
    """Return an interval as a text."""
    return "" if np.isnan(bounds[0]) else f"{bounds[0]:.4f} … {bounds[1]:.4f}"


if __name__ == "__main__":
    main()
