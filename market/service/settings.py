"""The service's settings: environment variables only, so that no file of them can be committed."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field, fields
from typing import Any

import joblib

from market.core.errors import MarketError

SHORTEST_KEY = 16  # characters: shorter ones can be guessed


@dataclass(frozen=True)
class Settings:
    """Each field is the environment variable of its name in capitals."""

    events_url: str = "sqlite:///data/events.sqlite"  # any SQLAlchemy URL
    history_events: int = 200  # the last so many events of a user count
    max_upload_mb: float = 20  # a telephone's photo has 3 to 12
    max_upload_seconds: float = 60  # 20 MB at 3 Mbit/s; whoever is slower only holds a connection
    max_uploads: int = 8  # requests of a kind whose bodies are received or held at once
    # Searches under way at once: each is for all cores that this process may use (its affinity, the
    # container's quota).
    max_at_once: int = field(default_factory=joblib.cpu_count)
    max_waiting: int = 32  # and that wait for their turn; on two cores a second's work
    max_wait_seconds: float = 2
    api_key: str | None = field(default=None, repr=False)  # without one, everybody may ask

    @classmethod
    def from_environment(cls) -> Settings:
        """Read the environment; a value that cannot be used raises MarketError naming it."""
        given: dict[str, Any] = {}
        kinds = {"int": int, "float": float}
        for setting in fields(cls):
            variable = setting.name.upper()
            text = os.environ.get(variable)
            if text is None:
                continue
            kind = kinds.get(str(setting.type))
            if kind is None:
                given[setting.name] = text
                continue
            try:
                number = given[setting.name] = kind(text)
            except ValueError:
                raise MarketError(f"{variable}={text!r} is not a number") from None
            if not 0 < number < math.inf:
                raise MarketError(f"{variable}={text!r} must be above 0 and finite")
        key = given.get("api_key")
        # Never quoted: it is a secret. What a header cannot carry as it is would never be right.
        if key is not None and (
            len(key) < SHORTEST_KEY or not key.isascii() or not key.isprintable() or " " in key
        ):
            raise MarketError(
                f"API_KEY needs {SHORTEST_KEY} ASCII characters or more, none of them a space; "
                "`openssl rand -hex 32` makes one, and without API_KEY no key is asked for"
            )
        return cls(**given)
