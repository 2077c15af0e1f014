"""Cursors of the API: each belongs to one search, whose other parameters stay the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict

from fastapi import HTTPException

from market.core.errors import MarketError
from market.search.attributes import Condition
from market.search.cursor import Cursor
from market.service.schemas import SearchQuery

# Parameters that may change from page to page.
PAGING = {
    "cursor", "limit", "offset", "facets", "explain", "listing", "record", "suggest_id",
}  # fmt: skip


def identify_search(
    query: SearchQuery, conditions: Mapping[str, Condition], photo: bytes = b""
) -> str:
    """Return a text that is the same for all pages of a search, and differs between searches.

    Parameters
    ----------
    query, conditions
        The parameters of the search.
    photo
        The file of a search by photo.
    """
    fields = query.model_dump(mode="json", exclude={*PAGING, "photo"}, exclude_defaults=True)
    identity = {
        "fields": {name: value for name, value in fields.items() if value not in ("", None, [])},
        "conditions": {name: asdict(condition) for name, condition in conditions.items()},
        "photo": hashlib.sha256(photo).hexdigest() if photo else "",
    }
    return json.dumps(identity, sort_keys=True)


def read_cursor(text: str | None, search: str) -> Cursor | None:
    """Return the cursor of a request, or None if it has none.

    Parameters
    ----------
    text
        The parameter `cursor`.
    search
        From `identify_search`.

    Raises
    ------
    HTTPException
        422: it is no cursor, or that of another search.
    """
    if not text:
        return None
    try:
        return Cursor.decode(text, search)
    except MarketError as error:
        raise HTTPException(422, str(error)) from None
