"""The settings of the service, read from environment variables."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import joblib
from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from market.core.errors import MarketError
from market.data.histories import HISTORY_EVENTS
from market.search.analytics import MIN_USERS
from market.search.exploration import MAX_CHANCE

ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?")
MIN_KEY_LENGTH = 16  # characters: shorter keys can be guessed


def check_key(key: SecretStr) -> SecretStr:
    """Return a key that is long enough and that HTTP headers can carry; else ValueError."""
    text = key.get_secret_value()
    # HTTP headers cannot carry other characters unchanged, so such a key would never match.
    is_sendable = text.isascii() and text.isprintable() and " " not in text
    if len(text) < MIN_KEY_LENGTH or not is_sendable:
        raise ValueError(
            f"must have at least {MIN_KEY_LENGTH} ASCII characters without spaces: generate one "
            "with `openssl rand -hex 32`, or unset it to serve without a key"
        )
    return key


def _check_origins(text: str) -> str:
    origins = text.split()
    for origin in origins:
        if origin != "*" and not ORIGIN.fullmatch(origin):
            raise ValueError(
                f"names {origin!r}, which is no origin: write such as https://shop.example, "
                "without a path, separated by spaces"
            )
    if "*" in origins and len(origins) > 1:
        raise ValueError("has * beside other origins: write one or the other")
    return text


Count = Annotated[int, Field(gt=0)]
Amount = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
ApiKey = Annotated[SecretStr, AfterValidator(check_key)]


class Settings(BaseSettings):
    """Settings of the service.

    Every field is read from the environment variable of the same name in capitals. There is no
    settings file, so no secret can be committed with one.

    Raises
    ------
    pydantic.ValidationError
        A value has the wrong type or range. `Settings.from_environment` turns it into one line.
    """

    model_config = SettingsConfigDict(frozen=True, hide_input_in_errors=True)

    events_url: str = Field(
        default="sqlite:///data/events.sqlite",
        description="SQLAlchemy URL of the event store. The driver must be installed.",
    )
    history_events: Count = Field(
        default=HISTORY_EVENTS,
        description="Number of recent events per user that personalise results.",
    )
    max_upload_mb: Amount = Field(
        default=20, description="Largest request body, in MB. A phone's photo has 3 to 12 MB."
    )
    max_upload_seconds: Amount = Field(
        default=60, description="Longest time to receive a body. 20 MB take 60 s at 3 Mbit/s."
    )
    max_uploads: Count = Field(
        default=8, description="Request bodies received or held at once, for each queue."
    )
    max_at_once: Count = Field(
        default_factory=joblib.cpu_count,
        description="Searches that run at once. Defaults to the number of usable CPU cores, which "
        "respects affinity and a container's quota.",
    )
    max_waiting: Count = Field(
        default=32,
        description="Requests that wait in each queue. Two cores serve 32 in about a second.",
    )
    max_wait_seconds: Amount = Field(default=2, description="Longest wait in a queue, in seconds.")
    api_key: ApiKey | None = Field(
        default=None, description="Secret that clients must send. Unset: no key is needed."
    )
    api_keys: SecretStr | None = Field(
        default=None,
        description="Keys with scopes and limits: the path of a YAML file, or the list itself.",
    )
    record_searches: bool = Field(
        default=True, description="Whether to record searches, so that the ranking can learn."
    )
    record_share: Share = Field(
        default=1, description="Share of users whose searches are recorded, from 0 to 1."
    )
    variant_b: str = Field(
        default="",
        description="Models of variant B: a folder, or what `python -m market.variants` brought.",
    )
    variant_share: Share = Field(
        default=0.5, description="Share of users that get variant B, from 0 to 1."
    )
    variant_mode: Literal["split", "interleave"] = Field(
        default="split", description="Whether these users get B, or both rankings interleaved."
    )
    experiment: str = Field(
        default="",
        max_length=100,
        description="Name of the experiment. Another name assigns the users anew.",
    )
    exploration: Annotated[float, Field(ge=0, le=MAX_CHANCE)] = Field(
        default=0,
        description="Probability with which neighbours below the first place swap, 0 to 0.5.",
    )
    exploration_seed: int = Field(default=0, description="Seed of the exploration.")
    record_days: Annotated[int, Field(gt=0, le=36_500)] = Field(
        default=90, description="Days after which a recorded search is deleted."
    )
    analytics_min_users: Count = Field(
        default=MIN_USERS,
        description="Analytics show a query only if so many different users asked it.",
    )
    cors_origins: Annotated[str, AfterValidator(_check_origins)] = Field(
        default="",
        description="Origins whose pages may call the API, separated by spaces; * for all.",
    )

    @property
    def recorded_share(self) -> float:
        """The share of users whose searches are recorded: 0 for none."""
        return self.record_share if self.record_searches else 0.0

    @property
    def needs_key(self) -> bool:
        """Whether requests need a key."""
        return self.api_key is not None or self.api_keys is not None

    @classmethod
    def from_environment(cls) -> Settings:
        """Read the settings from the environment.

        Returns
        -------
        Settings
            Validated and immutable.

        Raises
        ------
        MarketError
            A variable has an invalid value. The message names every such variable, and never
            quotes the API key.
        """
        try:
            return cls()
        except ValidationError as error:
            lines = []
            for fault in error.errors():
                name = str(fault["loc"][0])
                value = "" if name in ("api_key", "api_keys") else f"={fault['input']!r}"
                reason = fault["msg"].removeprefix("Value error, ")
                lines.append(
                    f"{name.upper()}{value} {reason.replace('Input should be', 'must be')}"
                )
            raise MarketError("; ".join(lines)) from None
