"""Bad input, at scale: a clear line or a row in rejects.csv, in bounded memory and time.

The corpus of corpus.py goes through stage clean whole as a campaign, in part in the usual suite:
`python -m pytest -m campaign tests/test_bad_input.py -s`.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import corpus
import pandas as pd
import pytest
import yaml

import clean

REPO = Path(__file__).parent.parent
SEED = 20220226
MEGABYTES = 3000  # that a run may map beyond what its imports did
SECONDS = 30


class Outcome(NamedTuple):
    code: int
    said: str  # on standard error
    seconds: float


def run_clean(project: Path, seconds: int = SECONDS, user: int = 0) -> Outcome:
    """Run stage clean's command in a forked process of bounded memory and time."""
    started, errors = time.monotonic(), project / "stderr.txt"
    child = os.fork()
    if child == 0:  # pragma: no cover
        code = 70
        try:
            signal.alarm(seconds)  # ends the process
            mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (mapped + MEGABYTES * 2**20,) * 2)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            os.chdir(project)
            log = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(log, 2)
            os.dup2(log, 1)
            sys.stderr = os.fdopen(2, "w")
            sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
            if user:
                os.setuid(user)
            try:
                clean.main(args=[], prog_name="clean")
            except SystemExit as stop:
                code = int(stop.code or 0)
            except BaseException:
                import traceback

                traceback.print_exc()
                code = 1
            sys.stderr.flush()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    said = errors.read_text(encoding="utf-8", errors="replace")
    return Outcome(os.waitstatus_to_exitcode(status), said, time.monotonic() - started)


def make_project(folder: Path) -> Path:
    """A project whose dataset is the corpus' sound one: 8 products, 8 photos, 8 events."""
    raw = folder / "data/mine/raw"
    (raw / "images").mkdir(parents=True)
    for name, rows in corpus.SOUND.items():
        (raw / name).write_text(corpus.to_csv(rows), encoding="utf-8")
    for row in corpus.IMAGES[1:]:
        (raw / f"images/{row[0]}.jpg").write_bytes(corpus.sound_photos()["jpeg"])
    params = yaml.safe_load((REPO / "params.yaml").read_text(encoding="utf-8"))
    params["dataset"] = "mine"
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    return folder


def fault(project: Path, case: corpus.Table | None, outcome: Outcome) -> str:
    """What is wrong with how a run ended; "" if nothing is."""
    out = project / "data/clean"
    lines = outcome.said.splitlines()
    if outcome.code == 1 and "Traceback" not in outcome.said:
        if len(lines) != 1 or not lines[0].startswith("Error: ") or len(lines[0]) > 1000:
            return f"not one clear line: {outcome.said[:300]!r} … {len(outcome.said)}"
        if out.exists() or list(project.glob("data/.*")):
            return "an error that left something"
        return ""
    if outcome.code != 0:
        return f"exit {outcome.code} after {outcome.seconds:.1f} s: {' | '.join(lines[-2:])[-300:]}"
    if outcome.said:
        return f"says {outcome.said[:200]!r}"
    rejects = pd.read_csv(out / "rejects.csv", dtype=str, lineterminator="\n")
    if case is not None and case.records is not None:
        kept = pd.read_parquet(
            out
            / {"Products.csv": "products", "Images.csv": "images"}.get(
                case.name, "interactions"
            ).__add__(".parquet")
        )
        of_files = rejects["source"].str.startswith("images/") & rejects["reason"].ne(
            "no row in Images.csv"
        )
        counted = rejects["source"].eq(case.name) | (of_files & (case.name == "Images.csv"))
        if len(kept) + counted.sum() != case.records:
            return f"{case.records} records in, {len(kept)} out, {counted.sum()} rejects"
    products = pd.read_parquet(out / "products.parquet")
    if not products["price"].between(0, 1e13).all():
        return f"price {products['price'].tolist()}"
    return ""


def try_tables(tmp_path: Path, cases: list[corpus.Table]) -> tuple[list[str], float]:
    """Run each table in an else sound project; return the faults and the longest time."""
    project = make_project(tmp_path / "project")
    faults, longest = [], 0.0
    for case in cases:
        path = project / "data/mine/raw" / case.name
        sound = path.read_bytes()
        path.write_bytes(case.content)
        outcome = run_clean(project)
        longest = max(longest, outcome.seconds)
        if found := fault(project, case, outcome):
            faults.append(f"{case.name}, {case.kind}: {found}")
        path.write_bytes(sound)
        os.system(f"rm -rf {project}/data/clean {project}/data/.clean*")
    return faults, longest


def unaccounted(project: Path, ids: list[str]) -> dict[str, list[str]]:
    """The ids that are not in exactly one of images.parquet and rejects.csv."""
    rejects = pd.read_csv(project / "data/clean/rejects.csv", dtype=str, keep_default_na=False)
    kept = pd.read_parquet(project / "data/clean/images.parquet")["image_id"]
    times = Counter([*kept, *rejects["id"]])
    return {"not once": [name for name in ids if times[name] != 1]}


def write_photos(project: Path, photos: corpus.Photos, outside: Path) -> list[str]:
    """Put photos and odd entries into a project, each with its row; return their ids."""
    images = project / "data/mine/raw/images"
    suffixes = [".jpg", ".png", ".gif", ".webp", ".bmp", ".jpeg", ".txt", ""]
    for number, (_, data) in enumerate(photos):
        # Every suffix with every kind: what a file is must not hang on its name.
        (images / f"m{number:04d}{suffixes[number % 8]}").write_bytes(data)
    ids = sorted({*corpus.write_odd_entries(images, outside), *(p.stem for p in images.iterdir())})
    rows = [[name, "p1"] for name in ids if "\n" not in name and name.isascii()]
    (project / "data/mine/raw/Images.csv").write_text(corpus.to_csv([corpus.IMAGES[0], *rows]))
    return [row[0] for row in rows]


@pytest.mark.campaign
def test_every_table_of_the_corpus(tmp_path: Path) -> None:
    cases = corpus.tables(SEED)
    faults, longest = try_tables(tmp_path, cases)
    by_name = Counter(case.name for case in cases)
    print(f"\n{len(cases)} tables {dict(by_name)}, longest {longest:.1f} s, {len(faults)} faults")
    assert not faults, "\n".join(faults)


@pytest.mark.campaign
def test_every_photo_of_the_corpus(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    photos = [*corpus.mutated_photos(SEED), *corpus.bombs().items()]
    ids = write_photos(project, photos, tmp_path / "outside")
    outcome = run_clean(project, seconds=300)
    found = fault(project, None, outcome)
    print(f"\n{len(photos)} photos, {len(ids)} ids, {outcome.seconds:.1f} s")
    assert not found, found
    assert not any(unaccounted(project, ids).values()), unaccounted(project, ids)
    rejects = pd.read_csv(project / "data/clean/rejects.csv", dtype=str)
    print(rejects["reason"].str.replace(r"\(.*", "", regex=True).value_counts().to_string())
