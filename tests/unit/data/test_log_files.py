"""Files of logs grow at their end; what they hold already stays, to the byte where that can be."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from raw_input import input_settings

from market.core.errors import MarketError
from market.data.log_appending import append_events, append_searches
from market.data.log_files import LogFile
from market.data.pulled_logs import PulledLogs, raw_searches
from market.data.raw_folder import RawFolder
from market.data.tables import read_table

ROWS = pd.DataFrame({"user_id": ["zoë"], "query": ['2" pipe, "new"'], "search_id": ["s9"]})
OLD = 'user_id,query\nanna,oak\nben,"two\nlines"\n'


def log_file(path: Path, encoding: str = "utf-8", separator: str = ",") -> LogFile:
    return LogFile(path, encoding=encoding, separator=separator)


# --- Formats --------------------------------------------------------------------------------------
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
def test_bytes_of_a_csv_stay_when_its_columns_suffice(tmp_path: Path, end: str, last: bool) -> None:
    path = tmp_path / "log.csv"
    old = f"query,user_id,other{end}oak,anna,x" + end * last
    path.write_bytes(old.encode())
    log_file(path).append(ROWS[["user_id", "query"]], {})
    assert path.read_bytes().startswith(old.encode())
    table = read_table(path).fillna("")
    assert table.to_numpy().tolist() == [["oak", "anna", "x"], ['2" pipe, "new"', "zoë", ""]]


@pytest.mark.parametrize(
    ("name", "pack"),
    [("log.csv.gz", gzip.compress), ("log.csv.bz2", bz2.compress), ("log.csv.xz", lzma.compress)],
)
def test_compressed_logs_grow_by_a_part(tmp_path: Path, name: str, pack: Any) -> None:
    path = tmp_path / name
    old = pack(OLD.encode())
    path.write_bytes(old)
    log_file(path).append(ROWS[["user_id", "query"]], {})
    assert path.read_bytes().startswith(old) and len(read_table(path)) == 3
    log_file(path).append(ROWS, {})  # a new column: the file is compressed anew
    assert read_table(path)["search_id"].fillna("").tolist() == ["", "", "", "s9"]


def test_a_new_column_leaves_the_other_fields_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(OLD)
    log_file(path).append(ROWS.assign(event="buy"), {"event": "view"})
    assert path.read_text().splitlines()[:4] == [
        "user_id,query,search_id,event", "anna,oak,,view", 'ben,"two', 'lines",,view',
    ]  # fmt: skip
    assert read_table(path)["query"].tolist() == ["oak", "two\nlines", '2" pipe, "new"']


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_encoding_and_separator_of_the_log_are_kept(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "log.csv"
    old = OLD.replace(",", ";").replace("anna", "müller").encode(encoding)
    path.write_bytes(old)
    log_file(path, encoding, ";").append(ROWS[["user_id", "query"]], {})
    table = read_table(path, encoding=encoding, separator=";")
    assert table["user_id"].tolist() == ["müller", "ben", "zoë"]
    assert path.read_bytes().startswith(old)


def test_text_that_the_encoding_cannot_hold_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(OLD.encode("cp1252"))
    with pytest.raises(MarketError, match="'家' cannot be written in cp1252: convert the tables"):
        log_file(path, "cp1252").append(ROWS[["user_id"]].assign(query="家具"), {})
    assert path.read_text() == OLD and len(list(tmp_path.iterdir())) == 1


def test_json_lines_and_parquet_grow(tmp_path: Path) -> None:
    lines, parquet = tmp_path / "log.jsonl", tmp_path / "log.parquet"
    lines.write_text('{"user_id": "anna", "extra": {"deep": 1}}')  # without a last line end
    old = pd.DataFrame({"user_id": [7], "at": pd.to_datetime(["2026-01-01"])})
    old.to_parquet(parquet, index=False)
    log_file(lines).append(ROWS, {})
    assert lines.read_text().startswith('{"user_id": "anna", "extra": {"deep": 1}}\n')
    assert read_table(lines)["search_id"].fillna("").tolist() == ["", "s9"]
    log_file(parquet).append(pd.DataFrame({"user_id": ["8"], "at": ["2026-01-02T10:00:00"],
                                           "event": ["buy"]}), {"event": "view"})  # fmt: skip
    again = pd.read_parquet(parquet)
    assert again["user_id"].tolist() == [7, 8] and again["event"].tolist() == ["view", "buy"]
    assert again["at"].iloc[1] == pd.Timestamp("2026-01-02 10:00")
    with pytest.raises(MarketError, match="column 'user_id' has the type int64, which cannot hold"):
        log_file(parquet).append(ROWS[["user_id"]], {})
    document = tmp_path / "log.json"
    document.write_text('[\n{"user_id": "anna"}\n]')
    with pytest.raises(MarketError, match="one JSON document"):
        log_file(document).append(ROWS, {})


# --- Searches and events --------------------------------------------------------------------------
def searches_of(product_ids: list[str], search_id: str = "s1", **columns: Any) -> pd.DataFrame:
    """Return one search as the strings of a raw log."""
    table = pd.DataFrame(
        {
            "search_id": [search_id], "user_id": ["anna"], "query": ["oak"], "kind": ["search"],
            "timestamp": pd.to_datetime(["2026-01-01T10:00:00.25"]), "product_ids": [product_ids],
            "variant": ["A"], "offset": [0], "total": [2], "filters": ["{}"],
            "propensities": [None], "rules": [[]], "suggest_id": [None],
        } | columns
    )  # fmt: skip
    return raw_searches(table)


def events_of(*rows: tuple) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["user_id", "product_id", "event", "timestamp"], dtype="str")


@pytest.mark.parametrize(
    "name", ["searches.csv", "searches.jsonl.gz", "searches.parquet", "searches.tsv"]
)
def test_a_new_log_of_searches_is_read_back(tmp_path: Path, name: str) -> None:
    folder = RawFolder(tmp_path, input_settings(searches=name))
    assert append_searches(folder, searches_of(["a", "b"])) == 1
    assert append_searches(folder, searches_of(["a", "b"])) == 0
    assert append_searches(folder, searches_of([], "s2", rules=[["a"]])) == 1
    table = folder.searches()
    assert table.path.name == name and not table.unread()
    assert table.rows["search_id"].tolist() == ["s1", "s2"]
    assert table.rows["product_ids"].iloc[0] in ("a b", '["a", "b"]')


def test_ids_with_spaces_make_json_lines_or_json_lists(tmp_path: Path) -> None:
    folder = RawFolder(tmp_path, input_settings())
    append_searches(folder, searches_of(["a b", "c"]))
    assert folder.searches_path.name == "searches.jsonl"
    folder.searches_path.unlink()
    (tmp_path / "searches.csv").write_text("search_id,timestamp,product_ids\ns0,2026-01-01,c\n")
    append_searches(folder, searches_of(["a b", "c"]))
    assert folder.searches().rows["product_ids"].tolist() == ["c", '["a b", "c"]']


def test_own_names_and_separators_of_a_log_are_kept(tmp_path: Path) -> None:
    (tmp_path / "searches.csv").write_text("query_id,words,at,results\ns0,ash,2026-01-01,a|b\n")
    folder = RawFolder(
        tmp_path, input_settings(search_columns={"query": "words", "timestamp": "at"})
    )
    append_searches(folder, searches_of(["a", "b"]))
    assert (tmp_path / "searches.csv").read_text() == (
        "query_id,words,at,results,user_id,total\ns0,ash,2026-01-01,a|b,,\n"
        's1,oak,2026-01-01T10:00:00.250000,"[""a"", ""b""]",anna,2\n'
    )


def test_events_are_added_once_by_user_product_event_and_second(tmp_path: Path) -> None:
    log = tmp_path / "clicks.csv"
    log.write_text("who,product_id,event,timestamp\nanna,p1,angesehen,2026-01-01T10:00:00Z\n")
    settings = input_settings(
        interactions="clicks.csv", event_columns={"user_id": "who"}, events={"angesehen": "view"}
    )
    folder = RawFolder(tmp_path, settings)
    events = events_of(
        ("anna", "p1", "view", "2026-01-01T10:00:00.75"), ("anna", "p1", "buy", "2026-01-01T10:00")
    )
    assert append_events(folder, events) == 1 and append_events(folder, events) == 0
    linked = events_of(("ben", "p1", "view", "2026-01-02")).assign(search_id="s1")
    assert append_events(folder, linked) == 1
    assert log.read_text().splitlines() == [
        "who,product_id,event,timestamp,search_id", "anna,p1,angesehen,2026-01-01T10:00:00Z,",
        "anna,p1,buy,2026-01-01T10:00,", "ben,p1,view,2026-01-02,s1",
    ]  # fmt: skip


def test_a_log_without_events_gains_the_column(tmp_path: Path) -> None:
    (tmp_path / "interactions.csv").write_text("user_id,product_id,timestamp\nanna,p1,2026-01-01\n")
    folder = RawFolder(tmp_path, input_settings())
    append_events(folder, events_of(("anna", "p1", "buy", "2026-01-01")))
    assert folder.interactions().rows["event"].tolist() == ["view", "buy"]
    none = RawFolder(tmp_path, input_settings(event_columns={"event": None}))
    with pytest.raises(MarketError, match="event is null, so a purchase would count as a view"):
        append_events(none, events_of(("ben", "p1", "buy", "2026-01-01")))
    with pytest.raises(MarketError, match=r"input.interactions is empty: name the file"):
        append_events(RawFolder(tmp_path, input_settings(interactions="")), events_of())


def test_logs_beside_the_raw_folder_are_saved_and_loaded(tmp_path: Path) -> None:
    logs = PulledLogs(searches_of(["a"]), events_of(("anna", "p1", "buy", "2026-01-01")))
    logs.save(tmp_path / "logs")
    again = PulledLogs.load(tmp_path / "logs")
    pd.testing.assert_frame_equal(again.searches, logs.searches)
    pd.testing.assert_frame_equal(again.events, logs.events)
    (tmp_path / "logs/events.parquet").write_bytes(b"")
    with pytest.raises(MarketError, match=r"is damaged .* run `dvc repro -f -s pull_logs`"):
        PulledLogs.load(tmp_path / "logs")
    PulledLogs.none().save(tmp_path / "logs")
    assert PulledLogs.load(tmp_path / "logs").is_empty
    assert [path.name for path in (tmp_path / "logs").iterdir()] == ["logs.json"]
