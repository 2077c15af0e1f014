"""The listing that a photo belongs to, by the names of its folders or of the file itself."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath
from typing import NamedTuple

from market.data.photo_folder import composed_name, name_key
from market.data.photo_formats import UnusablePhoto

MAX_NAMED = 3  # listings that a reason names


class Owner(NamedTuple):
    """The listing of a photo."""

    product_id: str
    others: tuple[str, ...] = ()  # ids that the name fits too, but less well


class OwnerFinder:
    """Finds the listing of a photo by its path.

    Parameters
    ----------
    ids
        The ids of all listings, rejected ones too.
    """

    def __init__(self, ids: Iterable[str]) -> None:
        self._by_key: dict[str, list[str]] = {}
        self._by_number: dict[int, list[str]] = {}
        for product_id in dict.fromkeys(ids):
            self._by_key.setdefault(name_key(product_id), []).append(product_id)
            if (number := _number(product_id)) is not None:
                self._by_number.setdefault(number, []).append(product_id)

    def by_folders(self, path: PurePath) -> Owner:
        """Return the listing that one of the folders is named after.

        Parameters
        ----------
        path
            Relative to the folder of photos.

        Raises
        ------
        UnusablePhoto
            If no folder has the id of a listing, or several do.
        """
        folders = path.parent.parts
        owners = [self._only(folder) for folder in folders if self._ids(folder)]
        if not folders:
            raise UnusablePhoto("in no listing's folder")
        if not owners:
            raise UnusablePhoto("no listing has the name of its folder")
        if len(set(owners)) > 1:
            raise UnusablePhoto(f"its folders name several listings ({', '.join(owners)})")
        return Owner(owners[0])

    def by_name(self, path: PurePath) -> Owner:
        """Return the listing whose id is the file's name, or the longest beginning of it.

        The id must end before a character that is no letter or digit: 12_1.jpg and "12 (3).jpg"
        belong to 12, but 123.jpg does not.

        Parameters
        ----------
        path
            The file.

        Raises
        ------
        UnusablePhoto
            If no listing fits, or several that differ in letter case.
        """
        stem = composed_name(path.stem)
        ends = [end for end in range(len(stem) - 1, 0, -1) if not stem[end].isalnum()]
        beginnings = [stem, *(stem[:end] for end in ends)]
        known = [beginning for beginning in beginnings if self._ids(beginning)]
        if not known:
            raise UnusablePhoto("no listing has an id that its name begins with")
        longest, *others = known
        return Owner(
            self._only(longest),
            tuple(self._ids(other)[0] for other in others),
        )

    def _ids(self, name: str) -> list[str]:
        """Return the ids that a name means: in any letter case, or with other leading zeros.

        Spreadsheets drop the zeros of 00123, and with them the names of photos may differ.
        """
        ids = self._by_key.get(name_key(name), [])
        number = None if ids else _number(name)
        return ids if number is None else self._by_number.get(number, [])

    def _only(self, name: str) -> str:
        """Return the id with exactly this name, or else the only one that the name means."""
        ids = self._ids(name)
        if len(ids) > 1 and name not in ids:
            raise UnusablePhoto(f"its name fits several listings ({', '.join(ids[:MAX_NAMED])})")
        return name if name in ids else ids[0]


def _number(name: str) -> int | None:
    """Return the number that an id of at most 18 digits is; None if it is none."""
    return int(name) if name.isascii() and name.isdecimal() and len(name) <= 18 else None
