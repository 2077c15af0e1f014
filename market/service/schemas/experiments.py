"""Experiments between two rankers."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from market.service.schemas.fields import RequestFields, without_null

Verdict = Literal["A", "B", "open"]
Bounds = tuple[float, float]


class ExperimentQuery(RequestFields):
    """Which experiment to report."""

    model_config = ConfigDict(json_schema_extra=without_null)

    experiment: str | None = Field(
        None, max_length=100, description="Name; by default the experiment that is running."
    )
    kind: Literal["search", "similar", "recommendation"] = Field(
        "search", description="Kind of the answers; `search` has searches by photo too."
    )


class Estimated(BaseModel):
    """An estimate, null if nothing was observed."""

    value: float | None
    standard_error: float | None = Field(description="With users as the unit.")
    users: int


class RateComparison(BaseModel):
    """A rate of both variants."""

    metric: Literal["click_through_rate", "conversion_rate"] = Field(
        description="Share of searches with a click, and with a purchase, on what they showed."
    )
    a: Estimated
    b: Estimated
    difference: Estimated = Field(description="B less A.")
    interval: Bounds | None = Field(
        description="Of the difference. It holds at every look, with 95 % for all looks together. "
        "Null while fewer than 20 users of a variant succeeded."
    )
    verdict: Verdict = Field(description="`open` while the interval holds 0.")


class InterleavedComparison(BaseModel):
    """How many interleaved searches each ranking won, by clicks on its listings."""

    searches: int = Field(description="Pages that were interleaved, undecided ones included.")
    wins_a: int
    wins_b: int
    share: Estimated = Field(description="Of B among the wins.")
    interval: Bounds | None = Field(description="Of the share; it holds at every look.")
    verdict: Verdict = Field(description="`open` while the interval holds 0.5.")


class ExperimentReport(BaseModel):
    """What an experiment has found so far."""

    experiment: str | None = Field(description="Its name; null if none is running.")
    is_running: bool
    recorded: list[str] = Field(description="Names of all experiments with a recorded search.")
    kind: str
    users: dict[str, int] = Field(description="By variant: A, B, and A+B for interleaved.")
    searches: dict[str, int] = Field(description="By variant; those without a user are left out.")
    share_p_value: float | None = Field(
        description="Of the hypothesis that users were assigned with the share of the settings. "
        "Below 0.001 do not trust the results: some users are missing. Null for earlier "
        "experiments."
    )
    comparisons: list[RateComparison]
    interleaving: InterleavedComparison | None
