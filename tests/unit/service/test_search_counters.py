"""Prometheus counters of searches and of what becomes of them."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from prometheus_client import CollectorRegistry

from market.search.search_outcomes import search_outcomes
from market.service.events import EventStore
from market.service.metrics import Metrics
from market.service.search_counters import SearchCounters
from market.service.search_log import RecordedSearch, SearchLog

START = datetime(2026, 3, 1, 12)


class Counted:
    """Counters over a store of their own, or over that of another process."""

    def __init__(self, store: EventStore) -> None:
        self.store, self.registry = store, CollectorRegistry()
        self.counters = SearchCounters(Metrics(self.registry), store.database)
        self.events: list[dict[str, Any]] = []

    def search(self, name: str, at: int = 0, **fields: Any) -> RecordedSearch:
        given = {"user_id": "anna", "query": "lamp", "product_ids": ["p1", "p2"], "total": 2}
        search = RecordedSearch(
            search_id=name, timestamp=START + timedelta(seconds=at), **{**given, **fields}
        )
        self.counters.count_search(search)
        return search

    def event(
        self, search: str, product: str, event: str = "view", user: str = "anna", at: int = 0
    ) -> None:
        number = self.store.add(user, product, event, search_id=search)
        self.counters.count_event(number, user, search, product, event)
        time = START + timedelta(seconds=at)
        self.events.append(
            {"search_id": search, "product_id": product, "event": event, "timestamp": time}
        )

    def total(self, name: str, kind: str = "search", **labels: str) -> float:
        """Return the value of a counter, over all other labels."""
        return sum(
            sample.value
            for metric in self.registry.collect()
            for sample in metric.samples
            if sample.name == f"search_{name}_total"
            and {"kind": kind, **labels}.items() <= sample.labels.items()
        )


@pytest.fixture
def counted(tmp_path: Path) -> Counted:
    store = EventStore(f"sqlite:///{tmp_path}/events.sqlite")
    SearchLog(store.database)
    return Counted(store)


def test_first_pages_are_counted_with_and_without_results(counted: Counted) -> None:
    counted.search("a")
    counted.search("b", total=0, product_ids=[], variant="B")
    counted.search("c", offset=2)
    counted.search("d", kind="photo", query="")
    assert counted.total("answers", variant="A", results="some") == 2
    assert counted.total("answers", variant="B", results="none") == 1


def test_the_first_click_and_the_first_conversion_are_counted(counted: Counted) -> None:
    counted.search("a", offset=20)
    for event in ("view", "save", "message", "buy"):
        counted.event("a", "p2", event)
    counted.event("a", "p9", "buy")
    counted.event("unknown", "p1")
    assert counted.total("clicks") == counted.total("conversions") == 1
    assert counted.total("click_places") == 22


def test_clicks_are_counted_once_whichever_process_answered(counted: Counted) -> None:
    SearchLog(counted.store.database).add([counted.search("a", kind="similar", variant="B")])
    other = Counted(counted.store)
    other.event("a", "p1")
    counted.event("a", "p2", "buy")
    assert other.total("clicks", "similar", variant="B") == 1
    assert counted.total("clicks", "similar") == 0
    assert counted.total("conversions", "similar") == 1


def test_a_failing_database_does_not_fail_the_event(counted: Counted) -> None:
    counted.search("a")
    for table in ("events", "searches"):
        with counted.store.database.begin() as connection:
            connection.exec_driver_sql(f"DROP TABLE {table}")
    for name in ("a", "unknown"):
        counted.counters.count_event(1, "anna", name, "p1", "view")
    assert counted.total("clicks") == 0


def test_suggestions_are_used_if_they_lead_to_a_search(counted: Counted) -> None:
    counted.search("g", kind="suggest", query="la")
    counted.search("a", suggest_id="g")
    counted.search("b", suggest_id="g", offset=2)
    assert counted.total("clicks", "suggest") == 1


@pytest.mark.parametrize(
    ("fields", "questions", "reformulations"),
    [
        ({"query": "sofa"}, 2, 1),
        ({"query": " LAMP"}, 2, 0),
        ({"query": ""}, 1, 0),
        ({"query": "", "kind": "photo"}, 2, 1),
        ({"query": "sofa", "at": 301}, 2, 0),
        ({"query": "sofa", "user_id": "ben"}, 2, 0),
        ({"query": "sofa", "user_id": None}, 1, 0),
        ({"query": "", "kind": "recommendation"}, 1, 0),
    ],
)
def test_reformulations(
    counted: Counted, fields: dict[str, Any], questions: int, reformulations: int
) -> None:
    counted.search("a", variant="B")
    counted.search("b", **{"at": 60, **fields})
    assert counted.total("questions") == questions
    assert counted.total("reformulations") == reformulations
    assert counted.total("reformulations", variant="B") == reformulations


def test_a_click_ends_the_wait_for_a_reformulation(counted: Counted) -> None:
    counted.search("a")
    counted.event("a", "p1")
    counted.search("b", at=60, query="sofa")
    counted.search("c", at=120, query="oak sofa")
    assert counted.total("reformulations") == 1


def test_typing_is_no_reformulation(counted: Counted) -> None:
    for at, text in enumerate(["l", "la", "lam", "sofa", "sofas"]):
        counted.search(f"g{at}", at=at, kind="suggest", query=text)
    assert counted.total("questions", "suggest") == 2
    assert counted.total("reformulations", "suggest") == 1
    counted.search("r", kind="recommendation", query="", at=9)
    counted.search("a", at=30)
    assert counted.total("reformulations", "recommendation") == 1


def random_session(counted: Counted, seed: int) -> None:
    """Have users search, page, type, choose suggestions and click, in a random order."""
    draw, at = random.Random(seed), 0
    answers: list[RecordedSearch] = []
    for number in range(80):
        at += draw.choice([1, 2, 5, 20, 200, 2000])
        action = draw.choice(["search", "search", "type", "page", "page", "event", "event"])
        user = draw.choice(["anna", "ben", None])
        fields: dict[str, Any] = {"user_id": user, "variant": draw.choice("AB")}
        empty = draw.random() < 0.3
        fields |= {"product_ids": [], "total": 0} if empty else {}
        pageable = [each for each in answers if each.kind != "suggest"]
        if action == "event" and answers:
            former = draw.choice(answers[-8:])
            counted.event(
                former.search_id, draw.choice(["p1", "p2", "p9"]),
                draw.choice(["view", "message"]), former.user_id or "guest", at,
            )  # fmt: skip
            continue
        if action == "page" and pageable:
            former = draw.choice(pageable[-3:])
            fields |= {
                name: getattr(former, name) for name in ("kind", "user_id", "variant", "query")
            }
            fields |= {"offset": former.offset + 2, "product_ids": ["p3", "p1"], "total": 9}
        elif action == "type":
            query = draw.choice(["l", "la", "lam", "s", "so"])
            fields |= {"kind": "suggest", "query": query, "variant": "A"}
        else:
            kind = draw.choice(["search", "search", "photo", "recommendation", "similar"])
            query = draw.choice(["lamp", "sofa", ""]) if kind == "search" else ""
            fields |= {"kind": kind, "query": query}
            typed = [each.search_id for each in answers if each.kind == "suggest"]
            if typed and kind == "search" and draw.random() < 0.5:
                fields["suggest_id"] = typed[-1]
        answers.append(counted.search(f"s{number}", at, **fields))
    SearchLog(counted.store.database).add(answers)


@pytest.mark.parametrize("seed", range(3))
def test_one_process_counts_what_analytics_reports(counted: Counted, seed: int) -> None:
    random_session(counted, seed)
    searches = SearchLog(counted.store.database).all_searches()
    clicks = pd.DataFrame(counted.events)
    outcomes = search_outcomes(searches, clicks)
    for (kind, variant), rows in outcomes.groupby(["kind", "variant"]):
        expected = {
            "answers": len(rows), "clicks": rows["clicked"].sum(),
            "conversions": rows["converted"].sum(), "click_places": rows["first_place"].sum(),
        }  # fmt: skip
        totals = {name: counted.total(name, kind, variant=variant) for name in expected}
        assert totals == expected, (kind, variant)
        without_results = counted.total("answers", kind, variant=variant, results="none")
        assert without_results == rows["without_results"].sum(), (kind, variant)
