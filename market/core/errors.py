"""The library's own error, which the command line and HTTP each report in their way."""

from __future__ import annotations


class MarketError(Exception):
    """An error that the user can correct.

    Its message is one line: what happened, in which file and row, and what to do.
    """
