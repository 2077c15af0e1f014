"""The benchmark on a log: its tables, and that held-out events reach no model."""

from __future__ import annotations

import importlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from repository import REPO

from market.data.holdouts import VALIDATION, Holdout, cutoff_time, leave_last_out
from market.search.collaborative import CollaborativeModel

with (
    pytest.MonkeyPatch.context() as patch
):  # as for a script, whose folder is where it imports from
    patch.syspath_prepend(str(REPO / "benchmarks"))
    script, next_item_task, recommenders, recommender_evaluation = map(
        importlib.import_module,
        ("interactions", "next_item_task", "recommenders", "recommender_evaluation"),
    )

MODELS = ["popular", "recent popular", "item-kNN", "ALS", "BPR", "ours"]


def draw_log(n_users: int = 150, seed: int = 0, pause: int = 60) -> pd.DataFrame:
    """Simulate three groups of users with 20 products each, of which one tends to lead to the next.

    A user has an event each `pause` seconds. One more user has a single event.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(n_users):
        group, product = user % 3, int(rng.integers(20))
        for step in range(int(rng.integers(4, 14))):
            product = (product + 1) % 20 if rng.random() < 0.6 else int(rng.integers(20))
            event = "buy" if rng.random() < 0.1 else "view"
            rows.append((f"p{user}", f"c{group}-{product}", event, user * 9000 + step * pause))
    rows.append(("once", "c0-0", "view", 0))
    log = pd.DataFrame(rows, columns=["user_id", "product_id", "event", "timestamp"])
    log["timestamp"] = pd.to_datetime(1.6e9 + log["timestamp"], unit="s")
    return log.sort_values("timestamp", kind="stable", ignore_index=True)


@pytest.fixture(scope="module")
def log() -> pd.DataFrame:
    return draw_log()


@pytest.fixture
def one_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave one setting to each model, so that there is nothing to choose."""
    for name, (fit, grid) in recommenders.BASELINES.items():
        monkeypatch.setitem(recommenders.BASELINES, name, (fit, grid[:1]))


def test_the_script_prints_and_writes_a_table(log: pd.DataFrame, tmp_path: Path) -> None:
    path, out = tmp_path / "log.csv", tmp_path / "deeper" / "table.csv"
    log.drop(columns="event").to_csv(path, index=False)
    with path.open("a", encoding="utf-8") as file:
        file.write("p1,c0-1,\n")
    result = CliRunner().invoke(
        script.main, ["--log", str(path), "--out", str(out), "--seed", "3"], catch_exceptions=False
    )
    assert "1 rows of" in result.stderr and "timestamp is missing (1)" in result.stderr
    assert "1 users with one product only" in result.stdout
    assert result.stdout.index("time: ") < result.stdout.index("leave_last_out: 150 users")
    tables = pd.read_csv(out)
    by_time = tables[tables["protocol"] == "time"]
    returning = by_time[by_time["users"] == "returning"]
    assert returning["model"].tolist() == MODELS and returning["n"].between(1, 149).all()
    new = by_time[by_time["users"] == "new"]
    assert new["model"].tolist() == ["popular", "recent popular", "ours"]
    table = tables[tables["protocol"] == "leave_last_out"].set_index("model")
    assert table.index.tolist() == MODELS and (table["users"] == "returning").all()
    for metric in ("ndcg@10", "recall@10", "mrr"):
        assert (table[f"{metric}_low"] <= table[metric]).all()
        assert (table[metric] <= table[f"{metric}_high"]).all()
    assert (table["n"] == 150).all() and (table["seed"] == 3).all()
    assert table["coverage"].between(0, 1).all() and (table["fit_seconds"] >= 0).all()
    assert all(name in result.stdout for name in table.index)
    assert table.loc["ours", "ndcg@10"] > 2 * table.loc["popular", "ndcg@10"]
    assert table.loc["popular", "ours_minus_low"] > 0
    assert len(pd.read_csv(out.with_name("table.csv.rejects.csv"))) == 1


