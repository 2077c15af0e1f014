"""The command line of a benchmark."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from market.core.errors import MarketError


class BenchmarkCommand(click.Command):
    """A command that reports a MarketError in one line, with exit status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except MarketError as error:
            raise click.ClickException(str(error)) from None


out_option = click.option(
    "--out", type=click.Path(path_type=Path), help="Also write the figures to this JSON file."
)


def write_figures(rows: list[dict[str, Any]], out: Path | None) -> None:
    """Write the rows of a table to the file of `out_option`, if it is given."""
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
