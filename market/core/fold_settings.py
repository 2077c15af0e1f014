"""The settings of the stage that folds the live catalogue into the raw data."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from market.core.section import Section

EVENTS_URL = "EVENTS_URL"  # value of `store`: the setting of the service of this name


class Fold(Section):
    """Settings of stage fold."""

    store: Annotated[str, Field(description="empty, EVENTS_URL, or a URL as SQLAlchemy writes it")]
