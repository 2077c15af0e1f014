"""Unpack an archive of an export into a raw folder.

In:  ARCHIVE, a .zip file.
Out: FOLDER, such as data/mine/raw, with all files of the archive, or none. If a single folder holds
     them all, it is left out, and so are hidden files. Nothing is written outside FOLDER, no link
     is made, and no file is replaced.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from market.core.stage import stage
from market.data.archives import GIGABYTE, Archive


@stage
@click.argument("archive", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--max-gigabytes",
    type=click.FloatRange(min=0, min_open=True),
    default=100,
    show_default=True,
    help="Largest size, unpacked.",
)
def main(archive: Path, folder: Path, max_gigabytes: float) -> str:
    opened = Archive.open(archive)
    opened.unpack(folder, max_bytes=int(max_gigabytes * GIGABYTE))
    click.echo(f"{len(opened.files)} files, {opened.size / 1e6:,.1f} MB, in {folder}")
    click.echo(f"\nNext: python -m market.inspect {shlex.quote(str(folder))} --write")
    return ""


if __name__ == "__main__":
    main()
