"""The benchmark on a log: its table, and that held-out events stay out of everything."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from repository import REPO

from market.core.errors import MarketError

SCRIPT = REPO / "benchmarks/interactions.py"


def load_benchmark() -> Any:
    spec = importlib.util.spec_from_file_location("benchmark_interactions", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclass looks itself up there
    spec.loader.exec_module(module)
    return module


benchmark = load_benchmark()


def draw_log(people: int = 150, seed: int = 0, pause: int = 60) -> pd.DataFrame:
    """Simulated: three crowds with 20 products each, of which one tends to lead to the next.

    A person has an event each `pause` seconds.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for person in range(people):
        crowd, at = person % 3, int(rng.integers(20))
        for step in range(int(rng.integers(4, 14))):
            at = (at + 1) % 20 if rng.random() < 0.6 else int(rng.integers(20))
            event = "buy" if rng.random() < 0.1 else "view"
            rows.append(
                (f"p{person}", f"c{crowd}-{at}", event, 1.6e9 + person * 9000 + step * pause)
            )
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
    assert "1 users with one product only" in result.stdout
    assert result.stdout.index("time: ") < result.stdout.index("leave_last_out: 150 users judged")
    tables = pd.read_csv(out)
    by_time = tables[tables["protocol"] == "time"]
    models = ["popular", "recent popular", "item-kNN", "ALS", "BPR", "ours"]
    returning = by_time[by_time["users"] == "returning"]
    assert returning["model"].tolist() == models and returning["n"].between(1, 149).all()
    new = by_time[by_time["users"] == "new"]
    assert new["model"].tolist() == ["popular", "recent popular", "ours"]
    table = tables[tables["protocol"] == "leave_last_out"].set_index("model")
    assert table.index.tolist() == models and (table["users"] == "returning").all()
    for metric in ("ndcg@10", "recall@10", "mrr"):
        assert (table[f"{metric}_low"] <= table[metric]).all()
        assert (table[metric] <= table[f"{metric}_high"]).all()
    assert (table["n"] == 150).all() and (table["seed"] == 3).all()
    assert table["coverage"].between(0, 1).all() and (table["fit_seconds"] >= 0).all()
    assert all(name in result.stdout for name in table.index)
    assert table.loc["ours", "ndcg@10"] > 2 * table.loc["popular", "ndcg@10"]
    assert table.loc["popular", "ours_minus_low"] > 0
    assert len(pd.read_csv(out.with_name("table.csv.rejects.csv"))) == 1


def last_out(log: pd.DataFrame) -> tuple[Any, list[Any]]:
    return benchmark.leave_last_out(log), [benchmark.leave_last_out(log, benchmark.VALIDATION)]


@pytest.mark.usefixtures("quick")
def test_the_same_seed_gives_the_same_table(log: pd.DataFrame) -> None:
    first, second = (
        benchmark.compare(log, *last_out(log), seed=0, most=100)[0].drop(columns="fit_seconds")
        for _ in range(2)
    )
    pd.testing.assert_frame_equal(first, second)
    assert (first["n"] == 100).all(), "--max-users"


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("protocol", ["time", "leave_last_out"])
def test_held_out_events_touch_no_model(protocol: str) -> None:
    log = draw_log(pause=40_000)
    poisoned = log.copy()
    cutoff = benchmark.cutoff_time(log["timestamp"], 0.2)
    held_out = log["timestamp"] >= cutoff
    if protocol == "leave_last_out":
        held_out = ~pd.Series(benchmark.leave_last_out(log).train)
    poisoned.loc[held_out, "product_id"] = "poison"
    poisoned.loc[held_out, "event"] = "buy"
    scores = []
    for each in (log, poisoned):
        holdout, earlier = (
            last_out(each) if protocol == "leave_last_out" else benchmark.split_by_time(each, 0.2)
        )
        task = benchmark.make_task(each, holdout)
        assert "poison" not in task.products
        # Histories before the cut-off are the same; those after it are the users' own.
        task = task.only(np.flatnonzero([len(past) > 0 for past in task.past]))
        task.past = [past[~held_out[past.index]] for past in task.past]
        teaching = [benchmark.make_task(each, one) for one in earlier]
        ranker = benchmark.learn_ranker(teaching, 0)
        models = [benchmark.ours(task, ranker)]
        for name, (fit, _) in benchmark.BASELINES.items():
            models.append(fit(task, 0, **benchmark.choose(name, teaching, 0)))
        by_user = pd.Series(np.arange(len(task.users)), task.users)
        scores.append((by_user, [model(np.arange(len(task.users))) for model in models], task))
    (clean_rows, clean, one), (dirty_rows, dirty, other) = scores
    both = clean_rows.index.intersection(dirty_rows.index)
    both = [user for user in both if one.times[clean_rows[user]] == other.times[dirty_rows[user]]]
    assert len(both) > 15
    for before, after in zip(clean, dirty, strict=True):
        np.testing.assert_array_equal(before[clean_rows[both]], after[dirty_rows[both]])


