"""Turn the log of another search system into searches.csv and interactions.csv of a raw folder.

\b
python -m market.import_log ubi --queries ubi_queries.ndjson --events ubi_events.ndjson --out DIR
python -m market.import_log metarank --events events.jsonl.gz --out DIR

Clicks count as views, add-to-cart and favourites as saves, contacts as messages, and orders as
purchases; --event NAME=KIND decides on further actions. Records that cannot be used are listed in
DIR/import_rejects.csv.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from market.core.errors import MarketError
from market.core.settings import EVENTS
from market.data.foreign_logs import ForeignLog
from market.data.metarank_log import read_metarank
from market.data.ubi_log import read_ubi


def _chosen(values: tuple[str, ...]) -> dict[str, str]:
    """Return the kind of each action that options name."""
    kinds = {}
    for value in values:
        name, _, kind = value.rpartition("=")
        if not name or kind not in EVENTS:
            raise MarketError(f"--event {value}: write NAME=KIND, with one of {', '.join(EVENTS)}")
        kinds[name] = kind
    return kinds


def _import(read: Callable[[], ForeignLog], out: Path) -> None:
    """Write a log, and print what became of it; a MarketError becomes one line."""
    try:
        log = read()
        files = log.write(out)
    except MarketError as error:
        raise click.ClickException(str(error)) from None
    for line in log.messages():
        click.echo(line)
    names = " and ".join(str(path) for path in files)
    click.echo(f"{len(log.searches)} searches and {len(log.events)} events in {names}")


FILE = click.Path(path_type=Path)
EVENT = click.option(
    "--event", "events_as", multiple=True, metavar="NAME=KIND",
    help="Count this action as view, save, message or buy; may be repeated.",
)  # fmt: skip
OUT = click.option("--out", type=FILE, required=True, help="The raw folder to write to.")


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command()
@click.option("--queries", type=FILE, required=True, help="Export of ubi_queries.")
@click.option("--events", type=FILE, required=True, help="Export of ubi_events.")
@OUT
@EVENT
def ubi(queries: Path, events: Path, out: Path, events_as: tuple[str, ...]) -> None:
    """Import OpenSearch's User Behavior Insights (NDJSON, JSON or CSV)."""
    _import(lambda: read_ubi(queries, events, _chosen(events_as)), out)


@main.command()
@click.option("--events", type=FILE, required=True, help="Metarank's events, as JSON Lines.")
@OUT
@EVENT
def metarank(events: Path, out: Path, events_as: tuple[str, ...]) -> None:
    """Import metarank's ranking and interaction events."""
    _import(lambda: read_metarank(events, _chosen(events_as)), out)


if __name__ == "__main__":
    main()
