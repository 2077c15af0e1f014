"""An answer to one question about an export, with the evidence for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

SURE = 0.8  # share of the evidence from which an answer is no guess


def percent(share: float) -> str:
    """Return a share as "57 %"; only a share of 1 is 100 %."""
    return f"{min(round(100 * share), 99) if share < 1 else 100} %"


@dataclass(frozen=True)
class Finding(Generic[T]):
    """An answer and its evidence.

    Attributes
    ----------
    value
        The answer. If nothing speaks for any, a default, and `share` is 0.
    share
        The share of the evidence that supports the answer, 0 to 1.
    evidence
        The evidence in a few words.
    """

    value: T
    share: float
    evidence: str

    @property
    def is_guess(self) -> bool:
        """Whether other answers remain possible."""
        return self.share < SURE
