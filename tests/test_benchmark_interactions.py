"""The benchmark on a log: its table, and that held-out events stay out of everything."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click import ClickException

SCRIPT = Path(__file__).parent.parent / "benchmarks/interactions.py"


def load_benchmark() -> Any:
    spec = importlib.util.spec_from_file_location("benchmark_interactions", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclass looks itself up there
    spec.loader.exec_module(module)
    return module


benchmark = load_benchmark()


def draw_log(people: int = 150, seed: int = 0) -> pd.DataFrame:
    """Simulated: three crowds with 20 products each, of which one tends to lead to the next."""
    rng = np.random.default_rng(seed)
    rows = []
    for person in range(people):
        crowd, at = person % 3, int(rng.integers(20))
        for step in range(int(rng.integers(4, 14))):
            at = (at + 1) % 20 if rng.random() < 0.6 else int(rng.integers(20))
            event = "buy" if rng.random() < 0.1 else "view"
            rows.append((f"p{person}", f"c{crowd}-{at}", event, 1.6e9 + person * 9000 + step * 60))
    rows.append(("once", "c0-0", "view", 1.6e9))
    log = pd.DataFrame(rows, columns=["user_id", "product_id", "event", "timestamp"])
    return log.assign(timestamp=pd.to_datetime(log["timestamp"], unit="s")).sort_values(
        "timestamp", kind="stable", ignore_index=True
    )


@pytest.fixture(scope="module")
def log() -> pd.DataFrame:
    return draw_log()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """One setting for each model."""
    few = {name: (fit, settings[:1]) for name, (fit, settings) in benchmark.BASELINES.items()}
    monkeypatch.setattr(benchmark, "BASELINES", few)


def test_the_script_prints_and_writes_a_table(log: pd.DataFrame, tmp_path: Path) -> None:
    path, out = tmp_path / "log.csv", tmp_path / "deeper" / "table.csv"
    log.drop(columns="event").to_csv(path, index=False)
    with path.open("a", encoding="utf-8") as file:
        file.write("p1,c0-1,\n")
    command = [sys.executable, str(SCRIPT), "--log", str(path), "--out", str(out), "--seed", "3"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "1 rows of" in result.stderr and "timestamp is missing (1)" in result.stderr
    assert "150 judged, 1 cannot be (one product)" in result.stdout
    table = pd.read_csv(out).set_index("model")
    assert table.index.tolist() == ["popular", "item-kNN", "ALS", "BPR", "ours"]
    for metric in ("ndcg@10", "recall@10", "mrr"):
        assert (table[f"{metric}_low"] <= table[metric]).all()
        assert (table[metric] <= table[f"{metric}_high"]).all()
    assert (table["n"] == 150).all() and (table["seed"] == 3).all()
    assert table["coverage"].between(0, 1).all() and (table["fit_seconds"] >= 0).all()
    assert all(name in result.stdout for name in table.index)
    assert table.loc["ours", "ndcg@10"] > 2 * table.loc["popular", "ndcg@10"]
    assert table.loc["popular", "ours_minus_low"] > 0
    assert len(pd.read_csv(out.with_name("table.csv.rejects.csv"))) == 1


@pytest.mark.usefixtures("quick")
def test_the_same_seed_gives_the_same_table(log: pd.DataFrame) -> None:
    first, second = (
        benchmark.compare(log, seed=0, most=100)[0].drop(columns="fit_seconds") for _ in range(2)
    )
    pd.testing.assert_frame_equal(first, second)
    assert (first["n"] == 100).all(), "--max-users"


@pytest.mark.usefixtures("quick")
def test_held_out_events_touch_no_model(log: pd.DataFrame) -> None:
    parts = benchmark.leave_last_out(log)
    poisoned = log.copy()
    poisoned.loc[parts == 2, "product_id"] = "poison"
    poisoned.loc[parts == 2, "event"] = "buy"
    scores = []
    for of in (log, poisoned):
        found = benchmark.leave_last_out(of)
        assert found.equals(parts)
        task = benchmark.make_task(of, found, 2, 10**6, 0)
        assert "poison" not in task.products
        teaching = benchmark.make_task(of, found, 1, 10**6, 0)
        ranker = benchmark.learn_ranker(teaching, 0)
        models = [benchmark.ours(task, ranker)]
        for name, (fit, _) in benchmark.BASELINES.items():
            models.append(fit(task, 0, **benchmark.choose(name, teaching, 0)))
        scores.append([model(task.users) for model in models])
    for clean, dirty in zip(*scores, strict=True):
        np.testing.assert_array_equal(clean, dirty)


def test_the_place_is_among_all_unseen_products() -> None:
    visits = {"a": "125", "b": "23451", "c": "16"}
    rows = [(user, product, at) for user in visits for at, product in enumerate(visits[user])]
    log = pd.DataFrame(rows, columns=["user_id", "product_id", "timestamp"]).assign(event="view")
    log["timestamp"] = pd.to_datetime(log["timestamp"], unit="s")
    log = log.sort_values("timestamp", kind="stable", ignore_index=True)
    task = benchmark.make_task(log, benchmark.leave_last_out(log), 2, 10, 0)
    assert task.products.tolist() == ["1", "2", "3", "4", "5"]
    assert task.targets.tolist() == [4, 0, -1], "nobody had met c's"

    def scorer(users: np.ndarray) -> np.ndarray:
        return np.tile([9.0, 8.0, 2.0, 1.0, 1.0], (len(users), 1))

    found, best = benchmark.judge(scorer, task)
    # a has met 1 and 2: 3 comes first, 4 and 5 share the places 2 and 3. b has one left.
    np.testing.assert_allclose(found["mrr"], [1 / 2.5, 1, 0])
    np.testing.assert_allclose(found["ndcg@10"], [1 / np.log2(3.5), 1, 0])
    assert set(best[0]) == {2, 3, 4, -1} and set(best[1]) == {0, -1}


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "people",
    [
        {"a": "xy", "b": "yx"},
        {"a": "xyz", "b": "xxxx", "c": "zyx"},
        {f"p{i}": "xyzvw"[i % 5 :] + "uvw" for i in range(20)},
    ],
)
def test_the_smallest_logs_are_judged(people: dict[str, str]) -> None:
    rows = [(user, product, "view", pd.Timestamp(0)) for user in people for product in people[user]]
    log = pd.DataFrame(rows, columns=["user_id", "product_id", "event", "timestamp"])
    table, _ = benchmark.compare(log, seed=0, most=100)
    assert np.isfinite(table.select_dtypes("number")).all(axis=None)


def test_nobody_to_judge_is_one_line() -> None:
    log = draw_log(0)
    with pytest.raises(ClickException, match="no one can be judged"):
        benchmark.compare(log, seed=0, most=10)
