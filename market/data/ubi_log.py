"""OpenSearch's User Behavior Insights: its indices ubi_queries and ubi_events as raw logs."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from market.data.foreign_logs import ForeignLog, read_records, text_of, value_of
from market.data.id_lists import split_list
from market.data.typed_tables import cell_text

PRODUCT = ("event_attributes.object.object_id", "object.object_id", "object_id")
PLACE = ("event_attributes.position.ordinal", "position.ordinal", "event_attributes.position",
         "event_attributes.rank", "position", "rank")  # fmt: skip
USER = ("client_id", "user_id", "session_id")
READ = frozenset((
    "query_id", "client_id", "user_id", "session_id", "timestamp", "user_query", "action_name",
    "query_response_hit_ids", "query_attributes", "event_attributes", "position", "rank", "object",
    "object_id",
))  # fmt: skip


def read_ubi(queries: Path, events: Path, chosen: Mapping[str, str]) -> ForeignLog:
    """Read the queries and events that UBI collected.

    The listings of a search are its query_response_hit_ids. Where these are absent, they are those
    of its events "impression", by their position.

    Parameters
    ----------
    queries, events
        Exports of ubi_queries and ubi_events, as `foreign_logs.read_records` reads them; both may
        be one file.
    chosen
        view, save, message or buy by the name of an action, before all other names.

    Raises
    ------
    MarketError
        A file cannot be read.
    """
    log = ForeignLog()
    impressions: dict[str, list[tuple[float, str]]] = defaultdict(list)
    user_of: dict[str, str] = {}
    searches = []
    for number, record in read_records(queries):
        if "action_name" not in record:
            searches.append((number, record))
            if (query_id := text_of(record, "query_id")) and (user := text_of(record, *USER)):
                user_of[query_id] = user
    for number, record in read_records(events):
        if "action_name" in record:
            _read_event(log, events, number, record, chosen, impressions, user_of)
        elif events != queries:
            log.reject(events, number, text_of(record, "query_id"), "has no action_name")
    for number, record in searches:
        _note_ignored(log, record)
        query_id = text_of(record, "query_id")
        shown = value_of(record, "query_response_hit_ids")
        if shown is None and query_id:
            places = sorted(impressions[query_id], key=lambda impression: impression[0])
            shown = list(dict.fromkeys(product_id for _, product_id in places))
        attributes = value_of(record, "query_attributes")
        row = {
            "search_id": query_id,
            "user_id": text_of(record, *USER),
            "timestamp": text_of(record, "timestamp"),
            "query": text_of(record, "user_query"),
            "product_ids": _ids(shown),
            "filters": json.dumps(attributes, ensure_ascii=False)
            if attributes and isinstance(attributes, dict)
            else None,
        }
        log.add_search(queries, number, row)
    return log


def _read_event(
    log: ForeignLog,
    path: Path,
    number: int,
    record: dict[str, Any],
    chosen: Mapping[str, str],
    impressions: dict[str, list[tuple[float, str]]],
    user_of: Mapping[str, str],
) -> None:
    _note_ignored(log, record)
    query_id, product_id = text_of(record, "query_id"), text_of(record, *PRODUCT)
    action = text_of(record, "action_name")
    if action and action.lower() in ("impression", "impressions") and query_id and product_id:
        place = text_of(record, *PLACE)
        last = float(len(impressions[query_id]))
        impressions[query_id].append((_number(place, last), product_id))
        if action not in chosen:
            return
    event = log.kind_of(action, chosen)
    if event is not None:
        row = {
            "user_id": text_of(record, *USER) or user_of.get(query_id or ""),
            "product_id": product_id,
            "event": event,
            "timestamp": text_of(record, "timestamp"),
            "search_id": query_id,
        }
        log.add_event(path, number, row)


def _note_ignored(log: ForeignLog, record: Mapping[str, Any]) -> None:
    for name in record:
        if name.partition(".")[0] not in READ:
            log.ignored[f"field {name!r}"] += 1


def _ids(shown: Any) -> list[str]:
    if isinstance(shown, list):
        texts = [cell_text(product_id) for product_id in shown]
        return [text.strip() for text in texts if text and text.strip()]
    return split_list(shown, "," if "," in (shown or "") and " " not in (shown or "") else None)


def _number(text: str | None, default: float) -> float:
    try:
        return float(text) if text else default
    except ValueError:
        return default
