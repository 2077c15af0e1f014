"""Compare our ranker with established recommenders on a log of interactions.

In:  a CSV of user_id, product_id, event and timestamp (or MovieLens' columns: rating in place of
     event). Products need not be listings.
Out: a table for each protocol, printed. --out writes all of them as CSV, and the rows of the log
     that could not be read to <out>.rejects.csv.

The headline is a split by time. All models are fitted on the events before a cut-off; --test-share
of the events come after it. A user is evaluated on the target event: the first event after the
cut-off with a product that is new to them. A model ranks all products that have an event before the
cut-off and that the user has not seen; products are not sampled. The user's history is everything
before the target event, and every feature is as of its time. A target without an event before the
cut-off cannot be found and counts as missed for every model. New users, who have no event before
the target, are evaluated apart, with the models that need no history.

Settings are chosen in the same way within the events before the cut-off: each baseline gets the
settings with the best NDCG@10; our ranker learns its weights, its trees and their number there. A
small log is split at several such times. Then every model is fitted again on all events before the
cut-off.

leave_last_out is for comparison with published results: a user's target is the last product that
was new to them, and settings are chosen on the one before. There, later events of other users leak
into every model, which flatters all of them; only `trending` and `recent popular` are as of the
target event. A log that cannot be split by time (all events have one time, or no user comes back
after the cut-off) has this table only.

Intervals are 95 % bootstrap intervals over users. `ours minus` is the paired difference by user.
"""

from __future__ import annotations

from pathlib import Path

import click
import pandas as pd
from command import BenchmarkCommand
from next_item_task import split_by_time
from recommender_evaluation import METRICS, compare
from threadpoolctl import threadpool_limits

from market.core.errors import MarketError
from market.data.holdouts import VALIDATION, Holdout, leave_last_out
from market.data.interactions import check_interactions
from market.data.tables import read_table

TIME = "time"
LAST_OUT = "leave_last_out"


def split_log(log: pd.DataFrame, test_share: float) -> dict[str, tuple[Holdout, list[Holdout]]]:
    """Return, by protocol, the holdout to evaluate on and those to choose settings on.

    A log that cannot be split by time has LAST_OUT only; a line on standard error says so.
    """
    protocols = {}
    try:
        protocols[TIME] = split_by_time(log, test_share)
    except MarketError as error:
        click.echo(f"{error}: {LAST_OUT} only", err=True)
    protocols[LAST_OUT] = leave_last_out(log), [leave_last_out(log, VALIDATION)]
    return protocols


def to_markdown(table: pd.DataFrame) -> str:
    """Return the table as Markdown, with the intervals in brackets."""

    def cell(row: pd.Series, name: str) -> str:
        return f"{row[name]:.4f} ({row[f'{name}_low']:.4f} to {row[f'{name}_high']:.4f})"

    shown = table[["model"]].copy()
    for name in [*METRICS, "ours_minus"]:
        shown[name.replace("_", " ")] = [cell(row, name) for _, row in table.iterrows()]
    shown["coverage"] = table["coverage"].map("{:.1%}".format)
    shown = shown.join(table[["n", "seed", "fit_seconds", "settings"]])
    return shown.to_markdown(index=False, disable_numparse=True)


def report(protocol: str, table: pd.DataFrame, facts: dict[str, int]) -> None:
    """Print the results of one protocol, as `compare` returns them."""
    click.echo(
        "\n{}: {returning:,} users evaluated, {unknown_products:,} of them on a product that "
        "cannot be found; {products:,} products; settings chosen on {tuning_events:,} earlier "
        "events\n".format(protocol, **facts)
    )
    click.echo(to_markdown(table[table["users"] == "returning"]))
    if facts["new"]:
        click.echo(f"\n{protocol}, {facts['new']:,} new users: without any earlier event\n")
        click.echo(to_markdown(table[table["users"] == "new"]))


def report_rejects(rejects: pd.DataFrame, path: Path, out: Path | None) -> None:
    """Print how many rows of the log were left out, and why; write them beside `out`."""
    if rejects.empty:
        return
    counts = rejects["reason"].value_counts()
    reasons = "; ".join(f"{reason} ({count:,})" for reason, count in counts.items())
    click.echo(f"{len(rejects):,} rows of {path} left out: {reasons}", err=True)
    if out is not None:
        rejects.to_csv(out.with_name(f"{out.name}.rejects.csv"), index=False)


@click.command(cls=BenchmarkCommand, help=__doc__)
@click.option(
    "--log",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="A CSV.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Where to write the tables, as CSV.")
@click.option("--seed", default=0, show_default=True)
@click.option("--max-users", default=20_000, show_default=True, help="Evaluated, drawn at random.")
@click.option(
    "--test-share",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.2,
    show_default=True,
    help="Share of the events after the cut-off.",
)
def main(path: Path, out: Path | None, seed: int, max_users: int, test_share: float) -> None:
    log, rejects = check_interactions(read_table(path), path)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
    report_rejects(rejects, path, out)
    products = log.groupby("user_id")["product_id"].nunique()
    click.echo(
        f"{len(log):,} events of {len(products):,} users with {log['product_id'].nunique():,} "
        f"products, {products.eq(1).sum():,} users with one product only"
    )
    tables = []
    for protocol, (holdout, earlier) in split_log(log, test_share).items():
        with threadpool_limits(1, "blas"):  # implicit has threads of its own
            table, facts = compare(log, holdout, earlier, seed=seed, max_users=max_users)
        report(protocol, table, facts)
        table.insert(0, "protocol", protocol)
        tables.append(table)
        if out is not None:
            pd.concat(tables).to_csv(out, index=False)


if __name__ == "__main__":
    main()
