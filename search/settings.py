"""The service's settings: environment variables only, so that no file of them can be committed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from click import ClickException


@dataclass(frozen=True)
class Settings:
    """Each field is the environment variable of its name in capitals."""

    events_url: str = "sqlite:///data/events.sqlite"  # any SQLAlchemy URL
    history_events: int = 200  # the last so many events of a user count
    max_upload_mb: float = 20  # a telephone's photo has 3 to 12

    @classmethod
    def from_environment(cls) -> Settings:
        """Read the environment; a value that cannot be used raises ClickException naming it."""
        given: dict[str, Any] = {}
        for name, kind in (("events_url", str), ("history_events", int), ("max_upload_mb", float)):
            text = os.environ.get(name.upper())
            if text is None:
                continue
            try:
                given[name] = kind(text)
            except ValueError:
                raise ClickException(f"{name.upper()}={text!r} is not a number") from None
            if kind is not str and not given[name] > 0:
                raise ClickException(f"{name.upper()}={text!r} must be above 0")
        return cls(**given)
