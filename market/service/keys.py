"""API keys: who may call the service, for what, and how often."""

from __future__ import annotations

import hmac
import math
import time
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import limits
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from market.core.checked_yaml import YamlText, without_missing
from market.core.errors import MarketError
from market.service.settings import Settings, check_key

Scope = Literal["read", "events", "catalogue", "analytics"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
SECRETS = frozenset({"key", "sha256"})  # fields that no message quotes


def _check_limit(text: str) -> str:
    try:
        limits.parse(text)
    except ValueError:
        raise ValueError("must be such as 100/minute or 5/second") from None
    return text


class ApiKey(BaseModel):
    """A key of the list API_KEYS.

    Attributes
    ----------
    name
        Names the key in answers and messages; the key itself is never shown.
    key, sha256
        The key, or the SHA-256 of its characters in hexadecimal digits; one of the two.
    scopes
        What the key may do.
    limit
        Requests in a time, such as "100/minute"; None sets no limit.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Annotated[str, Field(pattern=r"^[\w.-]{1,40}$")]
    key: Annotated[SecretStr, AfterValidator(check_key)] | None = None
    sha256: Annotated[str, Field(pattern="^[0-9a-fA-F]{64}$")] | None = None
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]
    limit: Annotated[str, AfterValidator(_check_limit)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _leave_out_missing(cls, values: Any) -> Any:
        return without_missing(values)

    @model_validator(mode="after")
    def _need_one(self) -> ApiKey:
        if (self.key is None) == (self.sha256 is None):
            raise ValueError("needs key or sha256, and not both: remove or add one")
        return self

    @property
    def digest(self) -> bytes:
        """The SHA-256 of the key."""
        if self.key is None:
            return bytes.fromhex(self.sha256 or "")
        return sha256(self.key.get_secret_value().encode()).digest()


class KeyFile(BaseModel):
    """The content of API_KEYS."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    keys: tuple[ApiKey, ...]


class KeyRing:
    """The keys of the service. Without any, everything is open.

    Each process counts the requests of a key itself, over a window that moves with time.

    Parameters
    ----------
    keys
        With different names and secrets.
    """

    def __init__(self, keys: tuple[ApiKey, ...]) -> None:
        self._keys = [(key.digest, key) for key in keys]
        self._limits = {key.name: limits.parse(key.limit) for key in keys if key.limit}
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    @classmethod
    def from_settings(cls, settings: Settings) -> KeyRing:
        """Read the keys of API_KEY, which has all scopes, and of API_KEYS.

        Raises
        ------
        MarketError
            If API_KEYS names no file, or a key is wrong. No message quotes a key.
        """
        keys: tuple[ApiKey, ...] = ()
        if settings.api_key is not None:
            keys += (ApiKey(name="API_KEY", key=settings.api_key, scopes=SCOPES),)
        if settings.api_keys is not None:
            keys += _read_keys(settings.api_keys.get_secret_value())
        return cls(keys)

    def __bool__(self) -> bool:
        return bool(self._keys)

    def find(self, sent: str) -> ApiKey | None:
        """Return the key that a client sent; None if there is no such key.

        All keys are compared, each in constant time: the duration reveals nothing.
        """
        digest = sha256(sent.encode("utf-8", "surrogateescape")).digest()
        found = [key for known, key in self._keys if hmac.compare_digest(digest, known)]
        return found[0] if found else None

    def seconds_to_wait(self, key: ApiKey) -> int:
        """Count a request of a key; return 0, or the whole seconds until its limit allows it."""
        limit = self._limits.get(key.name)
        if limit is None or self._limiter.hit(limit, key.name):
            return 0
        reset = self._limiter.get_window_stats(limit, key.name).reset_time
        return max(1, math.ceil(reset - time.time()))


def _read_keys(text: str) -> tuple[ApiKey, ...]:
    """Read the keys of API_KEYS: YAML, or the path of a file that has it."""
    is_inline = text.lstrip().startswith(("[", "{"))
    title, content = "API_KEYS", text
    if not is_inline:
        title = f"API_KEYS={text}"
        try:
            content = Path(text).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8"
            raise MarketError(
                "API_KEYS is neither the path of a file that can be read nor a list such as "
                f"[{{name: shop, key: …, scopes: [read, events]}}]: {reason}"
            ) from None
    document = YamlText(content, title)
    if isinstance(document.tree, list):  # a list alone, without the name `keys` above it
        separator = " " if is_inline else "\n"
        document = YamlText(f"keys:{separator}{content}", title)
    keys = document.check(KeyFile, secret=SECRETS).keys
    for kind, values in (
        ("name", [key.name for key in keys]),
        ("key", [key.digest for key in keys]),
    ):
        if len(set(values)) < len(values):
            raise MarketError(f"{title}: two entries have the same {kind}: remove one of them")
    if not keys:
        raise MarketError(f"{title} has no key: add one, or unset API_KEYS to serve without keys")
    return keys
