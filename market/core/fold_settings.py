"""The settings of the stages that bring the service's data into the pipeline."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from market.core.section import Section

EVENTS_URL = "EVENTS_URL"  # value of `store`: the setting of the service of this name


class Fold(Section):
    """Settings of stage fold."""

    store: Annotated[str, Field(description="empty, EVENTS_URL, or a URL as SQLAlchemy writes it")]


class PullLogs(Section):
    """Settings of stage pull_logs."""

    store: Annotated[str, Field(description="empty, EVENTS_URL, or a URL as SQLAlchemy writes it")]
