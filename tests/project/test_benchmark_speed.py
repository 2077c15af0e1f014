"""The benchmarks of speed on very little: they run, and what they report is what was measured."""

from __future__ import annotations

import importlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image
from repository import REPO

from market.core.errors import MarketError
from market.data.synthetic.marketplace import write_marketplace


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch):
    """Return load("growth"): a benchmark's module; scripts find `measuring` beside themselves."""
    monkeypatch.syspath_prepend(str(REPO / "benchmarks"))

    def get(name: str) -> ModuleType:
        return importlib.import_module(name)

    return get


def run(script: str, *arguments: str | Path) -> str:
    result = subprocess.run(
        [sys.executable, f"benchmarks/{script}.py", *map(str, arguments)],
        cwd=REPO,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def cells(table: str) -> list[list[str]]:
    """The cells of a Markdown table's rows, header first."""
    lines = [line for line in table.splitlines() if line.startswith("|") and "---" not in line]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


# --- Scripts --------------------------------------------------------------------------------------
def test_clean_is_compared_with_the_plain_way(raw: Path) -> None:
    head, row = cells(
        run("stages", "--raw", raw, "--case", "clean", "--pairs", "1", "--large", "1")
    )
    assert head[1:4] == ["plain", "ours", "plain / ours"]
    assert row[0].startswith("clean") and float(row[3]) > 0


def test_growth_of_clean_is_measured() -> None:
    options = ["--base", "40", "--times", "1", "--times", "2", "--stage", "clean", "--runs", "1"]
    first, *_ = cells(run("growth", *options))[1:]
    assert first[0] == "clean" and first[1].endswith("MB") and float(first[-3]) != 0


def test_dvc_is_measured_on_packed_photos() -> None:
    options = ["--photos", "20", "--form", "packed", "--link", "none", "--runs", "1"]
    head, row = cells(run("dvc_cost", *options))
    assert row[:2] == ["20 photos, packed", "1"]
    assert len(head) == len(row) == 8 and all(float(cell) > 0 for cell in row[2:])


@pytest.mark.campaign
def test_every_case_of_every_script_runs(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    write_marketplace(raw, 150, 1)
    sizes = ["--large", "2", "--texts", "30", "--photos", "32", "--batches", "1", "--trees", "10"]
    cases = cells(run("stages", "--raw", raw, "--pairs", "1", *sizes))
    assert len(cases) == 10
    stages = cells(run("growth", "--base", "40", "--times", "1", "--times", "2", "--runs", "1"))
    assert [row[0] for row in stages[1:7]] == [
        "clean", "merge", "embed_photos", "embed_texts", "index", "rank"
    ]  # fmt: skip
    by_form = cells(run("dvc_cost", "--photos", "20", "--runs", "1"))
    assert [row[0] for row in by_form[1:3]] == ["20 photos, folder", "20 photos, packed"]


# --- What is made of the measurements -------------------------------------------------------------
def test_a_process_is_measured_with_its_children(load, tmp_path: Path) -> None:
    measuring = load("measuring")
    child = "import time; held = bytearray(200 << 20); time.sleep(0.5)"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    found = measuring.run_measured([sys.executable, "-c", script], cwd=tmp_path)
    assert found["peak_mb"] > 200 and found["wall"] > 0.5


def test_a_process_that_fails_says_why(load, tmp_path: Path) -> None:
    with pytest.raises(MarketError, match="no such thing"):
        load("measuring").run_measured(
            [sys.executable, "-c", "raise SystemExit('no such thing')"], cwd=tmp_path
        )


def test_a_table_is_put_between_its_markers(load, tmp_path: Path) -> None:
    path = tmp_path / "speed.md"
    path.write_text("a\n<!-- x: begin -->\nold\n<!-- x: end -->\nz\n", encoding="utf-8")
    load("measuring").put_between(path, "x", "new")
    assert path.read_text(encoding="utf-8") == "a\n<!-- x: begin -->\nnew\n<!-- x: end -->\nz\n"
    with pytest.raises(MarketError, match="y: begin"):
        load("measuring").put_between(path, "y", "new")


def test_ratios_are_of_neighbouring_runs(load) -> None:
    def side(seconds: float, **found: float) -> dict[str, float]:
        return {"seconds": seconds, "processor_seconds": 1.0, "peak_mb": 10.0, **found}

    stages = load("stages")
    found = stages.summarise("merge", [(side(4), side(2)), (side(9), side(3))])
    assert found["ratio"] == [2, 3]
    with pytest.raises(MarketError, match="differ in rows"):
        stages.summarise("merge", [(side(4, rows=1), side(2, rows=2))])


def test_slopes_are_those_of_the_line(load) -> None:
    runs = [{"seconds": 5 + 0.01 * n, "peak_mb": 100 + 0.5 * n} for n in (10, 100, 1000)]
    found = load("growth").fit([10, 100, 1000], runs)
    assert found["seconds_per_listing"] == pytest.approx(0.01)
    assert found["growth"] == pytest.approx(1)
    assert found["constant_seconds"] == pytest.approx(5)
    assert found["mb_per_1000_listings"] == pytest.approx(500)


def test_benchmark_photos_are_different_pictures_files(load) -> None:
    first, second = load("dvc_cost").photos(2)
    assert first != second and len(first) == len(second)
    assert Image.open(io.BytesIO(second)).convert("RGB").size == (224, 224)


def test_committed_results_are_those_in_the_document() -> None:
    document = (REPO / "docs/speed.md").read_text(encoding="utf-8")
    for path in sorted((REPO / "results/speed").glob("*.json")):
        about = json.loads(path.read_text(encoding="utf-8"))["machine"]
        assert f"load of the machine before the first run: {about['load_before']}" in document
