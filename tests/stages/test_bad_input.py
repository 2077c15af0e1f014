"""Bad input, at scale: a clear line or a row in rejects.csv, in bounded memory and time.

The corpora of table_corpus.py and photo_corpus.py go through stage clean whole as a campaign, in
part in the usual suite: `python -m pytest -m campaign tests/stages/test_bad_input.py -s`.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import click
import numpy as np
import pandas as pd
import photo_corpus
import pytest
import table_corpus
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_input import input_settings
from repository import REPO

from market import predict
from market.core.errors import MarketError
from market.core.settings import Clean
from market.data.cleaning import Cleaner
from market.data.images import UnusablePhoto, decode_photo
from market.data.rejects import check_nothing_lost, printable_name
from market.data.tables import read_table
from stages import clean

SEED = 20220226
MEGABYTES = 3000  # that a run may map beyond what its imports did
SECONDS = 20
PARTS = 12  # of the corpus of tables: each a minute at most


class Outcome(NamedTuple):
    code: int
    output: str  # on standard error
    seconds: float  # of the processor


def run(
    command: click.Command,
    project: Path,
    *args: str,
    cwd: Path | None = None,
    seconds: int = SECONDS,
) -> Outcome:
    """Run a stage's command in a forked process of bounded memory and time, in the project."""
    errors = project / "stderr.txt"
    child = os.fork()
    if child == 0:  # pragma: no cover
        code = 70
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
            signal.alarm(10 * seconds)  # of waiting: the machine may be busy
            mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (mapped + MEGABYTES * 2**20,) * 2)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            os.chdir(cwd or project)
            log = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(log, 2)
            os.dup2(log, 1)
            sys.stderr = os.fdopen(2, "w")
            sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
            try:
                command.main(args=list(args), prog_name="stage")
            except SystemExit as stop:
                code = int(stop.code or 0)
            except BaseException:
                import traceback

                traceback.print_exc()
                code = 1
            sys.stderr.flush()
        finally:
            os._exit(code)
    _, status, used = os.wait4(child, 0)
    output = errors.read_text(encoding="utf-8", errors="replace")
    return Outcome(os.waitstatus_to_exitcode(status), output, used.ru_utime + used.ru_stime)


def make_project(folder: Path) -> Path:
    """Return a project with the sound dataset of the corpus: 8 products, 8 photos, 8 events."""
    raw = folder / "data/mine/raw"
    (raw / "images").mkdir(parents=True)
    for name, rows in table_corpus.SOUND.items():
        (raw / name).write_text(table_corpus.to_csv(rows), encoding="utf-8")
    for row in table_corpus.IMAGES[1:]:
        (raw / f"images/{row[0]}.jpg").write_bytes(photo_corpus.sound_photos()["jpeg"])
    params = yaml.safe_load((REPO / "params.yaml").read_text(encoding="utf-8"))
    params["dataset"] = "mine"
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    return folder


def describe_failure(outcome: Outcome, left: Path) -> str | None:
    """Return the fault of a failed run: "" for one clear line, None for a success.

    An error must not leave the path `left`, under its own or its temporary name.
    """
    lines = outcome.output.splitlines()
    if outcome.code == 1 and "Traceback" not in outcome.output:
        if len(lines) != 1 or not lines[0].startswith("Error: ") or len(lines[0]) > 1000:
            return f"not one clear line: {outcome.output[:300]!r} … {len(outcome.output)}"
        if left.exists() or list(left.parent.glob(".*")):
            return "an error that left something"
        return ""
    if outcome.code != 0:
        return f"exit {outcome.code} after {outcome.seconds:.1f} s: {' | '.join(lines[-2:])[-300:]}"
    return f"says {outcome.output[:200]!r}" if outcome.output else None


def find_fault(project: Path, case: table_corpus.Table | None, outcome: Outcome) -> str:
    """Return the fault of a run of stage clean; "" if it has none."""
    out = project / "data/clean"
    if (complaint := describe_failure(outcome, out)) is not None:
        return complaint
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


