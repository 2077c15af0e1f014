"""The command line of a stage: its --help, its progress bars and its last line.

A stage is `@stage def main() -> str`, which returns a one-line summary of its result. Slow loops
run inside `progress`. The help lists inputs, outputs and params as dvc.yaml and params.yaml declare
them.
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
from market.core.paths import DVC_FILES, PARAMS

BAR_DELAY = 2.0  # seconds before a bar shows: a shorter loop needs none
LOG_INTERVAL = 30.0  # seconds between two lines of a bar in a log
LOG_FORMAT = "{desc}: {n_fmt} of {total_fmt}, {rate_fmt}, {remaining} left"


class _LogLines(io.TextIOBase):
    """Standard error as a log: each state of a bar is a line of its own."""

    def write(self, text: str) -> int:
        if line := text.strip():
            sys.stderr.write(line + "\n")
        return len(text)

    def flush(self) -> None:
        sys.stderr.flush()


def progress(
    items: Iterable | None = None, *, total: int | None = None, desc: str, unit: str
) -> tqdm:
    """Return a progress bar: on a terminal drawn in place, elsewhere a line every 30 seconds.

    Parameters
    ----------
    items
        What to iterate over; without it the caller updates the bar.
    total
        Number of items, where `items` has no length.
    desc
        A verb that names the work, such as "decode".
    unit
        One item, such as "photo".

    Returns
    -------
    tqdm
        The bar, which iterates over `items`. It shows after 2 seconds.
    """
    options: dict[str, Any] = {"delay": BAR_DELAY, "desc": desc, "unit": unit}
    options["leave"] = None  # a bar inside another one disappears at its end
    if not sys.stderr.isatty():
        options |= {"file": _LogLines(), "bar_format": LOG_FORMAT, "miniters": 1}
        # `position`: a bar inside another one would move the cursor, which a log does not have.
        options |= {"mininterval": LOG_INTERVAL, "maxinterval": LOG_INTERVAL, "position": 0}
    return tqdm(items, total=total, **options)


def stage(main: Callable[..., str]) -> click.Command:
    """Make a command of a stage's `main`; the docstring of its module is the help.

    At the end the command prints the summary that `main` returns, the time that it took, and the
    folders that it wrote. A MarketError becomes one line and exit status 1.
    """
    file = Path(inspect.getfile(main))
    # A command such as market/pull_logs.py is not the stage of that name.
    name = f"market.{file.stem}" if file.parent.name == "market" else file.stem

    def run(**options: Any) -> None:
        start = time.monotonic()
        try:
            summary = main(**options)
        except MarketError as error:
            raise click.ClickException(str(error)) from None
        duration = timedelta(seconds=round(time.monotonic() - start))
        folders = _folders(_declared(name)["writes"])
        if not summary:  # a command whose output is complete
            return
        click.echo(f"{summary}; {duration}" + (f", wrote {', '.join(folders)}" if folders else ""))

    # \b tells click to keep the line ends of the paragraph that follows.
    paragraphs = (inspect.getdoc(inspect.getmodule(main)) or "").split("\n\n")
    text = "\n\n".join(f"\b\n{paragraph}" for paragraph in paragraphs)
    params = getattr(main, "__click_params__", [])[::-1]
    return _StageCommand(name, callback=run, params=params, help=text)


class _StageCommand(click.Command):
    """A command whose help ends in a list of the stage's inputs, outputs and params."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        assert self.name is not None
        for title, lines in _declared(self.name).items():
            if lines:
                formatter.write(f"\n{title.capitalize()}:\n")
                formatter.write("".join(f"  {line}\n" for line in lines))


def pipeline_stages(root: Path = Path()) -> dict[str, dict[str, Any]]:
    """Return the entries of all stages by name, in order, from the dvc.yaml files under `root`.

    Paths in an entry are relative to `root`. A file that does not exist has no stages.
    """
    stages: dict[str, dict[str, Any]] = {}
    for path in (root / file for file in DVC_FILES):
        if path.exists():
            stages |= yaml.safe_load(path.read_text(encoding="utf-8"))["stages"]
    return stages


def _declared(name: str) -> dict[str, list[str]]:
    """Return the declarations of a stage: paths to read and to write, and lines of params.yaml.

    All are empty for a command without an entry, and where there is no dvc.yaml.
    """
    entry = pipeline_stages().get(name, {})
    paths = {
        kind: [item if isinstance(item, str) else next(iter(item)) for item in entry.get(kind, [])]
        for kind in ("deps", "outs", "metrics", "params")
    }
    return {
        "reads": [
            path.replace("${dataset}", "<dataset>")
            for path in paths["deps"]
            if not path.endswith((".py", ".j2"))
        ],
        "writes": paths["outs"] + paths["metrics"],
        "params": [line for key in paths["params"] for line in _lines_of_param(key)],
    }


def _folders(paths: list[str]) -> list[str]:
    """Return the paths cut to two levels, each once: data/clean for every file in it."""
    return list(dict.fromkeys("/".join(path.split("/")[:2]) for path in paths))


def _lines_of_param(key: str) -> list[str]:
    """Return the lines of params.yaml that hold a dotted key, with their comments."""
    text = PARAMS.read_text(encoding="utf-8")
    lines, node, end = text.splitlines(), yaml.compose(text), len(text.splitlines())
    start = 0
    for part in key.split("."):
        names = [name.value for name, _ in node.value]
        place = names.index(part)
        start = node.value[place][0].start_mark.line
        if place + 1 < len(names):
            end = node.value[place + 1][0].start_mark.line
        node = node.value[place][1]
    section = lines[start:end]
    while section and not section[-1].strip():
        section.pop()
    return section if "." not in key else [key.partition(".")[0] + ":", *section]