def split_last_out(log: pd.DataFrame) -> tuple[Holdout, list[Holdout]]:
    return leave_last_out(log), [leave_last_out(log, VALIDATION)]


@pytest.mark.usefixtures("one_setting")
def test_the_same_seed_gives_the_same_table(log: pd.DataFrame) -> None:
    first, second = (
        recommender_evaluation.compare(log, *split_last_out(log), seed=0, max_users=100)[0]
        for _ in range(2)
    )
    timing = "fit_seconds"
    pd.testing.assert_frame_equal(first.drop(columns=timing), second.drop(columns=timing))
    assert (first["n"] == 100).all(), "--max-users"


@pytest.mark.usefixtures("one_setting")
@pytest.mark.parametrize("protocol", ["time", "leave_last_out"])
def test_held_out_events_reach_no_model(protocol: str) -> None:
    log = draw_log(pause=40_000)
    poisoned = log.copy()
    held_out = log["timestamp"] >= cutoff_time(log["timestamp"], 0.2)
    if protocol == "leave_last_out":
        held_out = ~pd.Series(leave_last_out(log).train)
    poisoned.loc[held_out, "product_id"] = "poison"
    poisoned.loc[held_out, "event"] = "buy"
    results = []
    for variant in (log, poisoned):
        if protocol == "time":
            holdout, earlier = next_item_task.split_by_time(variant, 0.2)
        else:
            holdout, earlier = split_last_out(variant)
        task = next_item_task.make_task(variant, holdout)
        assert "poison" not in task.products
        # Only the histories before the cut-off are compared: later events are the users' own.
        task = task.returning_users()
        task.past = [past[~held_out[past.index]] for past in task.past]
        earlier_tasks = [next_item_task.make_task(variant, each) for each in earlier]
        rows = np.arange(len(task.users))
        scores = [
            recommender_evaluation.fit_model(name, task, earlier_tasks, 0).scorer(rows)
            for name in MODELS
        ]
        results.append((task, pd.Series(rows, task.users), scores))
    (task, row_of, scores), (other_task, other_row_of, other_scores) = results
    users = [
        user
        for user in row_of.index.intersection(other_row_of.index)
        if task.times[row_of[user]] == other_task.times[other_row_of[user]]
    ]
    assert len(users) > 15
    for clean, dirty in zip(scores, other_scores, strict=True):
        np.testing.assert_array_equal(clean[row_of[users]], dirty[other_row_of[users]])


