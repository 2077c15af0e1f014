"""The raw log of searches: read in every format, checked, typed, and reduced to known listings."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from raw_input import input_settings, raw_table

from market.core.errors import MarketError
from market.data.catalogue_changes import CatalogueChanges
from market.data.erasures import Erasures, hash_user
from market.data.frequent_searches import frequent_searches
from market.data.id_lists import find_separator, split_list
from market.data.log_cleaning import LogCleaner, ProductIds, interaction_metrics
from market.data.pulled_logs import PulledLogs
from market.data.raw_folder import RawFolder
from market.data.search_cleaning import CleanSearches, sort_searches
from market.data.searches import SEARCH_COLUMNS, clicks_of

KNOWN = pd.Series(["a", "b", "c", "d e"], dtype="str")
REJECTED = pd.Series(["r"], dtype="str")
HEADER = "search_id,user_id,timestamp,query,product_ids"


def sort_rows(rows: str, header: str = HEADER) -> CleanSearches:
    """Sort the rows of a CSV table, whose lists may be JSON in quotation marks."""
    lines = [line.split(",", header.count(",")) for line in rows.splitlines()]
    table = pd.DataFrame(lines, columns=header.split(","), dtype="str")
    return sort_searches(
        raw_table(table.where(table.ne("")), Path("searches.csv")), KNOWN, REJECTED
    )


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / "Products.csv").write_text("id\na\nb\nc\nd e\n")
    return folder


def read_logs(folder: Path, changes: CatalogueChanges | None = None, **settings: Any) -> LogCleaner:
    products = ProductIds("Products.csv", KNOWN, REJECTED)
    raw_folder = RawFolder(folder, input_settings(**settings))
    return LogCleaner(raw_folder, products, changes or CatalogueChanges.none(), PulledLogs.none())


# --- Rows -----------------------------------------------------------------------------------------
def test_rows_that_cannot_be_used_are_rejected_with_a_reason() -> None:
    searches = sort_rows(
        "s1,anna,2026-01-02,oak,a b\n"
        ",anna,2026-01-02,oak,a\n"
        "s1,ben,2026-01-02,oak,a\n"
        "s2,ben,,oak,a\n"
        "s3,ben,soon,oak,a\n"
        "s4,ben,2026-01-02,oak,x y\n"
        "s5,ben,2026-01-02,oak,r\n"
        f"s6,{'u' * 201},2026-01-02,oak,a\n"
        "s7,,2026-01-01,,"
    )
    assert searches.kept["search_id"].tolist() == ["s7", "s1"]  # by time
    assert searches.kept["user_id"].isna().tolist() == [True, False]
    assert searches.kept["query"].tolist() == ["", "oak"]
    assert searches.rejects[["record", "reason"]].to_numpy().tolist() == [
        [2, "search_id is missing"],
        [3, "search_id repeats an earlier row's"],
        [4, "timestamp is missing"],
        [5, "timestamp is neither ISO 8601 nor unix seconds"],
        [6, "none of its products is in Products.csv"],
        [7, "its product was rejected"],
        [8, "user_id has over 200 characters"],
    ]
    assert searches.counts["without_results"] == 1


def test_unknown_and_repeated_products_leave_the_places_of_the_others() -> None:
    searches = sort_rows("s1,anna,2026-01-02,oak,x a b a r c")
    assert searches.kept["product_ids"].tolist() == [["a", "b", "c"]]
    assert searches.kept["places"].tolist() == [[1, 2, 5]]
    assert (searches.counts["unknown_products"], searches.counts["repeated_products"]) == (2, 1)
    assert "2 of 6 product_ids are not in Products.csv" in searches.messages[0]
    assert "1 of 6 product_ids repeat one of the same search" in searches.messages[1]


def test_absent_columns_have_defaults() -> None:
    searches = sort_rows("s1,2026-01-02,a", "search_id,timestamp,product_ids")
    (row,) = searches.kept.to_dict("records")
    assert list(row) == SEARCH_COLUMNS
    assert (row["query"], row["kind"], row["variant"], row["offset"]) == ("", "search", "A", 0)
    assert row["filters"] == "{}" and row["rules"] == [] and row["propensities"] is None
    assert pd.isna(row["total"]) and pd.isna(row["user_id"]) and pd.isna(row["suggest_id"])


def test_optional_values_are_read_or_named() -> None:
    header = "search_id,timestamp,kind,offset,total,propensities,rules,filters,product_ids"
    searches = sort_rows(
        "s1,2026-01-01,PHOTO,20,31,0.5 0.25 1,b x,{},a x b\n"
        "s2,2026-01-02,blog,0,many,0.5,b,[],a b\n"
        "s3,2026-01-03,,-1,,,,,a",
        header,
    )
    first, second = searches.kept.to_dict("records")
    assert (first["kind"], first["offset"], first["total"]) == ("photo", 20, 31)
    assert first["propensities"] == [0.5, 1.0] and first["rules"] == ["b"]
    assert second["kind"] == "search" and pd.isna(second["total"])
    assert second["propensities"] is None and second["filters"] == "{}"
    assert searches.rejects["reason"].tolist() == ["offset is not a whole number from 0"]
    text = "\n".join(searches.messages)
    for name in ("kind", "total", "propensities", "filters"):
        assert f"{name} of 1 searches" in text, text


@pytest.mark.parametrize(
    ("text", "separator", "ids"),
    [
        ("a b", None, ["a", "b"]),
        ("a\tb  c", None, ["a", "b", "c"]),
        ('["d e", "a"]', None, ["d e", "a"]),
        ("['d e' 'a']", None, ["d e", "a"]),
        ("[1 2]", None, ["1", "2"]),
        ("[1, 2.0, null]", None, ["1", "2"]),
        ("[]", None, []),
        ("d e|a|", "|", ["d e", "a"]),
    ],
)
def test_a_list_in_one_field_is_split(text: str, separator: str | None, ids: list[str]) -> None:
    assert split_list(text, separator) == ids


def test_the_separator_of_a_column_is_recognised_by_the_known_ids() -> None:
    assert find_separator(pd.Series(["a,b", "c"]), {"a", "b"}) == ","
    assert find_separator(pd.Series(["a;b"]), {"a", "b"}) == ";"
    assert find_separator(pd.Series(["x,y", "a b"]), {"a", "b"}) is None
    searches = sort_rows("s1,anna,2026-01-02,oak,d e|a")
    assert searches.kept["product_ids"].tolist() == [["d e", "a"]]
    assert "divided by '|'" in searches.messages[0]


# --- Files ----------------------------------------------------------------------------------------
ROWS: list[dict[str, Any]] = [
    {
        "search_id": "s1", "user_id": "anna", "timestamp": "2026-01-01T10:00:00", "query": "oak",
        "product_ids": ["d e", "a"], "filters": {"price_max": 5},
    },
    {
        "search_id": "s2", "user_id": None, "timestamp": "2026-01-01T11:00:00", "query": "ash",
        "product_ids": [], "filters": {"price_max": None},
    },
]  # fmt: skip


@pytest.mark.parametrize("name", ["csv", "csv.gz", "jsonl", "jsonl.gz", "json", "parquet"])
def test_every_format_gives_the_same_searches(raw: Path, name: str) -> None:
    path = raw / f"searches.{name}"
    frame = pd.DataFrame(ROWS)
    if name == "parquet":
        frame.to_parquet(path, index=False)
    elif name.startswith("csv"):
        columns = ("product_ids", "filters")
        frame = frame.assign(**{column: frame[column].map(json.dumps) for column in columns})
        frame.to_csv(path, index=False)
    else:
        text = json.dumps(ROWS) if name == "json" else "\n".join(map(json.dumps, ROWS))
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    log = read_logs(raw).clean_searches()
    assert log is not None and log.rejects.empty and not log.raw.unread()
    assert log.kept["product_ids"].tolist() == [["d e", "a"], []]
    assert log.kept["user_id"].fillna("none").tolist() == ["anna", "none"]
    assert float(json.loads(log.kept["filters"][0])["price_max"]) == 5


def test_columns_have_other_names_by_alias_or_by_setting(raw: Path) -> None:
    (raw / "searches.csv").write_text(
        "query_id,who,time,q,results,colour\ns1,anna,2026-01-01,oak,a b,red\n"
    )
    log = read_logs(raw, search_columns={"user_id": "who"}).clean_searches()
    assert log is not None and log.raw.unread() == {"colour": 1}
    assert log.kept[["search_id", "user_id", "query"]].to_numpy().tolist() == [
        ["s1", "anna", "oak"]
    ]


@pytest.mark.parametrize(
    ("files", "settings", "error"),
    [
        ({"searches.csv": "id,timestamp,product_ids\n1,2026-01-01,a\n"}, {},
         r"searches.csv: no column 'search_id' .*input.search_columns"),
        ({"searches.csv": "search_id,timestamp,product_ids\n"},
         {"search_columns": {"query": "words"}}, r"no column 'words'.*input.search_columns"),
        ({"searches.jsonl": "{}", "searches.csv.gz": ""}, {},
         r"has searches.csv.gz and searches.jsonl: set input.searches"),
        ({"searches.jsonl": '{"search_id": 1}\n7\n'}, {}, r"searches.jsonl: line 2 is not"),
    ],
)  # fmt: skip
def test_unusable_log_of_searches_is_named_with_the_remedy(
    raw: Path, files: Mapping[str, str], settings: dict[str, Any], error: str
) -> None:
    for name, text in files.items():
        (raw / name).write_text(text)
    with pytest.raises(MarketError, match=error):
        read_logs(raw, **settings).clean_searches()


def test_without_a_log_there_are_no_searches(raw: Path) -> None:
    assert read_logs(raw).clean_searches() is None
    (raw / "searches.csv").write_text(f"{HEADER}\ns1,anna,2026-01-01,oak,a\n")
    assert read_logs(raw, searches="").clean_searches() is None


# --- Users and events -----------------------------------------------------------------------------
def test_searches_of_erased_users_are_left_out(raw: Path) -> None:
    (raw / "searches.csv").write_text(
        f"{HEADER}\ns1,anna,2026-01-01,oak,a\ns2,,2026-01-01,oak,a\ns3,anna,2026-03-01,oak,a\n"
    )
    erased = Erasures(b"key", {hash_user(b"key", "anna"): pd.Timestamp("2026-02-01")})
    changes = CatalogueChanges(**{**vars(CatalogueChanges.none()), "erasures": erased})
    log = read_logs(raw, changes).clean_searches()
    assert log is not None
    assert log.kept["search_id"].tolist() == ["s2", "s3"] and log.metrics()["erased"] == 1
    assert "1 searches of erased users are left out" in log.messages("searches", "GB")[-1]


def test_events_keep_their_search_and_their_seconds(raw: Path) -> None:
    (raw / "searches.csv").write_text(f"{HEADER}\ns1,anna,2026-01-01,oak,a b\n")
    (raw / "interactions.csv").write_text(
        "user_id,product_id,event,timestamp,search_id,dwell_seconds\n"
        "anna,b,view,2026-01-01T10:00,s1,12.5\n"
        "anna,a,view,2026-01-01T11:00,sampled-out,-3\n"
        "anna,a,view,2026-01-01T12:00,,\n"
    )
    cleaner = read_logs(raw)
    log, searches = cleaner.clean_interactions(), cleaner.clean_searches()
    assert searches is not None
    assert log.kept["search_id"].fillna("none").tolist() == ["s1", "sampled-out", "none"]
    assert log.kept["dwell_seconds"].fillna(-1).tolist() == [12.5, -1, -1]
    metrics = interaction_metrics(log, searches)
    assert (metrics["with_search"], metrics["with_unknown_search"]) == (2, 1)
    assert "dwell_seconds of 1 events is no number from 0" in log.notes[0]
    assert clicks_of(searches.kept, log.kept)["product_id"].tolist() == ["b"]


# --- Suggestions ----------------------------------------------------------------------------------
def test_only_public_queries_of_enough_users_are_suggested() -> None:
    def of_users(query: str, users: int, product_ids: tuple[str, ...] = ("a",)) -> pd.DataFrame:
        rows = [(f"u{user}", query, [*product_ids]) for user in range(users)]
        return pd.DataFrame(rows, columns=["user_id", "query", "product_ids"])

    searches = pd.concat(
        [
            of_users("oak table", 3), of_users(" OAK  Table", 6), of_users("lamp", 7),
            of_users("my own words", 4), of_users("ring 07700 900123", 9),
            of_users("mail me@example.com", 9), of_users("flat bs8 1th", 9),
            of_users("not sold here", 9, ()),
        ]
    ).assign(kind="search")  # fmt: skip
    anonymous = of_users("anonymous", 9).assign(user_id=None, kind="search")
    photo = of_users("photo", 9).assign(kind="photo")
    frequent = frequent_searches(pd.concat([searches, anonymous, photo]), 5, "GB")
    assert frequent.to_numpy().tolist() == [["lamp", 7], ["oak table", 6]]
    assert frequent_searches(searches.head(0), 5, "GB").empty
