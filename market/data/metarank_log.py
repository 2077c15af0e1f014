"""Metarank's events: rankings and interactions as raw logs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from market.data.foreign_logs import ForeignLog, read_records, text_of
from market.data.typed_tables import cell_text

QUERY_FIELDS = ("query", "search_query", "search", "search_term", "q", "term", "keywords")
USER = ("user", "session")
KINDS = ("ranking", "interaction", "item", "user")


def read_metarank(path: Path, chosen: Mapping[str, str]) -> ForeignLog:
    """Read metarank's events.

    A ranking is a search: its query is the field of one of the names QUERY_FIELDS, its other fields
    are filters. Events of items and users are not read.

    Parameters
    ----------
    path
        JSON Lines or an array, as `foreign_logs.read_records` reads them.
    chosen
        view, save, message or buy by the type of an interaction, before all other types.

    Raises
    ------
    MarketError
        The file cannot be read.
    """
    log = ForeignLog()
    user_of: dict[str, str] = {}
    interactions = []
    for number, record in read_records(path):
        kind = _kind(record)
        if kind == "ranking":
            row = _search(record)
            if row["search_id"] and row["user_id"]:
                user_of[row["search_id"]] = row["user_id"]
            log.add_search(path, number, row)
        elif kind == "interaction":
            interactions.append((number, record))
        elif kind in KINDS:
            log.ignored[f"{kind} events"] += 1
        else:
            log.reject(path, number, text_of(record, "id"), "has no event of a known kind")
    for number, record in interactions:
        event = log.kind_of(text_of(record, "type"), chosen)
        ranking = text_of(record, "ranking")
        for name in _fields(record):
            log.ignored[f"field {name!r} of interactions"] += 1
        if event is not None:
            row = {
                "user_id": text_of(record, *USER) or user_of.get(ranking or ""),
                "product_id": text_of(record, "item"),
                "event": event,
                "timestamp": text_of(record, "timestamp"),
                "search_id": ranking,
            }
            log.add_event(path, number, row)
    return log


def _kind(record: Mapping[str, Any]) -> str | None:
    """Return the kind of an event; some senders write it as the type."""
    kind = text_of(record, "event")
    if kind is None and isinstance(record.get("items"), list):
        return "ranking"
    return kind or text_of(record, "type")


def _search(record: Mapping[str, Any]) -> dict[str, Any]:
    fields = _fields(record)
    query = next((name for name in QUERY_FIELDS if fields.get(name)), None)
    filters = {name: value for name, value in fields.items() if name != query}
    items = record.get("items")
    ids = [
        cell_text(item.get("id") if isinstance(item, dict) else item)
        for item in (items if isinstance(items, list) else ())
    ]
    return {
        "search_id": text_of(record, "id"),
        "user_id": text_of(record, *USER),
        "timestamp": text_of(record, "timestamp"),
        "query": cell_text(fields[query]) if query else None,
        "product_ids": [product_id for product_id in ids if product_id],
        "filters": json.dumps(filters, ensure_ascii=False) if filters else None,
    }


def _fields(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of an event's fields by name."""
    fields = record.get("fields")
    if isinstance(fields, dict):
        return fields
    return {
        str(each["name"]): each.get("value")
        for each in (fields if isinstance(fields, list) else ())
        if isinstance(each, dict) and "name" in each
    }
