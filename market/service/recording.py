"""A request for listings, and its record for the log of searches."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from market.search.attributes import PREFIX, Condition
from market.search.ranking import Hit
from market.search.rule_application import BOOST, PIN
from market.service import schemas
from market.service.search_log import Kind, RecordedSearch
from market.service.variants import VariantResult

# Parameters that choose no listings, or that the record has under their own names.
NO_FILTERS = {
    "q", "user", "limit", "offset", "cursor", "facets", "explain", "listing", "photo", "record",
    "suggest_id", "variant",
}  # fmt: skip
COORDINATE_DIGITS = 2  # about 1 km: an exact place would tell where a user lives


@dataclass(frozen=True, eq=False)
class SearchRequest:
    """A request for listings.

    Attributes
    ----------
    kind
        Kind of the request.
    page
        Its filters and the part of the results.
    conditions
        Its conditions on attributes.
    user_id
        None without a user.
    allows_recording
        Whether the browser's headers allow recording it.
    query
        The text as the user typed it.
    similar_to
        The listing that the results resemble.
    """

    kind: Kind
    page: schemas.Page
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    user_id: str | None = None
    allows_recording: bool = True
    query: str = ""
    similar_to: str | None = None

    @property
    def is_recorded(self) -> bool:
        """Whether the request may be recorded."""
        return self.allows_recording and self.page.record

    @property
    def is_by_relevance(self) -> bool:
        """Whether the ranker alone decides the order."""
        return getattr(self.page, "sort", "relevance") == "relevance"

    @property
    def can_mix(self) -> bool:
        """Whether its answer can be interleaved."""
        page = self.page
        if not isinstance(page, schemas.SearchQuery) or not self.is_by_relevance:
            return False
        return not (page.collapse or page.max_per_seller or page.explain)

    def record(self, results: schemas.SearchResults, answer: VariantResult) -> RecordedSearch:
        """Return the record of the request.

        Parameters
        ----------
        results
            The answer.
        answer
            The engine's result, from which the answer was made.
        """
        result = answer.result
        shown = [hit.product_id for hit in results.hits]
        ruled = {hit.product_id for hit in result.hits if _is_ruled(hit)}
        return RecordedSearch(
            search_id=results.search_id,
            user_id=self.user_id,
            timestamp=datetime.now(UTC).replace(tzinfo=None),
            query=self.query,
            product_ids=shown,
            kind=self.kind,
            variant=results.variant,
            offset=result.offset,
            propensities=[answer.propensities.get(each, 1.0) for each in shown]
            if answer.propensities
            else None,
            total=results.total,
            filters=json.dumps(self.filters(), sort_keys=True),
            rules=[product_id for product_id in shown if product_id in ruled],
            suggest_id=getattr(self.page, "suggest_id", None),
            experiment=answer.variant.experiment,
            teams=[answer.teams.get(each, "") for each in shown] if answer.teams else None,
        )

    def filters(self) -> dict[str, Any]:
        """Return the parameters that choose or order listings, as the API names them."""
        given = self.page.model_dump(mode="json", exclude=NO_FILTERS, exclude_defaults=True)
        given = {name: value for name, value in given.items() if value not in ("", None, [])}
        for name in ("latitude", "longitude"):
            if name in given:
                given[name] = round(given[name], COORDINATE_DIGITS)
        for name, condition in self.conditions.items():
            parts = {
                "": [*condition.any_of],
                "_min": condition.minimum,
                "_max": condition.maximum,
                "_exists": condition.exists,
            }
            given |= {f"{PREFIX}{name}{ending}": value for ending, value in parts.items()
                      if value not in (None, [])}  # fmt: skip
        if self.similar_to is not None:
            given["similar_to"] = self.similar_to
        return given


def _is_ruled(hit: Hit) -> bool:
    """Return whether a rule placed or raised a hit."""
    return any(
        name.startswith(PIN) or (name.startswith(BOOST) and part > 0)
        for name, part in hit.why.items()
    )


def record_suggestions(query: schemas.SuggestQuery, answer: schemas.Suggestions) -> RecordedSearch:
    """Return the record of suggestions; `product_ids` are the listings among them."""
    ids = [each.product_id for each in answer.suggestions if each.product_id is not None]
    return RecordedSearch(
        search_id=answer.search_id,
        user_id=query.user,
        timestamp=datetime.now(UTC).replace(tzinfo=None),
        query=query.q,
        product_ids=ids,
        kind="suggest",
        total=len(answer.suggestions),
    )