def try_tables(
    project: Path,
    cases: list[table_corpus.Table],
    attempt: Callable[[table_corpus.Table], tuple[Outcome, str]],
) -> list[str]:
    """Put each table into an otherwise sound project, and `attempt` it; return the faults."""
    faults: list[str] = []
    ended: Counter[str] = Counter()
    outcome = longest = Outcome(0, "", 0)
    for case in cases:
        path = project / "data/mine/raw" / case.name
        sound = path.read_bytes()
        path.write_bytes(case.content)
        outcome, complaint = attempt(case)
        longest = max(longest, outcome, key=lambda run: run.seconds)
        ended["a fault" if complaint else "one line" if outcome.code else "all accounted for"] += 1
        if complaint:
            faults.append(f"{case.name}, {case.kind}: {complaint}")
            print(faults[-1], flush=True)
        path.write_bytes(sound)
    counts = dict(Counter(case.name for case in cases))
    print(
        f"\n{len(cases)} tables {counts}: {dict(ended)}; longest {longest.seconds:.1f} s",
        flush=True,
    )
    return faults


def cleaning(project: Path) -> Callable[[table_corpus.Table], tuple[Outcome, str]]:
    def attempt(case: table_corpus.Table) -> tuple[Outcome, str]:
        outcome = run(clean.main, project)
        complaint = find_fault(project, case, outcome)
        shutil.rmtree(project / "data/clean", ignore_errors=True)
        return outcome, complaint

    return attempt


def unaccounted(project: Path, ids: list[str]) -> dict[str, list[str]]:
    """Return the ids that are not in exactly one of images.parquet and rejects.csv."""
    rejects = pd.read_csv(project / "data/clean/rejects.csv", dtype=str, keep_default_na=False)
    kept = pd.read_parquet(project / "data/clean/images.parquet")["image_id"]
    times = Counter([*kept, *rejects["id"]])
    return {"not once": [name for name in ids if times[name] != 1]}


def write_photos(project: Path, photos: photo_corpus.Photos, outside: Path) -> list[str]:
    """Put photos and odd entries into a project, each with its row; return their ids."""
    images = project / "data/mine/raw/images"
    suffixes = [".jpg", ".png", ".gif", ".webp", ".bmp", ".jpeg", ".txt", ""]
    for number, (_, data) in enumerate(photos):
        # Every suffix with every kind: the kind of a file must not depend on its name.
        (images / f"m{number:04d}{suffixes[number % 8]}").write_bytes(data)
    ids = sorted(
        {*photo_corpus.write_odd_entries(images, outside), *(p.stem for p in images.iterdir())}
    )
    rows = [[name, "p1"] for name in ids if "\n" not in name and name.isascii()]
    (project / "data/mine/raw/Images.csv").write_text(
        table_corpus.to_csv([table_corpus.IMAGES[0], *rows])
    )
    return [row[0] for row in rows]


@settings(max_examples=10, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_a_sound_table_with_odd_bytes_is_accounted_for_or_refused(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(table_corpus.SOUND)))
    content = bytearray(table_corpus.to_csv(table_corpus.SOUND[name]).encode())
    odd = st.sampled_from([b'"', b"\0", b"\r", b"\n", b",", b"\xff", b'""', b"\xef\xbb\xbf", b" "])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content)))
        content[at:at] = data.draw(odd)
    with TemporaryDirectory() as folder:
        project = make_project(Path(folder) / "project")
        raw, out = project / "data/mine/raw", project / "out"
        (raw / name).write_bytes(content)
        params = yaml.safe_load((REPO / "params.yaml").read_text(encoding="utf-8"))["clean"]
        try:
            cleaned = Clean(**params | {"photo_size": 16, "array_size": 8})
            cleaner = Cleaner(raw, cleaned, input_settings())
            metrics = cleaner.run(out).metrics
        except MarketError as error:
            assert "\n" not in str(error) and "\r" not in str(error)
            assert ".csv" in str(error)
        else:
            rejects = pd.read_csv(out / "rejects.csv", dtype=str, keep_default_na=False)
            for file in ("products", "interactions"):
                counts = metrics[file]
                assert counts["read"] == counts["kept"] + counts["rejected"]
                assert counts["kept"] == len(pd.read_parquet(out / f"{file}.parquet"))
            rows = metrics["photos"]["rows"]
            assert rows == metrics["photos"]["kept"] + rejects["source"].eq("Images.csv").sum()