def test_features_are_those_of_the_judged_events_own_time() -> None:
    """What is popular after a judged event changes nothing for it, in either protocol."""
    log = draw_log(pause=40_000)
    for holdout in (benchmark.split_by_time(log, 0.2)[0], benchmark.leave_last_out(log)):
        task = benchmark.make_task(log, holdout)
        row = int(np.argsort(task.times)[len(task.times) // 2])
        found = []
        for rush in (False, True):
            changed = task.log.copy()
            later = changed["timestamp"] >= task.times[row]
            if rush:
                changed.loc[later, "product_id"] = "c2-7"
            model = benchmark.CollaborativeModel.fit(changed)
            _, table = benchmark.unseen_features(model, task.past[row].iloc[:0], task.times[row])
            other = replace(task, log=changed)
            recent = benchmark.recent_popular(other, 0, days=9.0)(np.array([row]))[0]
            found.append((table.filter(like="trending").set_index(model.products), recent))
        (before, before_recent), (after, after_recent) = found
        shared = before.index.intersection(after.index)
        np.testing.assert_allclose(before.loc[shared], after.loc[shared])
        np.testing.assert_array_equal(before_recent, after_recent)
        assert before_recent.any() and before.to_numpy().any()


def test_the_place_is_among_all_unseen_products() -> None:
    visits = {"a": "125", "b": "23451", "c": "16"}
    rows = [(user, product, at) for user in visits for at, product in enumerate(visits[user])]
    log = pd.DataFrame(rows, columns=["user_id", "product_id", "timestamp"]).assign(event="view")
    log["timestamp"] = pd.to_datetime(log["timestamp"], unit="s")
    log = log.sort_values("timestamp", kind="stable", ignore_index=True)
    task = benchmark.make_task(log, benchmark.leave_last_out(log))
    task = task.only(np.argsort(task.users))
    assert task.products.tolist() == ["1", "2", "3", "4", "5"]
    assert task.targets.tolist() == [4, 0, -1], "nobody had met c's"

    def scorer(rows: np.ndarray) -> np.ndarray:
        return np.tile([9.0, 8.0, 2.0, 1.0, 1.0], (len(rows), 1))

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
    table, _ = benchmark.compare(log, *last_out(log), seed=0, most=100)
    assert np.isfinite(table.select_dtypes("number")).all(axis=None)


@pytest.mark.usefixtures("quick")
def test_the_smallest_log_that_time_can_split_is_judged() -> None:
    events = [("a", "x"), ("a", "y"), ("b", "x"), ("a", "z"), ("b", "z"), ("c", "x")]
    rows = [(user, product, "view", pd.Timestamp(at, unit="h"))
            for at, (user, product) in enumerate(events)]  # fmt: skip
    log = pd.DataFrame(rows, columns=["user_id", "product_id", "event", "timestamp"])
    table, facts = benchmark.compare(log, *benchmark.split_by_time(log, 0.4), seed=0, most=100)
    assert (facts["returning"], facts["new"]) == (1, 1)
    assert np.isfinite(table.select_dtypes("number")).all(axis=None)


def test_a_log_that_time_cannot_split_is_judged_by_user_and_says_so(tmp_path: Path) -> None:
    log = draw_log(20)
    start = pd.Timestamp("2024-03-01")
    alone = start + pd.to_timedelta(log.groupby("user_id").ngroup(), unit="D")
    for name, times, said in (
        ("one time", start, "all events have one time"),
        ("nobody returns", alone, "no user with an"),
    ):
        path, out = tmp_path / f"{name}.csv", tmp_path / f"{name}.table.csv"
        log.assign(timestamp=times).to_csv(path, index=False)
        result = CliRunner().invoke(benchmark.main, ["--log", str(path), "--out", str(out)])
        assert result.exit_code == 0, result.output
        assert f"cannot be split by time: {said}" in result.output
        assert "leave_last_out only" in result.output
        assert set(pd.read_csv(out)["protocol"]) == {"leave_last_out"}


def test_nobody_to_judge_is_one_line() -> None:
    log = draw_log(0)
    with pytest.raises(MarketError, match="nobody can be judged"):
        benchmark.compare(log, *last_out(log), seed=0, most=10)
