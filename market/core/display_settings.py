"""The settings of the photos that people see: their section of params.yaml."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from market.core.section import Positive, Section, Side


class Resize(Section):
    """Settings of stage resize."""

    small_size: Side
    large_size: Side
    quality: Annotated[int, Field(ge=1, le=100)]
    max_gigabytes: Positive

    @model_validator(mode="after")
    def _small_below_large(self) -> Resize:
        if self.small_size >= self.large_size:
            raise ValueError(
                f"resize.small_size ({self.small_size}) must be below resize.large_size "
                f"({self.large_size})"
            )
        return self
