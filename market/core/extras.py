"""Optional packages: a missing one ends in one line that names the pip command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from market.core.errors import MarketError


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Import packages of an extra of pyproject.toml inside this block.

    Parameters
    ----------
    extra
        The extra that installs the packages, such as "train".

    Raises
    ------
    MarketError
        If a package is not installed. The message names the command that installs the extra.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package == "market":  # a fault of this project, not of the installation
            raise
        raise MarketError(
            f"package {package!r} is not installed: run "
            f"`pip install -c requirements.txt -e '.[{extra}]'` in the project's folder"
        ) from None
