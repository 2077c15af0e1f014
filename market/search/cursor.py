"""Cursors: where a page of results ended, as a text that the next request sends back.

A cursor remembers which listings were shown, so the next page neither repeats nor loses one while
the catalogue changes. It holds the hashes of at most MEMORY listings: those shown since the sorted
value last changed. Earlier ones are known by their place in the order, up to the `floor`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from market.core.errors import MarketError

MEMORY = 500  # listings that were shown; a cursor has 8 characters for each
LONGEST_CURSOR = 7000  # characters
HASH_BYTES = 6  # of a product id: of 1,000,000 listings, 0.000002 are mistaken for one of MEMORY
CHECK_BYTES = 8
VERSION = 1
_FLOOR = struct.Struct(">dbd")


class Floor(NamedTuple):
    """A place in an order: everything up to it was shown, or is no longer to be shown.

    Attributes
    ----------
    value, tier, score
        As in MatchOrder.
    product_id
        Of the last listing before the place.
    """

    value: float
    tier: int
    score: float
    product_id: str


START = Floor(-np.inf, -1, np.inf, "")


@dataclass(frozen=True, eq=False)
class Cursor:
    """What earlier pages showed.

    Attributes
    ----------
    floor
        Listings up to it are left out.
    shown
        (k,) sorted hashes, from `hash_ids`, of the listings after it that were shown.
    """

    floor: Floor = START
    shown: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint64))

    def remembers(self, hashes: np.ndarray) -> np.ndarray:
        """Return (m,) bool: which hashes are among `shown`."""
        if not len(self.shown):
            return np.zeros(len(hashes), bool)
        places = np.minimum(np.searchsorted(self.shown, hashes), len(self.shown) - 1)
        return self.shown[places] == hashes

    def encode(self, request: str) -> str:
        """Return the cursor as a text for URLs.

        Parameters
        ----------
        request
            A text that is the same for all pages of one search, and for no other search.
        """
        product_id = self.floor.product_id.encode()
        shown = self.shown.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 8 - HASH_BYTES :]
        content = b"".join(
            [
                bytes([VERSION]),
                _FLOOR.pack(self.floor.value, self.floor.tier, self.floor.score),
                len(product_id).to_bytes(2, "big"),
                product_id,
                shown.tobytes(),
            ]
        )
        check = _check(content) + _check(content, request)
        return base64.urlsafe_b64encode(check + content).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str, request: str) -> Cursor:
        """Return the cursor that `encode` wrote.

        Raises
        ------
        MarketError
            If the text is no cursor, or that of another request.
        """
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (binascii.Error, ValueError):
            raw = b""
        check, content = raw[: 2 * CHECK_BYTES], raw[2 * CHECK_BYTES :]
        if not content or check[:CHECK_BYTES] != _check(content) or content[0] != VERSION:
            raise MarketError(
                "cursor is damaged or no cursor: send `next_cursor` of an answer, or no cursor "
                "for the first page"
            )
        if check[CHECK_BYTES:] != _check(content, request):
            raise MarketError(
                "cursor belongs to another search: repeat all its parameters, or send no cursor "
                "for the first page"
            )
        value, tier, score = _FLOOR.unpack_from(content, 1)
        start = 1 + _FLOOR.size + 2
        end = start + int.from_bytes(content[start - 2 : start], "big")
        floor = Floor(value, tier, score, content[start:end].decode())
        digits = np.frombuffer(content[end:], np.uint8).reshape(-1, HASH_BYTES)
        hashes = np.zeros((len(digits), 8), np.uint8)
        hashes[:, 8 - HASH_BYTES :] = digits
        return cls(floor, hashes.view(">u8").ravel().astype(np.uint64))


def hash_ids(product_ids: list[str]) -> np.ndarray:
    """Return (k,) uint64 hashes of product ids, below 2 ** (8 * HASH_BYTES)."""
    hashes = pd.util.hash_array(np.array(product_ids, object), categorize=False)
    return hashes >> np.uint64(64 - 8 * HASH_BYTES)


def _check(content: bytes, request: str = "") -> bytes:
    key = hashlib.sha256(request.encode()).digest()
    return hashlib.blake2b(content, digest_size=CHECK_BYTES, key=key, person=b"cursor").digest()
