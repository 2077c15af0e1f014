"""The base class of the sections of params.yaml, and the types of their numbers."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

NUMBER = re.compile(r"[-+]?\d+(\.\d*)?e[-+]?\d+", re.IGNORECASE)


Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Side = Annotated[int, Field(ge=1, le=4096)]
Levels = Annotated[int, Field(ge=1, le=10)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Proportion = Annotated[float, Field(gt=0, lt=1)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]


class Section(BaseModel):
    """A section of params.yaml: exactly these keys, each of its own type."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _small_numbers(cls, values: Any) -> Any:
        # PyYAML reads 1e-05 as a string, which `dvc exp run -S train.learning_rate=0.00001` writes.
        if not isinstance(values, dict):
            return values
        strings = {name for name, field in cls.model_fields.items() if field.annotation is str}
        return {
            name: float(value)
            if isinstance(value, str) and name not in strings and NUMBER.fullmatch(value)
            else value
            for name, value in values.items()
        }
