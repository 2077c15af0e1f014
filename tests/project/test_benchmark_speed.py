"""The speed benchmarks: they run on tiny inputs, and their summaries follow from the runs."""

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


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch):
    """Return load("growth"), a benchmark's module; scripts import each other by these names."""
    monkeypatch.syspath_prepend(str(REPO / "benchmarks"))

    def get(name: str) -> ModuleType:
        return importlib.import_module(name)

    return get


def run(script: str, *arguments: object, cwd: Path = REPO) -> str:
    result = subprocess.run(
        [sys.executable, REPO / script, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def cells(table: str) -> list[list[str]]:
    """Return the cells of a Markdown table's rows, header first."""
    lines = [line for line in table.splitlines() if line.startswith("|") and "---" not in line]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


# --- Scripts --------------------------------------------------------------------------------------
@pytest.mark.campaign  # 10 to 25 seconds
def test_clean_is_compared_with_the_plain_way(raw: Path) -> None:
    options = ["--raw", raw, "--case", "clean", "--pairs", "1", "--large", "1"]
    header, row = cells(run("benchmarks/stages.py", *options))
    assert header[1:4] == ["plain", "ours", "plain / ours"]
    assert row[0].startswith("clean") and float(row[3]) > 0


@pytest.mark.campaign  # 10 to 25 seconds
def test_growth_of_clean_is_measured() -> None:
    options = ["--base", "40", "--times", "1", "--times", "2", "--stage", "clean", "--runs", "1"]
    first, *_ = cells(run("benchmarks/growth.py", *options))[1:]
    assert first[0] == "clean" and first[1].endswith("MB")
    assert float(first[-3]) != 0 and first[-2] == "–"


@pytest.mark.campaign  # 10 to 25 seconds
def test_dvc_is_measured_on_packed_photos() -> None:
    options = ["--photos", "20", "--form", "packed", "--link", "none", "--runs", "1"]
    header, row = cells(run("benchmarks/dvc_cost.py", *options))
    assert row[:2] == ["20 photos, packed", "1"]
    assert len(header) == len(row) == 8 and all(float(cell) > 0 for cell in row[2:])


def test_missing_raw_data_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    command = [sys.executable, REPO / "benchmarks/stages.py", "--raw", tmp_path / "absent"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 1 and "not found: run `dvc pull" in result.stderr


@pytest.mark.campaign
def test_every_case_of_every_script_runs(load, tmp_path: Path) -> None:
    load("measuring").write_params(tmp_path, {"sample.products": 150, "sample.seed": 1})
    run("stages/sample.py", cwd=tmp_path)
    sizes = ["--large", "2", "--texts", "30", "--photos", "32", "--batches", "1", "--trees", "10"]
    options = ["--raw", tmp_path / "data/sample/raw", "--pairs", "1", *sizes]
    titles = [row[0] for row in cells(run("benchmarks/stages.py", *options))[1:]]
    assert titles == [case.title for case in load("cases").CASES.values()]
    options = ["--base", "40", "--times", "1", "--times", "2", "--runs", "1"]
    chain = load("growth").CHAIN
    rows = cells(run("benchmarks/growth.py", *options))
    assert [row[0] for row in rows[1 : len(chain) + 1]] == list(chain)
    rows = cells(run("benchmarks/dvc_cost.py", "--photos", "20", "--runs", "1"))
    assert [row[0] for row in rows[1:3]] == ["20 photos, folder", "20 photos, packed"]


# --- Summaries ------------------------------------------------------------------------------------
def test_a_process_is_measured_with_its_children(load, tmp_path: Path) -> None:
    child = "import time; held = bytearray(200 << 20); time.sleep(0.5)"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    measured = load("measuring").run_measured([sys.executable, "-c", script], cwd=tmp_path)
    assert measured["peak_mb"] > 200 and measured["wall"] > 0.5


def test_a_failed_process_is_an_error_with_its_output(load, tmp_path: Path) -> None:
    with pytest.raises(MarketError, match="no such file"):
        load("measuring").run_measured(
            [sys.executable, "-c", "raise SystemExit('no such file')"], cwd=tmp_path
        )


def test_params_are_those_of_the_repository_with_changes(load, tmp_path: Path) -> None:
    load("measuring").write_params(tmp_path, {"dataset": "mine", "merge.folds": 7})
    text = (tmp_path / "params.yaml").read_text(encoding="utf-8")
    assert "dataset: mine\n" in text and "folds: 7\n" in text


def side(seconds: float, **computed: float) -> dict[str, float]:
    return {"seconds": seconds, "processor_seconds": 1.0, "peak_mb": 10.0, **computed}


def test_ratios_compare_neighbouring_runs(load) -> None:
    case = load("cases").CASES["merge"]
    summarise = load("pairs").summarise
    summary = summarise(case, [(side(4), side(2)), (side(9), side(3))])
    assert summary["ratio"] == [2, 3] and summary["unit"] == "s"
    rates = summarise(case, [(side(1, photos_per_second=80.0), side(1, photos_per_second=60.0))])
    assert rates["ratio"] == [0.75] and rates["unit"] == "photos/s"
    with pytest.raises(MarketError, match="differ in rows"):
        summarise(case, [(side(4, rows=1), side(2, rows=2))])


def test_every_side_of_every_case_exists(load) -> None:
    for case in load("cases").CASES.values():
        assert callable(case.side("plain")) and callable(case.side("ours"))
        assert not case.stage or (REPO / f"stages/{case.stage}.py").exists()


def test_the_plot_shows_every_case_the_same_each_time(load, tmp_path: Path) -> None:
    results = json.loads((REPO / "results/speed/stages.json").read_text(encoding="utf-8"))["cases"]
    for name in ("a.svg", "b.svg"):
        load("pairs").draw_ratios(results, tmp_path / name)
    plot = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert plot == (tmp_path / "b.svg").read_text(encoding="utf-8")
    assert all(case["title"] in plot for case in results.values())


def test_slopes_are_those_of_a_line(load) -> None:
    runs = [{"seconds": 5 + 0.01 * n, "peak_mb": 100 + 0.5 * n} for n in (10, 100, 1000)]
    fit = load("growth").fit([10, 100, 1000], runs)
    assert fit["seconds_per_listing"] == pytest.approx(0.01)
    assert fit["growth"] == pytest.approx(1)
    assert fit["constant_seconds"] == pytest.approx(5)
    assert fit["mb_per_1000_listings"] == pytest.approx(500)


def test_benchmark_photos_are_different_files(load) -> None:
    first, second = load("dvc_cost").photos(2)
    assert first != second and len(first) == len(second)
    assert Image.open(io.BytesIO(second)).convert("RGB").size == (224, 224)


def test_the_document_shows_the_committed_results(load) -> None:
    document = (REPO / "docs/speed.md").read_text(encoding="utf-8")
    committed = {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in (REPO / "results/speed").glob("*.json")
    }
    tables = (
        load("pairs").ratio_table(committed["stages"]["cases"]),
        load("growth").tables(committed["growth"]),
        load("dvc_cost").tables(committed["dvc_cost"]["forms"]),
    )
    for table in tables:  # in any order of rows: JSON sorts its keys
        assert set(table.splitlines()) <= set(document.splitlines())
    for content in committed.values():
        assert load("measuring").describe(content["machine"]) in document
