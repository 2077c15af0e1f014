"""The command line of a benchmark."""

from __future__ import annotations

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
