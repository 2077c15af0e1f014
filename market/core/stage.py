"""How a stage appears to whoever runs it: its --help, its bars, and its last line.

The same for all: a stage is `@stage def main() -> str`, which returns what there is to say of its
result, and `progress` around what takes long. Inputs, outputs and params are read from dvc.yaml and
params.yaml, where they stand already.
"""

from __future__ import annotations

import inspect
import io
import sys
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import yaml
from tqdm import tqdm

from market.core.errors import MarketError

FIRST_SECONDS = 2.0  # before a bar shows: what is done by then needs none
LOG_SECONDS = 30.0  # between two lines of a bar in a log
LINE = "{desc}: {n_fmt} of {total_fmt}, {rate_fmt}, {remaining} left"


class _Lines(io.TextIOBase):
    """A log: each state of a bar is a line, where a terminal draws it over the one before."""

    def write(self, text: str) -> int:
        if line := text.strip():
            sys.stderr.write(line + "\n")
        return len(text)

    def flush(self) -> None:
        sys.stderr.flush()


def progress(
    items: Iterable | None = None, *, total: int | None = None, desc: str, unit: str
) -> tqdm:
    """A tqdm over `items`, or by hand up to `total`, that shows once it has taken FIRST_SECONDS.

    With rate and remaining time on a terminal; elsewhere a line each LOG_SECONDS and at the end.
    """
    shown: dict[str, Any] = {"delay": FIRST_SECONDS, "desc": desc, "unit": unit}
    if not sys.stderr.isatty():
        shown |= {"file": _Lines(), "bar_format": LINE, "miniters": 1}
        shown |= {"mininterval": LOG_SECONDS, "maxinterval": LOG_SECONDS}
    return tqdm(items, total=total, **shown)


def stage(main: Callable[..., str]) -> click.Command:
    """Make a command of a stage's `main`; its module's docstring is the help.

    What `main` returns is printed at its end, with what it wrote and how long it took.
    """
    name = Path(inspect.getfile(main)).stem

    def run(**options: Any) -> None:
        start = time.monotonic()
        try:
            said = main(**options)
        except MarketError as error:
            raise click.ClickException(str(error)) from None
        took = timedelta(seconds=round(time.monotonic() - start))
        wrote = _folders(_declared(name)["writes"])
        click.echo(f"{said}; {took}" + (f", wrote {', '.join(wrote)}" if wrote else ""))

    # A \b keeps the line ends of the paragraph after it.
    paragraphs = (inspect.getdoc(inspect.getmodule(main)) or "").split("\n\n")
    text = "\n\n".join(f"\b\n{paragraph}" for paragraph in paragraphs)
    params = getattr(main, "__click_params__", [])[::-1]
    return _Command(name, callback=run, params=params, help=text)


class _Command(click.Command):
    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        assert self.name is not None
        for title, lines in _declared(self.name).items():
            if lines:
                formatter.write(f"\n{title.capitalize()}:\n")
                formatter.write("".join(f"  {line}\n" for line in lines))


def _declared(name: str) -> dict[str, list[str]]:
    """What dvc.yaml says that a stage reads, writes, and takes from params.yaml, ranges and all.

    Nothing where there is no dvc.yaml: the stages run without it.
    """
    path = Path("dvc.yaml")
    stages = yaml.safe_load(path.read_text(encoding="utf-8"))["stages"] if path.exists() else {}
    entry = stages.get(name, {})
    paths = {
        kind: [of if isinstance(of, str) else next(iter(of)) for of in entry.get(kind, [])]
        for kind in ("deps", "outs", "metrics", "params")
    }
    return {
        "reads": [of.replace("${dataset}", "<dataset>") for of in paths["deps"] if ".py" not in of],
        "writes": paths["outs"] + paths["metrics"],
        "params": [line for key in paths["params"] for line in _manual(key)],
    }


def _folders(paths: list[str]) -> list[str]:
    """The paths cut to two levels: data/clean for all that is in it."""
    return list(dict.fromkeys("/".join(path.split("/")[:2]) for path in paths))


def _manual(key: str) -> list[str]:
    """The lines of params.yaml that a dotted key takes, its comments among them."""
    text = Path("params.yaml").read_text(encoding="utf-8")
    lines, node, end = text.splitlines(), yaml.compose(text), len(text.splitlines())
    start = 0
    for part in key.split("."):
        names = [of.value for of, _ in node.value]
        place = names.index(part)
        start = node.value[place][0].start_mark.line
        if place + 1 < len(names):
            end = node.value[place + 1][0].start_mark.line
        node = node.value[place][1]
    found = lines[start:end]
    while found and not found[-1].strip():
        found.pop()
    return found if "." not in key else [key.partition(".")[0] + ":", *found]
