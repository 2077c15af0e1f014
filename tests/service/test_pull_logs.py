"""Searches and events come home into the raw logs: each once, whatever happens on the way."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from filelock import FileLock
from raw_input import input_settings
from repository import REPO

from market.core.errors import MarketError
from market.data import log_files
from market.data.catalogue_changes import CatalogueChanges
from market.data.log_cleaning import CleanLog, LogCleaner, ProductIds
from market.data.pulled_logs import PulledLogs
from market.data.raw_folder import RawFolder
from market.pull_logs import main as command
from market.service import log_pulling
from market.service.events import EventStore
from market.service.folding import fold
from market.service.log_pulling import lock_of, pull_logs, read_logs
from market.service.search_log import RecordedSearch, SearchLog
from market.service.user_data import UserData
from stages import pull_logs as stage

NOON = datetime(2026, 3, 1, 12)
LOG = "user_id,product_id,event,timestamp\nanna,p0,view,2026-03-01T12:00:00\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a dataset `mine`, whose log has an event that the service has too."""
    raw = tmp_path / "data/mine/raw"
    raw.mkdir(parents=True)
    (raw / "interactions.csv").write_text(LOG)
    (raw / "Products.csv").write_text("id\np0\np1\n")
    params = yaml.safe_load((REPO / "params.yaml").read_text(encoding="utf-8"))
    params |= {"dataset": "mine", "input": input_settings().model_dump()}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def url(project: Path) -> str:
    return f"sqlite:///{project}/events.sqlite"


@pytest.fixture
def events(url: str) -> Iterator[EventStore]:
    with closing(EventStore(url)) as events:
        events.add("anna", "p0", "view", NOON.replace(microsecond=500_000, tzinfo=UTC))
        record(events, 1, 2)
        events.add("ben", "p1", "buy", NOON, search_id="s1", dwell_seconds=2.5)
        yield events


def record(events: EventStore, *numbers: int, user: str | None = "ben") -> None:
    SearchLog(events.database).add(
        [
            RecordedSearch(
                f"s{number}", user, NOON + timedelta(seconds=number), "oak", ["p1", "p0"]
            )
            for number in numbers
        ]
    )


def raw_folder(project: Path) -> RawFolder:
    return RawFolder(project / "data/mine/raw", input_settings())


def clean(project: Path, changes: CatalogueChanges, pulled: PulledLogs) -> list[CleanLog]:
    """Return the clean logs of interactions and searches."""
    folder = raw_folder(project)
    ids = folder.listings(labelled=False).rows["id"]
    cleaner = LogCleaner(folder, ProductIds("Products.csv", ids, ids.head(0)), changes, pulled)
    searches = cleaner.clean_searches()
    assert searches is not None
    return [cleaner.clean_interactions(), searches]


# --- Into the raw folder --------------------------------------------------------------------------
def test_new_rows_are_added_once_below_the_others(
    project: Path, url: str, events: EventStore
) -> None:
    folder = raw_folder(project)
    assert pull_logs(url, "--store", folder) == (2, 1)
    files = {path: path.read_bytes() for path in folder.path.iterdir()}
    assert pull_logs(url, "--store", folder) == (0, 0)
    assert files == {path: path.read_bytes() for path in folder.path.iterdir()}
    record(events, 3)
    assert pull_logs(url, "--store", folder) == (1, 0)
    assert folder.searches_path.read_bytes().startswith(files[folder.searches_path])
    log = folder.interactions().rows
    assert log["event"].tolist() == ["view", "buy"]
    assert log["search_id"].fillna("").tolist() == ["", "s1"]
    assert folder.searches().rows["search_id"].tolist() == ["s1", "s2", "s3"]


