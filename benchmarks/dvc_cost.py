"""What DVC itself costs: photos as a folder of files against the packed form, at two sizes.

    python benchmarks/dvc_cost.py --write

The photos are small JPEG files of the marketplace's usual size (10 kB), all different by a comment
in them. Packed, they are what stage `clean` writes, but for the small arrays beside each photo. The
remote is a folder on the same disk. *repro* and *status* have nothing to do; *pull* fills an empty
cache and an empty folder, *checkout* an empty folder from the cache. Seconds of the whole command;
the fastest of --runs where nothing is done, one run of the others.
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
from measuring import DOCUMENT, REPO, describe, machine, put_between, run_measured, save
from PIL import Image
from tabulate import tabulate

from market.core.errors import MarketError
from market.data.photo_store import pack_photos

SIZES = (11_000, 110_000)
FORMS = ("folder", "packed")
LINKS = ("copy", "hardlink", "symlink", "reflink")
YAML = """stages:
  look:
    cmd: python look.py
    deps: [look.py, photos]
    outs: [looked.txt]
"""
LOOK = 'from pathlib import Path\nPath("looked.txt").write_text("seen")\n'
NOTHING = np.zeros((3, 1, 1), np.uint8)


def photos(count: int) -> Iterator[bytes]:
    """JPEG files of 224 × 224, different from one another by their comment."""
    coarse = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize((224, 224)).save(buffer, "JPEG", quality=80)
    encoded = buffer.getvalue()
    for number in range(count):
        comment = f"{number:08d}".encode()
        yield encoded[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2) + comment + encoded[2:]


def make_project(project: Path, form: str, count: int) -> None:
    """A DVC project whose stage depends on the photos in this form."""
    folder = project / "photos"
    project.mkdir()
    if form == "packed":
        rows = ((f"{n:08d}", encoded, NOTHING) for n, encoded in enumerate(photos(count)))
        pack_photos(rows, folder, array_size=1)
    else:
        folder.mkdir()
        for number, encoded in enumerate(photos(count)):
            (folder / f"{number:08d}.jpg").write_bytes(encoded)
    (project / "dvc.yaml").write_text(YAML, encoding="utf-8")
    (project / "look.py").write_text(LOOK, encoding="utf-8")
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
    # Its database of what was hashed stays within the project, not in the user's home.
    site = project.with_name(f"{project.name}-site")
    return run_measured(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=project,
        environment={"DVC_SITE_CACHE_DIR": str(site)},
    )


def empty(project: Path, *, cache: bool) -> None:
    """Take the photos out of the workspace, and out of the cache too if asked."""
    shutil.rmtree(project / "photos")
    if cache:
        shutil.rmtree(project / ".dvc/cache")


def size_mb(folder: Path) -> float:
    """Megabytes that a folder takes on the disk; a file with several names counts once."""
    seen = {}
    for path in folder.rglob("*"):
        about = path.lstat()
        # Windows does not say how many blocks a file takes.
        seen[about.st_ino] = getattr(about, "st_blocks", about.st_size / 512) * 512
    return sum(seen.values()) / 2**20


def measure(root: Path, form: str, count: int, runs: int, links: tuple[str, ...]) -> dict[str, Any]:
    """Seconds of each command; for each kind of link seconds of checkout and MB on the disk."""
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
            took = dvc(project, "checkout", "-q")["wall"]
        except MarketError:  # the file system has no such links
            by_link[link] = None
            dvc(project, "config", "cache.type", "copy")
            dvc(project, "checkout", "-q")
            continue
        by_link[link] = {"seconds": took, "mb": size_mb(project)}
    files = sum(1 for path in (project / "photos").rglob("*") if path.is_file())
    for path in root.iterdir():
        shutil.rmtree(path)
    return {"files": files, "seconds": seconds, "checkout": by_link}


def tables(results: dict[str, dict[str, Any]]) -> str:
    commands = list(next(iter(results.values()))["seconds"])
    rows = [
        [name, f"{of['files']:,}", *(f"{of['seconds'][command]:.1f}" for command in commands)]
        for name, of in results.items()
    ]
    times = tabulate(
        rows, ["", "files", *(f"{c}, s" for c in commands)], tablefmt="github",
        disable_numparse=True,
    )  # fmt: skip
    links = list(next(iter(results.values()))["checkout"])
    rows = []
    for name, of in results.items():
        cells = [
            f"{found['seconds']:.1f} s, {found['mb']:,.0f} MB" if found else "not on this disk"
            for found in (of["checkout"][link] for link in links)
        ]
        rows.append([name, *cells])
    by_link = tabulate(
        rows, ["checkout; cache and workspace", *links], tablefmt="github", disable_numparse=True
    )
    return f"{times}\n\n{by_link}" if links else times


@click.command(help=(__doc__ or "").partition("\n")[0])
@click.option("--photos", "sizes", multiple=True, type=int, help="By default 11,000 and 110,000.")
@click.option("--form", "forms", multiple=True, type=click.Choice(FORMS), help="Default: both.")
@click.option("--link", "links", multiple=True, type=click.Choice([*LINKS, "none"]))
@click.option("--runs", default=3)
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
    # Beside the project: /tmp may be memory, and another file system.
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
        put_between(DOCUMENT, "dvc", f"{describe(about)}.\n\n{text}")


if __name__ == "__main__":
    main()