@given(st.sampled_from(sorted(photo_corpus.sound_photos())), st.data())
@settings(max_examples=50, deadline=None, derandomize=True, database=None)
def test_a_damaged_photo_is_a_picture_or_a_reason(kind: str, data: st.DataObject) -> None:
    changed = bytearray(photo_corpus.sound_photos()[kind])
    for _ in range(data.draw(st.integers(0, 4))):
        changed[data.draw(st.integers(0, min(300, len(changed)) - 1))] ^= data.draw(
            st.integers(1, 255)
        )
    cut = bytes(changed[: data.draw(st.integers(1, len(changed)))])
    try:
        picture, _, _ = decode_photo(cut, size=16, min_side=8, max_megapixels=5)
    except UnusablePhoto as reason:
        assert str(reason) and "\n" not in str(reason)
    else:
        assert picture.size == (16, 16) and picture.mode == "RGB"


@pytest.mark.parametrize("kind", photo_corpus.sound_photos())
def test_every_sound_kind_is_kept(kind: str) -> None:
    picture, _, _ = decode_photo(
        photo_corpus.sound_photos()[kind], size=16, min_side=8, max_megapixels=5
    )
    assert picture.size == (16, 16)


def test_pipes_links_and_devices_are_never_read(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    photo_corpus.write_odd_entries(images, tmp_path / "outside")

    def reason(name: str) -> str:
        try:
            decode_photo(images / name, size=16, min_side=8, max_megapixels=5)
        except UnusablePhoto as unusable:
            return str(unusable)
        return "kept"

    assert reason("link-out.jpg") == reason("link-passwd.jpg") == "a link out of its folder"
    for name in ("fifo", "link-endless", "folder", "socket", "link-dangling", "link-loop"):
        assert reason(f"{name}.jpg").startswith("unreadable"), name
    assert reason("sparse.jpg") == "over 40 MB"
    assert reason("link-within.jpg") == reason("linked.jpg") == "kept"
    # As `dvc config cache.type symlink` lays them.
    cached = tmp_path / "cache/files/md5/ab" / ("0" * 30)
    cached.parent.mkdir(parents=True)
    cached.write_bytes(photo_corpus.sound_photos()["png"])
    (images / "cached.jpg").symlink_to(cached)
    assert reason("cached.jpg") == "kept"


@pytest.mark.parametrize("kind", ["fifo", "folder", "/dev/zero", "nothing", "loop.csv", "terabyte"])
def test_a_file_that_is_no_table_is_an_error_of_one_line(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "loop.csv"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "terabyte":
        path.touch()
        os.truncate(path, 1 << 40)
    else:
        path.symlink_to(kind)
    with pytest.raises(MarketError, match=r"loop\.csv (is|does|cannot)") as error:
        read_table(path)
    assert "\n" not in str(error.value)


def test_rows_that_are_lost_are_an_error() -> None:
    check_nothing_lost("Products.csv", 3, 2, 1)
    for kept in (1, 3):
        with pytest.raises(MarketError, match=r"Products.csv: 3 read, but"):
            check_nothing_lost("Products.csv", 3, kept, 1)


@pytest.fixture
def predicting(
    ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[Outcome, str]]:
    """Return predicting(project, case): predict for its raw folder, by models loaded once."""
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")  # threads do not survive a fork
    with contextlib.chdir(ran):
        predictor = predict.Predictor(torch.device("cpu"))
    monkeypatch.setattr(predict, "Predictor", lambda device: predictor)

    def attempt(
        project: Path, case: table_corpus.Table | None = None, seconds: int = SECONDS
    ) -> tuple[Outcome, str]:
        raw, out = project / "data/mine/raw", tmp_path / "predicted/out.csv"
        options = ["--raw", str(raw), "--out", str(out)]
        outcome = run(predict.main, project, *options, cwd=ran, seconds=seconds)
        if (complaint := describe_failure(outcome, out)) is None:
            complaint = unlike_predictions(raw, out, case)
        shutil.rmtree(out.parent, ignore_errors=True)
        return outcome, complaint

    return attempt


def unlike_predictions(raw: Path, out: Path, case: table_corpus.Table | None) -> str:
    """What is wrong with what predict wrote; "" if nothing is."""
    table = pd.read_csv(out, dtype={"product_id": str}, keep_default_na=False)
    rejects = pd.read_csv(out.with_suffix(".rejects.csv"), dtype=str, keep_default_na=False)
    if case is None or case.name != "Products.csv":
        if table["product_id"].tolist() != [row[0] for row in table_corpus.PRODUCTS[1:]]:
            return f"other products: {table['product_id'].tolist()}"
    elif case.records is not None and len(table) != case.records:
        return f"{case.records} products in, {len(table)} rows out"
    p = table.filter(regex="^p_").to_numpy(float)
    prices = table[["price_low", "price", "price_high"]].to_numpy(float)
    if not (np.isfinite(p).all() and np.allclose(p.sum(axis=1), 1, atol=1e-4)):
        return "probabilities that are none"
    if not (np.isfinite(prices).all() and (prices >= 0).all() and (np.diff(prices) >= 0).all()):
        return f"prices {prices.tolist()}"
    names = {path.name for path in (raw / "images").iterdir()}
    unknown = set(rejects["source"]) - {f"images/{printable_name(name)}" for name in names}
    return f"rejects of {unknown}" if unknown - {"Images.csv"} else ""


def test_tables_of_the_corpus_through_predict(predicting: Callable, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    cases = [case for case in table_corpus.tables(SEED) if case.name != "interactions.csv"][::40]
    assert not try_tables(project, cases, partial(predicting, project))


@pytest.mark.campaign
@pytest.mark.parametrize("part", range(PARTS))
def test_every_table_of_the_corpus_through_predict(
    predicting: Callable, tmp_path: Path, part: int
) -> None:
    project = make_project(tmp_path / "project")
    cases = [
        case for case in table_corpus.tables(SEED)[part::PARTS] if case.name != "interactions.csv"
    ]
    faults = try_tables(project, cases, partial(predicting, project))
    assert not faults, "\n".join(faults)


@pytest.mark.campaign
def test_every_photo_of_the_corpus_through_predict(predicting: Callable, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    photos = [*photo_corpus.mutated_photos(SEED), *photo_corpus.bombs().items()]
    ids = write_photos(project, photos, tmp_path / "outside")
    outcome, complaint = predicting(project, seconds=300)
    print(f"\n{len(photos)} photos, {len(ids)} ids, {outcome.seconds:.1f} s")
    assert outcome.code == 0 and not complaint, complaint or outcome.output


@pytest.mark.campaign
@pytest.mark.parametrize("part", range(PARTS))
def test_every_table_of_the_corpus(tmp_path: Path, part: int) -> None:
    project = make_project(tmp_path / "project")
    faults = try_tables(project, table_corpus.tables(SEED)[part::PARTS], cleaning(project))
    assert not faults, "\n".join(faults)


@pytest.mark.campaign
def test_every_photo_of_the_corpus(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    photos = [*photo_corpus.mutated_photos(SEED), *photo_corpus.bombs().items()]
    ids = write_photos(project, photos, tmp_path / "outside")
    outcome = run(clean.main, project, seconds=300)
    complaint = find_fault(project, None, outcome)
    print(f"\n{len(photos)} photos, {len(ids)} ids, {outcome.seconds:.1f} s")
    assert not complaint, complaint
    assert not any(unaccounted(project, ids).values()), unaccounted(project, ids)
    rejects = pd.read_csv(project / "data/clean/rejects.csv", dtype=str)
    print(rejects["reason"].str.replace(r"\(.*", "", regex=True).value_counts().to_string())
