"""Prometheus metrics of the service. The instrumentator adds the metrics of each request."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector


class Metrics:
    """Counters and gauges of one service, and of its process.

    Parameters
    ----------
    registry
        Registry that exposes the metrics. Every app needs its own.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        ProcessCollector(registry=registry)
        self.events = Counter(
            "search_events", "Events stored, by type.", ["event"], registry=registry
        )
        kinds = ["kind", "variant"]
        self.answers = Counter(
            "search_answers",
            "First pages of searches, recommendations and suggestions, with results or none.",
            [*kinds, "results"],
            registry=registry,
        )
        self.clicks = Counter(
            "search_clicks", "Answers with a first click.", kinds, registry=registry
        )
        self.click_places = Counter(
            "search_click_places", "Sum of the places of first clicks.", kinds, registry=registry
        )
        self.conversions = Counter(
            "search_conversions", "Answers with a message or purchase.", kinds, registry=registry
        )
        self.questions = Counter(
            "search_questions",
            "Answers to known users that a new query could reformulate.",
            kinds,
            registry=registry,
        )
        self.reformulations = Counter(
            "search_reformulations",
            "Those of search_questions that another query followed soon, without a click.",
            kinds,
            registry=registry,
        )
        self.searches_recorded = Counter(
            "search_recorded", "Searches recorded in the database.", registry=registry
        )
        self.searches_dropped = Counter(
            "search_dropped",
            "Searches not recorded, because the queue was full or the database failed.",
            registry=registry,
        )
        self.refused = Counter(
            "search_refused", "Requests refused by a full queue.", ["queue"], registry=registry
        )
        self.reloads = Counter(
            "search_reloads", "Reloads of the index, by outcome.", ["outcome"], registry=registry
        )
        self.under_way = Gauge(
            "search_under_way", "Requests being processed, by queue.", ["queue"], registry=registry
        )
        self.body_bytes = Gauge(
            "search_body_bytes",
            "Bytes of request bodies in memory, by queue.",
            ["queue"],
            registry=registry,
        )
