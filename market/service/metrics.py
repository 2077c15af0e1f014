"""Prometheus metrics of the service. The instrumentator adds the metrics of each request."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Metric, ProcessCollector
from prometheus_client.registry import Collector


class BeforeScrape(Collector):
    """Calls functions before the metrics that are registered after it are read."""

    def __init__(self, functions: list[Callable[[], None]]) -> None:
        self.functions = functions

    def collect(self) -> Iterable[Metric]:
        """Call the functions, and return no metric."""
        for function in self.functions:
            function()
        return []


class Metrics:
    """Counters and gauges of one service, and of its process.

    Parameters
    ----------
    registry
        Registry that exposes the metrics. Every app needs its own.

    Attributes
    ----------
    before_scrape
        Functions to call before the metrics are read.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.before_scrape: list[Callable[[], None]] = []
        registry.register(BeforeScrape(self.before_scrape))
        ProcessCollector(registry=registry)
        self.events = Counter(
            "search_events", "Events stored, by type.", ["event"], registry=registry
        )
        kinds = ["kind", "variant"]
        self.answers = Counter(
            "search_answers",
            "Searches, recommendations and texts typed for suggestions, with results or none.",
            [*kinds, "results"],
            registry=registry,
        )
        self.clicks = Counter(
            "search_clicks", "Of search_answers, those with a click.", kinds, registry=registry
        )
        self.click_places = Counter(
            "search_click_places", "Sum of the places of first clicks.", kinds, registry=registry
        )
        self.conversions = Counter(
            "search_conversions",
            "Of search_answers, those with a message or purchase.",
            kinds,
            registry=registry,
        )
        self.questions = Counter(
            "search_questions",
            "Of search_answers, those to known users that a new query could reformulate.",
            kinds,
            registry=registry,
        )
        self.reformulations = Counter(
            "search_reformulations",
            "Of search_questions, those that another query to the same process followed soon, "
            "without a click. Close to GET /api/analytics, and not equal.",
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
