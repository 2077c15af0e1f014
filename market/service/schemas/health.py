"""The health of the service."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel


class Health(BaseModel):
    """The health of the service."""

    status: Literal["ok"]
