"""Look at an export of a marketplace, and write the section `input` of params.yaml for it.

In:  PATH, a folder of tables and photos, a single table of listings, or a .zip file, of which the
     command only says what it holds and how to unpack it.
Out: a report on what was recognised (tables, columns, currency, language, country, photos) and what
     was not, how many rows and photos are usable and why the rest are not, and the section `input`.
     Its last line is the command to run next. With --write: the section goes into params.yaml, and
     `dataset` too if PATH is data/<name>/raw; comments and all other keys stay. The section of
     another dataset is then kept in data/<its name>/input.yaml, and comes back from there the next
     time that this command writes the section of that dataset.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from market.core.errors import MarketError
from market.core.params import load_params
from market.core.params_file import update_params
from market.core.paths import DATA, PARAMS, kept_section, raw_folder
from market.core.stage import stage
from market.data.archives import ENDING, Archive
from market.data.inspection.export import Inspection, inspect_export
from market.data.inspection.kept_sections import keep_section, read_kept_section
from market.data.inspection.report import render
from market.data.inspection.section import SEARCH_DEFAULTS


@stage
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--write", is_flag=True, help="Write the section into params.yaml.")
def main(path: Path, write: bool) -> str:
    if path.is_file() and path.suffix.lower() == ENDING:
        return describe_archive(path, write=write)
    inspection = inspect_export(path, load_params("clean"))
    click.echo(render(inspection))
    if write:
        write_section(inspection)
    click.echo(f"\nNext: {next_command(path, inspection, written=write)}")
    return ""


def describe_archive(path: Path, *, write: bool) -> str:
    """Say what an archive holds, and the command that unpacks it."""
    summary = Archive.open(path).summary()
    target = DATA / "mine/raw"
    command = (
        f"python -m market.unpack {shlex.quote(str(path))} {target} && "
        f"python -m market.inspect {target} --write"
    )
    if write:
        raise MarketError(f"{summary}: nothing was written: run `{command}`")
    click.echo(f"{summary}\n\nNext: {command}")
    return ""


def write_section(inspection: Inspection) -> None:
    """Write the section into params.yaml, and say what has changed."""
    if "id" not in inspection.section["columns"]:
        raise MarketError(f"{inspection.problems[0]}: nothing was written")
    changes: dict[str, Any] = {"input": inspection.section}
    origin = None
    if (name := dataset_of(inspection.raw)) is not None:
        if (section := read_kept_section(name)) is not None:
            changes, origin = {"input": section}, kept_section(name)
        changes = {"dataset": name, **changes}
    # A section without these keys must not leave those of another dataset in the file.
    changes["input"] = SEARCH_DEFAULTS | changes["input"]
    kept = keep_section(name or "")
    lines = update_params(changes)
    if kept is not None:
        click.echo(f"\nThe former section `input` is kept in {kept}")
    source = f" from {origin}, as it was kept: remove that file to have it anew" if origin else ""
    click.echo(f"\nWritten to {PARAMS}{source}" + ("" if lines else ": nothing had to change"))
    for line in lines:
        click.echo(f"  {line}")


def dataset_of(raw: Path) -> str | None:
    """Return the name of the dataset whose raw folder this is, or None."""
    name = raw.resolve().parent.name
    is_own = raw_folder(name).resolve() == raw.resolve() or raw_folder(name).absolute() == raw
    return name if is_own else None


def next_command(path: Path, inspection: Inspection, *, written: bool) -> str:
    """Return the command to run next, or what to put right before."""
    command = f"python -m market.inspect {shlex.quote(str(path))}"
    if inspection.problems:
        return f"put right what is listed above, then run {command}"
    if dataset_of(inspection.raw) is None:
        target = DATA / "mine"
        source = shlex.quote(str(inspection.raw))
        return (
            f"mkdir -p {target} && cp -r {source} {target}/raw && "
            f"python -m market.inspect {target}/raw --write"
        )
    if not written:
        return f"{command} --write"
    if inspection.photos.unfetched:
        return "python -m market.fetch_photos && dvc repro"
    return "dvc repro"


if __name__ == "__main__":
    main()
