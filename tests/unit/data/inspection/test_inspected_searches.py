"""The log of searches of an export is recognised, and no other table is taken for one."""

from __future__ import annotations

from pathlib import Path

from market.core.params import load_params
from market.data.inspection.export import inspect_export
from market.data.inspection.searches import find_search_columns, own_search_columns


def test_columns_of_a_log_of_searches_are_found_by_their_names() -> None:
    columns = ["Query-ID", "Visitor", "created_at", "suchbegriff", "shown products", "offset"]
    assert own_search_columns(columns) == {
        "search_id": "Query-ID", "timestamp": "created_at", "query": "suchbegriff",
        "product_ids": "shown products",
    } | ({"user_id": "Visitor"} if "user_id" in find_search_columns(columns) else {})  # fmt: skip
    assert own_search_columns(["search_id", "timestamp", "query", "product_ids"]) == {}
    assert own_search_columns(["query_id", "timestamp", "q", "results"]) == {}
    for other in (["user_id", "product_id", "event", "timestamp", "search_id"], ["id", "results"]):
        assert find_search_columns(other) == {}


def test_a_log_of_searches_is_neither_listings_nor_events(tmp_path: Path) -> None:
    (tmp_path / "ads.csv").write_text(
        "id,title,description,price\n" + "".join(f"a{n},Oak {n},Solid,{n}.50\n" for n in range(9))
    )
    (tmp_path / "clicks.csv").write_text(
        "user_id,product_id,event,timestamp\n"
        + "".join(f"u{n},a{n},view,2026-01-0{n + 1}\n" for n in range(9))
    )
    (tmp_path / "log.csv").write_text(
        "request_id,user_id,time,search_text,result_ids\n"
        + "".join(f"s{n},u{n},2026-01-0{n + 1},oak,a1 a{n}\n" for n in range(9))
    )
    inspection = inspect_export(tmp_path, load_params("clean"))
    section = inspection.section
    assert [section[name] for name in ("products", "interactions", "searches")] == [
        "ads.csv", "clicks.csv", "log.csv",
    ]  # fmt: skip
    assert section["search_columns"] == {"search_id": "request_id", "query": "search_text"}
    (tmp_path / "log.csv").rename(tmp_path / "searches.csv")
    assert "searches" not in inspect_export(tmp_path, load_params("clean")).section
    assert not inspection.problems and inspection.tables.unused == []
