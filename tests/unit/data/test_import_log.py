"""Logs of OpenSearch UBI and of metarank become the raw logs of this project."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner
from raw_input import input_settings

from market.data.raw_folder import RawFolder
from market.import_log import main


def query(query_id: str | None, hits: list[str] | None = None, **fields: Any) -> dict[str, Any]:
    return {
        "query_id": query_id, "client_id": "anna", "timestamp": "2024-05-01T10:00:00Z",
        "user_query": "oak table", "query_response_id": "r", **fields,
    } | ({"query_response_hit_ids": hits} if hits is not None else {})  # fmt: skip


def action(name: str, product: str, query_id: str = "q1", **fields: Any) -> dict[str, Any]:
    return {
        "action_name": name, "query_id": query_id, "client_id": "anna",
        "timestamp": 1714557660000, "message_type": "INFO",
        "event_attributes": {"object": {"object_id": product, "object_id_field": "sku"}, **fields},
    }  # fmt: skip


QUERIES = [query("q1", ["a", "b"]), query("q2", query_attributes={"brand": "x"}), query(None)]
ACTIONS = [
    action("click", "b"), action("add_to_cart", "b"), action("purchase", "b"),
    action("product_hover", "a"), action("dismiss", "a"),
    action("impression", "c", "q2", position={"ordinal": 2}),
    action("impression", "a", "q2", position={"ordinal": 1}),
    action("click", "", "q2"), {**action("click", "a"), "timestamp": "soon"},
]  # fmt: skip


def write_lines(path: Path, records: list[dict[str, Any]]) -> Path:
    text = "".join(json.dumps(record) + "\n" for record in records).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def run_ubi(folder: Path, *options: str) -> tuple[int, str]:
    result = CliRunner().invoke(
        main, ["ubi", "--queries", f"{folder}/q.ndjson", "--events", f"{folder}/e.ndjson",
               "--out", f"{folder}/raw", *options],
    )  # fmt: skip
    return result.exit_code, result.output


def read_raw(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    raw = RawFolder(folder, input_settings())
    searches, log = raw.searches(), raw.interactions()
    assert not searches.unread() and not log.unread()
    return searches.rows, log.rows


# --- UBI ------------------------------------------------------------------------------------------
def test_ubi_queries_and_events_become_searches_and_interactions(tmp_path: Path) -> None:
    write_lines(tmp_path / "q.ndjson", QUERIES)
    write_lines(tmp_path / "e.ndjson", ACTIONS)
    code, output = run_ubi(tmp_path, "--event", "dismiss=view")
    assert code == 0, output
    searches, log = read_raw(tmp_path / "raw")
    assert searches[["search_id", "user_id", "query", "product_ids"]].to_numpy().tolist() == [
        ["q1", "anna", "oak table", "a b"], ["q2", "anna", "oak table", "a c"],
    ]  # fmt: skip
    assert log[["product_id", "event", "search_id"]].to_numpy().tolist() == [
        ["b", "view", "q1"], ["b", "save", "q1"], ["b", "buy", "q1"], ["a", "view", "q1"],
    ]  # fmt: skip
    assert log["timestamp"].iloc[0] == "2024-05-01T10:01:00"
    assert "action 'product_hover' (1)" in output and "field 'message_type'" in output
    assert "2 searches and 4 events" in output.splitlines()[-1]
    rejects = pd.read_csv(tmp_path / "raw/import_rejects.csv")
    assert rejects[["source", "record", "reason"]].to_numpy().tolist() == [
        ["e.ndjson", 8, "has no product_id"],
        ["q.ndjson", 3, "has no search_id"],
        ["e.ndjson", 9, "timestamp is neither ISO 8601 nor unix seconds"],
    ]


def test_ubi_exports_of_other_forms_give_the_same(tmp_path: Path) -> None:
    write_lines(tmp_path / "q.ndjson", QUERIES[:2])
    write_lines(tmp_path / "e.ndjson", ACTIONS[:7])
    assert run_ubi(tmp_path)[0] == 0
    expected = [table.to_dict("records") for table in read_raw(tmp_path / "raw")]
    both: list[dict[str, Any]] = []
    for name, records in (("ubi_queries", QUERIES[:2]), ("ubi_events", ACTIONS[:7])):
        for record in records:
            both += [{"index": {"_index": name}}, record]
    bulk = write_lines(tmp_path / "bulk.ndjson.gz", both)
    dump = tmp_path / "dump.json"
    dump.write_text(json.dumps(
        {"hits": {"hits": [{"_id": "1", "_source": record} for record in QUERIES[:2]]}}
    ))  # fmt: skip
    flat = tmp_path / "events.csv"
    pd.json_normalize(ACTIONS[:7]).to_csv(flat, index=False)
    for number, (queries, events) in enumerate([(bulk, bulk), (dump, flat)]):
        out = tmp_path / str(number)
        result = CliRunner().invoke(
            main, ["ubi", "--queries", str(queries), "--events", str(events), "--out", str(out)]
        )
        assert result.exit_code == 0, result.output
        assert [table.to_dict("records") for table in read_raw(out)] == expected


# --- Metarank -------------------------------------------------------------------------------------
def test_metarank_events_become_searches_and_interactions(tmp_path: Path) -> None:
    base = {"timestamp": "1599391467000", "user": "u1", "session": "s"}
    ranking = {
        **base, "event": "ranking", "id": "r1", "items": [{"id": "item 3"}, {"id": "item1"}],
        "fields": [{"name": "query", "value": "cat"}, {"name": "colour", "value": ["red"]}],
    }  # fmt: skip
    click = {"event": "interaction", "id": "i1", "ranking": "r1", "timestamp": "1599391470000",
             "type": "click", "item": "item 3"}  # fmt: skip
    records: list[dict[str, Any]] = [
        {"event": "item", "id": "e", "item": "item1"}, click, ranking,
        {**click, "type": "purchase", "session": "s9", "ranking": None}, {**click, "type": "sort"},
        {"id": "?"},
    ]  # fmt: skip
    write_lines(tmp_path / "events.jsonl", records)
    result = CliRunner().invoke(
        main, ["metarank", "--events", f"{tmp_path}/events.jsonl", "--out", f"{tmp_path}/raw"]
    )
    assert result.exit_code == 0, result.output
    searches, log = read_raw(tmp_path / "raw")
    (search,) = searches.to_dict("records")
    assert json.loads(search["product_ids"]) == ["item 3", "item1"] and search["query"] == "cat"
    assert json.loads(search["filters"]) == {"colour": ["red"]} and search["user_id"] == "u1"
    assert log[["user_id", "event"]].to_numpy().tolist() == [["u1", "view"], ["s9", "buy"]]
    assert (tmp_path / "raw/searches.jsonl.gz").exists(), "an id holds a space"
    assert "item events (1)" in result.output and "action 'sort' (1)" in result.output
    assert "1 records rejected: has no event of a known kind (1)" in result.output


# --- Faults ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("queries", "events", "options", "error"),
    [
        (None, "{}", [], "q.ndjson does not exist: name the file that your system exported"),
        ('{"query_id": 1}\n{', "{}", [], "q.ndjson: line 2 is not valid JSON"),
        ("7\n8", "{}", [], "q.ndjson: record 1 is not a JSON object: '7'"),
        ("{}", "{}", [], "no search and no event can be used: has no action_name (record 1)"),
        ("{}", "{}", ["--event", "click=look"], "--event click=look: write NAME=KIND"),
    ],
)
def test_a_log_that_cannot_be_imported_is_one_line(
    tmp_path: Path, queries: str | None, events: str, options: list[str], error: str
) -> None:
    if queries is not None:
        (tmp_path / "q.ndjson").write_text(queries)
    (tmp_path / "e.ndjson").write_text(events)
    code, output = run_ubi(tmp_path, *options)
    assert code == 1 and output.count("\n") == 1 and error in output, output
    assert not (tmp_path / "raw").exists()


def test_existing_logs_are_not_overwritten(tmp_path: Path) -> None:
    write_lines(tmp_path / "q.ndjson", QUERIES)
    write_lines(tmp_path / "e.ndjson", ACTIONS)
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/interactions.parquet").write_bytes(b"")
    code, output = run_ubi(tmp_path)
    assert code == 1 and "interactions.parquet exists: remove it, or name another" in output
    assert not (tmp_path / "raw/searches.csv").exists()
