"""The cost of DVC itself: photos as a folder of files against the packed form, at two sizes.

    python benchmarks/dvc_cost.py --write

The photos are JPEG files of the marketplace's usual size (10 kB), made different by a comment in
each. Packed, they are as stage `clean` writes them, without the small arrays beside each photo. The
remote is a folder on the same disk. *repro* and *status* find nothing to do; *pull* fills an empty
cache and an empty workspace, *checkout* an empty workspace from the cache. Times are seconds of the
whole command: for repro and status the fastest of --runs runs, for the others a single run.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
from command import BenchmarkCommand
from measuring import DOCUMENT, REPO, describe, machine, run_measured, save, write_table
from PIL import Image
from tabulate import tabulate

from market.core.errors import MarketError
from market.data.photo_store import pack_photos

SIZES = (11_000, 110_000)
FORMS = ("folder", "packed")
COMMANDS = ("add", "first repro", "repro", "status", "push", "pull")
LINKS = ("copy", "hardlink", "symlink", "reflink")
# A project with one stage, which depends on the photos.
DVC_YAML = """stages:
  look:
    cmd: python look.py
    deps: [look.py, photos]
    outs: [looked.txt]
"""
SCRIPT = 'from pathlib import Path\nPath("looked.txt").write_text("seen")\n'
EMPTY_ARRAY = np.zeros((3, 1, 1), np.uint8)


def photos(count: int) -> Iterator[bytes]:
    """Yield JPEG files of 224 × 224 pixels that differ in a comment only."""
    coarse = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize((224, 224)).save(buffer, "JPEG", quality=80)
    encoded = buffer.getvalue()
    for number in range(count):
        comment = f"{number:08d}".encode()
        yield encoded[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2) + comment + encoded[2:]


def make_project(project: Path, form: str, count: int) -> None:
    """Make a DVC project whose stage depends on `count` photos in a form, "folder" or "packed"."""
    folder = project / "photos"
    project.mkdir()
    if form == "packed":
        rows = ((f"{n:08d}", encoded, EMPTY_ARRAY) for n, encoded in enumerate(photos(count)))
        pack_photos(rows, folder, array_size=1)
    else:
        folder.mkdir()
        for number, encoded in enumerate(photos(count)):
            (folder / f"{number:08d}.jpg").write_bytes(encoded)
    (project / "dvc.yaml").write_text(DVC_YAML, encoding="utf-8")
    (project / "look.py").write_text(SCRIPT, encoding="utf-8")
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    for command in (
        ["init", "-q"],
        ["config", "core.analytics", "false"],
        ["config", "core.check_update", "false"],
        ["remote", "add", "-d", "beside", str(project.with_name(f"{project.name}-remote"))],
        ["remote", "modify", "beside", "verify", "true"],
    ):
        dvc(project, *command)


def dvc(project: Path, *arguments: str) -> dict[str, Any]:
    """Run a DVC command and measure it, by `run_measured`."""
    # DVC's database of hashes stays beside the project, not in the user's home.
    site = project.with_name(f"{project.name}-site")
    return run_measured(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=project,
        environment={"DVC_SITE_CACHE_DIR": str(site)},
    )


def empty(project: Path, *, cache: bool) -> None:
    """Remove the photos from the workspace, and the cache if `cache` is true."""
    shutil.rmtree(project / "photos")
    if cache:
        shutil.rmtree(project / ".dvc/cache")


def size_mb(folder: Path) -> float:
    """Return the megabytes that a folder takes on disk; a file with several names counts once."""
    bytes_by_inode = {}
    for path in folder.rglob("*"):
        status = path.lstat()
        # Windows does not tell how many blocks a file takes.
        blocks = getattr(status, "st_blocks", status.st_size / 512)
        bytes_by_inode[status.st_ino] = blocks * 512
    return sum(bytes_by_inode.values()) / 2**20


def measure(root: Path, form: str, count: int, runs: int, links: tuple[str, ...]) -> dict[str, Any]:
    """Measure DVC's commands on `count` photos in one form.

    Parameters
    ----------
    root
        An empty folder, which is left empty.
    form
        "folder" or "packed".
    count
        Number of photos.
    runs
        Runs of repro and status.
    links
        Values of `cache.type` to check out with.

    Returns
    -------
    files: in the workspace. seconds: by command. checkout: by link, seconds and megabytes on disk,
    or None where the file system does not have such links.
    """
    project = root / f"{form}-{count}"
    make_project(project, form, count)
    seconds = {"add": dvc(project, "add", "-q", "photos")["wall"]}
    seconds["first repro"] = dvc(project, "repro", "-q")["wall"]
    for name in ("repro", "status"):
        seconds[name] = min(dvc(project, name, "-q")["wall"] for _ in range(runs))
    seconds["push"] = dvc(project, "push", "-q")["wall"]
    empty(project, cache=True)
    seconds["pull"] = dvc(project, "pull", "-q")["wall"]
    by_link: dict[str, Any] = {}
    for link in links:
        empty(project, cache=False)
        dvc(project, "config", "cache.type", link)
        try:
            seconds_of_checkout = dvc(project, "checkout", "-q")["wall"]
        except MarketError:  # the file system does not have such links
            by_link[link] = None
            dvc(project, "config", "cache.type", "copy")
            dvc(project, "checkout", "-q")
            continue
        by_link[link] = {"seconds": seconds_of_checkout, "mb": size_mb(project)}
    files = sum(1 for path in (project / "photos").rglob("*") if path.is_file())
    for path in root.iterdir():
        shutil.rmtree(path)
    return {"files": files, "seconds": seconds, "checkout": by_link}


def tables(results: dict[str, dict[str, Any]]) -> str:
    """Return two Markdown tables: seconds of each command, and checkout by kind of link."""
    measured_links = next(iter(results.values()))["checkout"]
    links = [link for link in LINKS if link in measured_links]
    rows = [
        [
            name,
            f"{result['files']:,}",
            *(f"{result['seconds'][command]:.1f}" for command in COMMANDS),
        ]
        for name, result in results.items()
    ]
    headers = ["", "files", *(f"{command}, s" for command in COMMANDS)]
    by_command = tabulate(rows, headers, tablefmt="github", disable_numparse=True)
    if not links:
        return by_command
    rows = [
        [name, *(checkout_cell(result["checkout"][link]) for link in links)]
        for name, result in results.items()
    ]
    headers = ["checkout; cache and workspace", *links]
    by_link = tabulate(rows, headers, tablefmt="github", disable_numparse=True)
    return f"{by_command}\n\n{by_link}"


def checkout_cell(checkout: dict[str, float] | None) -> str:
    """Return seconds and megabytes of a checkout."""
    if checkout is None:
        return "not on this disk"
    return f"{checkout['seconds']:.1f} s, {checkout['mb']:,.0f} MB"


@click.command(cls=BenchmarkCommand, help=(__doc__ or "").partition("\n")[0])
@click.option("--photos", "sizes", multiple=True, type=int, help="Default: 11,000 and 110,000.")
@click.option("--form", "forms", multiple=True, type=click.Choice(FORMS), help="Default: both.")
@click.option(
    "--link", "links", multiple=True, type=click.Choice([*LINKS, "none"]), help="Default: all."
)
@click.option("--runs", default=3, help="Of repro and status.")
@click.option("--write", is_flag=True, help="Write results/speed/dvc_cost.json and docs/speed.md.")
def main(
    sizes: tuple[int, ...],
    forms: tuple[str, ...],
    links: tuple[str, ...],
    runs: int,
    write: bool,
) -> None:
    about = machine()
    chosen = tuple(link for link in (links or LINKS) if link != "none")
    results = {}
    # In the repository, as /tmp may be in memory, or on another file system.
    with tempfile.TemporaryDirectory(prefix=".dvc-cost-", suffix=".partial", dir=REPO) as folder:
        for count in sizes or SIZES:
            for form in forms or FORMS:
                name = f"{count:,} photos, {form}"
                results[name] = measure(Path(folder), form, count, runs, chosen)
                click.echo(f"{name}: {results[name]}", err=True)
    text = tables(results)
    click.echo(f"{describe(about)}\n\n{text}")
    if write:
        save("dvc_cost", {"machine": about, "runs": runs, "forms": results})
        write_table(DOCUMENT, "dvc", f"{describe(about)}.\n\n{text}")


if __name__ == "__main__":
    main()