def test_a_kill_between_two_writes_loses_and_doubles_nothing(
    project: Path, url: str, events: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(events, 3, 4, 5)
    monkeypatch.setattr(log_pulling, "PER_WRITE", 2)
    replace, calls = log_files.replace_when_done, []

    def killed(path: Path):
        calls.append(path)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return replace(path)

    with monkeypatch.context() as patch:
        patch.setattr(log_files, "replace_when_done", killed)
        with pytest.raises(KeyboardInterrupt):
            pull_logs(url, "--store", raw_folder(project))
    assert pull_logs(url, "--store", raw_folder(project)) == (3, 1)
    rows = raw_folder(project).searches().rows
    assert rows["search_id"].tolist() == ["s1", "s2", "s3", "s4", "s5"]


def test_rows_of_erased_users_are_left_out_afterwards(
    project: Path, url: str, events: EventStore
) -> None:
    pull_logs(url, "--store", raw_folder(project))
    UserData(events.database).erase("ben")
    pull_logs(url, "--store", raw_folder(project))
    log, searches = clean(project, CatalogueChanges.none(), PulledLogs.none())
    assert log.kept["user_id"].tolist() == ["anna"] and searches.kept.empty
    assert (log.erased, searches.erased) == (1, 2)


def test_two_calls_at_once_are_refused(project: Path, url: str, events: EventStore) -> None:
    other_call = FileLock(lock_of(project / "data/mine/raw"))
    with other_call, pytest.raises(MarketError, match="another pull_logs is adding rows"):
        pull_logs(url, "--store", raw_folder(project))


# --- As a command ---------------------------------------------------------------------------------
def test_command_names_the_next_step(project: Path, url: str, events: EventStore) -> None:
    tracked = CliRunner().invoke(command, ["--store", url])
    assert tracked.output.startswith(
        "2 searches and 1 events added to data/mine/raw; next: `dvc repro`;"
    ), tracked.output
    (project / "data/mine/raw.dvc").write_text("outs: []\n")
    record(events, 3)
    again = CliRunner().invoke(command, ["--store", url])
    assert "next: `dvc add data/mine/raw`, then `dvc repro`" in again.output
    assert "has all searches and events" in CliRunner().invoke(command, ["--store", url]).output


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--raw", "data/sample/raw"], "data/sample/raw is the output of stage sample"),
        (["--raw", "data/other/raw"], "data/other/raw does not exist: name the raw folder"),
        (["--store", "sqlite:///none.sqlite"], "--store: none.sqlite does not exist: start"),
        ([], "EVENTS_URL: data/events.sqlite does not exist: start"),
    ],
)
def test_command_refuses_in_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], error: str
) -> None:
    monkeypatch.delenv("EVENTS_URL", raising=False)
    result = CliRunner().invoke(command, options)
    assert result.exit_code == 1 and result.output.count("\n") == 1
    assert (
        error in result.output and (project / "data/mine/raw/interactions.csv").read_text() == LOG
    )


# --- As a stage -----------------------------------------------------------------------------------
def test_stage_adds_rows_that_neither_the_log_nor_fold_has(
    project: Path, url: str, events: EventStore
) -> None:
    read_logs(url, "pull_logs.store").save(project / "data/logs")
    pulled = PulledLogs.load(project / "data/logs")
    assert (len(pulled.searches), len(pulled.events)) == (2, 2)
    changes = fold(url, input_settings(), project / "data/changes")
    for brought in (CatalogueChanges.none(), changes):
        log, searches = clean(project, brought, pulled)
        assert log.kept[["user_id", "event"]].to_numpy().tolist() == [
            ["anna", "view"], ["ben", "buy"],
        ]  # fmt: skip
        assert log.kept["dwell_seconds"].dropna().tolist() == [2.5]
        assert searches.kept["product_ids"].tolist() == [["p1", "p0"]] * 2
        assert (project / "data/mine/raw/interactions.csv").read_text() == LOG


def test_stage_is_off_by_default(project: Path) -> None:
    result = CliRunner().invoke(stage.main, [])
    assert result.exit_code == 0 and "pull_logs.store in params.yaml is empty" in result.output
    assert PulledLogs.load(project / "data/logs").is_empty
    shutil.rmtree(project / "data/logs")
    assert PulledLogs.load(project / "data/logs").is_empty
