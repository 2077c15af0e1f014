"""The log of searches of an export, recognised by the names of its columns."""

from __future__ import annotations

from collections.abc import Iterable

from market.core.settings import SEARCH_FIELDS
from market.data.inspection.names import match_name
from market.data.search_cleaning import search_columns

REQUIRED = ("search_id", "timestamp", "product_ids")
# By field, its names as `names.normalise` returns them; other fields have their own name alone.
SEARCH_NAMES = {
    "search_id": "search id | query id | request id | impression id | searchid | such id",
    "user_id": """user id | user | visitor id | customer id | client id | member id | session id
        | nutzer id | kunden id | id utilisateur | id usuario""",
    "timestamp": """timestamp | time | datetime | date | created at | searched at | ts
        | zeitstempel | zeit | horodatage | fecha""",
    "query": """query | q | search term | search query | search terms | search text | user query
        | keywords | keyword | phrase | suchbegriff | suchanfrage | requete | recherche
        | busqueda""",
    "product_ids": """product ids | results | result ids | shown | shown ids | shown products
        | items | item ids | listing ids | hits | hit ids | impressions | displayed | ranking
        | produkt ids | ergebnisse | resultats | resultados""",
}


def find_search_columns(columns: Iterable[str]) -> dict[str, str]:
    """Return the column of each field of a log of searches; {} for another table."""
    present = [str(column) for column in columns]
    found: dict[str, str] = {}
    for name in SEARCH_FIELDS:
        names = SEARCH_NAMES.get(name, name.replace("_", " "))
        matches = [(match_name(column, names), column) for column in present]
        exact = [(match.score, column) for match, column in matches if match.is_exact]
        free = [pair for pair in exact if pair[1] not in found.values()]
        if free:
            found[name] = max(free, key=lambda pair: pair[0])[1]
    return found if all(name in found for name in REQUIRED) else {}


def own_search_columns(columns: Iterable[str]) -> dict[str, str | None]:
    """Return the columns of a log of searches that have no usual name, for `input`."""
    present = [str(column) for column in columns]
    usual = search_columns(present)
    found = find_search_columns(present)
    return {name: column for name, column in found.items() if usual.get(name) != column}
