"""The health of the service."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class Health(BaseModel):
    """The health of the service."""

    status: Literal["ok"]
    version: str = Field(
        description="Version of the ranking models: that of the promoted ones, or `latest` for "
        "those of the pipeline.",
        examples=["v1.2.0"],
    )