def test_features_are_as_of_the_target_event() -> None:
    """What is popular after a target event changes nothing for it, in either protocol."""
    log = draw_log(pause=40_000)
    for holdout in (next_item_task.split_by_time(log, 0.2)[0], leave_last_out(log)):
        task = next_item_task.make_task(log, holdout)
        row = int(np.argsort(task.times)[len(task.times) // 2])
        rush = task.log.copy()
        rush.loc[rush["timestamp"] >= task.times[row], "product_id"] = "c2-7"
        results = []
        for events in (task.log, rush):
            model = CollaborativeModel.fit(events)
            _, table = recommenders.unseen_features(model, task.past[row].iloc[:0], task.times[row])
            recent = recommenders.recent_popular(replace(task, log=events), 0, days=9.0)
            trending = table.filter(like="trending").set_index(model.products)
            results.append((trending, recent(np.array([row]))[0]))
        (before, before_recent), (after, after_recent) = results
        shared = before.index.intersection(after.index)
        np.testing.assert_allclose(before.loc[shared], after.loc[shared])
        np.testing.assert_array_equal(before_recent, after_recent)
        assert before_recent.any() and before.to_numpy().any()


def test_a_target_is_ranked_among_all_unseen_products() -> None:
    visits = {"a": "125", "b": "23451", "c": "16"}
    rows = [(user, product, at) for user in visits for at, product in enumerate(visits[user])]
    log = pd.DataFrame(rows, columns=["user_id", "product_id", "timestamp"]).assign(event="view")
    log["timestamp"] = pd.to_datetime(log["timestamp"], unit="s")
    log = log.sort_values("timestamp", kind="stable", ignore_index=True)
    task = next_item_task.make_task(log, leave_last_out(log))
    task = task.select(np.argsort(task.users))
    assert task.products.tolist() == ["1", "2", "3", "4", "5"]
    assert task.targets.tolist() == [4, 0, -1], "no earlier event has c's product"

    def scorer(rows: np.ndarray) -> np.ndarray:
        return np.tile([9.0, 8.0, 2.0, 1.0, 1.0], (len(rows), 1))

    scores, top = recommender_evaluation.evaluate(scorer, task)
    # a has seen 1 and 2: 3 comes first, 4 and 5 share the places 2 and 3. b has one product left.
    np.testing.assert_allclose(scores["mrr"], [1 / 2.5, 1, 0])
    np.testing.assert_allclose(scores["ndcg@10"], [1 / np.log2(3.5), 1, 0])
    assert set(top[0]) == {2, 3, 4, -1} and set(top[1]) == {0, -1}


@pytest.mark.usefixtures("one_setting")
@pytest.mark.parametrize(
    "visits",
    [
        {"a": "xy", "b": "yx"},
        {"a": "xyz", "b": "xxxx", "c": "zyx"},
        {f"p{i}": "xyzvw"[i % 5 :] + "uvw" for i in range(20)},
    ],
)
def test_the_smallest_logs_are_evaluated(visits: dict[str, str]) -> None:
    rows = [(user, product, "view", pd.Timestamp(0)) for user in visits for product in visits[user]]
    log = pd.DataFrame(rows, columns=["user_id", "product_id", "event", "timestamp"])
    table, _ = recommender_evaluation.compare(log, *split_last_out(log), seed=0, max_users=100)
    assert np.isfinite(table.select_dtypes("number")).all(axis=None)


@pytest.mark.usefixtures("one_setting")
def test_the_smallest_log_that_time_can_split_is_evaluated() -> None:
    events = [("a", "x"), ("a", "y"), ("b", "x"), ("a", "z"), ("b", "z"), ("c", "x")]
    rows = [(user, product, "view", pd.Timestamp(at, unit="h"))
            for at, (user, product) in enumerate(events)]  # fmt: skip
    log = pd.DataFrame(rows, columns=["user_id", "product_id", "event", "timestamp"])
    holdout, earlier = next_item_task.split_by_time(log, 0.4)
    table, facts = recommender_evaluation.compare(log, holdout, earlier, seed=0, max_users=100)
    assert (facts["returning"], facts["new"]) == (1, 1)
    assert np.isfinite(table.select_dtypes("number")).all(axis=None)


@pytest.mark.usefixtures("one_setting")
def test_a_log_that_time_cannot_split_is_evaluated_by_user(tmp_path: Path) -> None:
    log = draw_log(20)
    start = pd.Timestamp("2024-03-01")
    alone = start + pd.to_timedelta(log.groupby("user_id").ngroup(), unit="D")
    for name, times, reason in (
        ("one time", start, "all events have one time"),
        ("nobody returns", alone, "no user with an"),
    ):
        path, out = tmp_path / f"{name}.csv", tmp_path / f"{name}.table.csv"
        log.assign(timestamp=times).to_csv(path, index=False)
        result = CliRunner().invoke(script.main, ["--log", str(path), "--out", str(out)])
        assert result.exit_code == 0, result.output
        assert f"cannot be split by time: {reason}" in result.output
        assert "leave_last_out only" in result.output
        assert set(pd.read_csv(out)["protocol"]) == {"leave_last_out"}


def test_a_log_without_anybody_to_evaluate_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    draw_log(0).to_csv(path, index=False)
    command = [sys.executable, "benchmarks/interactions.py", "--log", str(path)]
    result = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=120)
    assert result.returncode == 1
    assert "nobody can be evaluated" in result.stderr and "Traceback" not in result.stderr
