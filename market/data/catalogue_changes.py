"""The artefact data/changes: the live catalogue's changes of listings, and its users' events.

Stage fold writes it, and stage clean lays it over the raw tables, which stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from market.core.atomic import replace_when_done, write_json
from market.core.errors import MarketError
from market.data.erasures import NO_ERASURES, Erasures
from market.data.interactions import COLUMNS

FOLDED = "~"  # begins the image_id of a photo from the live catalogue
KEEPS_RAW_PHOTOS = "keeps_raw_photos"
THROUGH = "changes_through"  # key of `DataFrame.attrs`: number of the last change among listings
LISTINGS = "listings.parquet"
PHOTO_COLUMNS = ["product_id", "image_id", "sha256"]


@dataclass(frozen=True, eq=False)
class CatalogueChanges:
    """The latest state of every listing that was changed over the API.

    Attributes
    ----------
    through
        Number of the last change; 0 for none.
    listings
        A row for each changed listing that is not deleted, sorted by id: `id` and the other columns
        of a raw table, as strings under the names that the code knows, and KEEPS_RAW_PHOTOS:
        whether the listing's photos in the raw folder stay.
    removed
        The ids of deleted listings.
    photos
        PHOTO_COLUMNS of each photo of a changed listing, sorted by image_id.
    events
        COLUMNS of the service's events, as strings, in the order of storage; search_id and
        dwell_seconds too, if an event has them.
    folder
        The folder of the files of `photos`; None without any.
    erasures
        The users whose data was erased.
    """

    through: int
    listings: pd.DataFrame
    removed: frozenset[str]
    photos: pd.DataFrame
    events: pd.DataFrame
    folder: Path | None = None
    erasures: Erasures = NO_ERASURES

    @classmethod
    def none(cls) -> CatalogueChanges:
        """Return no changes."""
        return cls(
            0,
            pd.DataFrame({"id": pd.Series(dtype="str"), KEEPS_RAW_PHOTOS: pd.Series(dtype=bool)}),
            frozenset(),
            pd.DataFrame({name: pd.Series(dtype="str") for name in PHOTO_COLUMNS}),
            pd.DataFrame({name: pd.Series(dtype="str") for name in COLUMNS}),
        )

    @property
    def is_empty(self) -> bool:
        """Whether there are neither changes nor events."""
        return self.through == 0 and self.events.empty

    def photo_file(self, sha256: str) -> Path:
        """Return the file of a photo."""
        assert self.folder is not None
        return self.folder / "photos" / f"{sha256}.jpg"

    def save(self, folder: Path, read_photo: Callable[[str], bytes]) -> None:
        """Write the changes, replacing `folder` once all is written. Equal changes, equal bytes.

        Parameters
        ----------
        folder
            The folder.
        read_photo
            Returns the file of a photo by its SHA-256.
        """
        with replace_when_done(folder) as partial:
            (partial / "photos").mkdir(parents=True)
            for sha256 in sorted({*self.photos["sha256"]}):
                (partial / "photos" / f"{sha256}.jpg").write_bytes(read_photo(sha256))
            if not self.is_empty:
                self.listings.to_parquet(partial / LISTINGS, index=False)
                self.photos.to_parquet(partial / "photos.parquet", index=False)
                self.events.to_parquet(partial / "events.parquet", index=False)
            content = {"through": self.through, "removed": sorted(self.removed),
                       "tables": not self.is_empty}  # fmt: skip
            write_json(partial / "changes.json", content)
            if self.erasures.times:
                self.erasures.save(partial / "erased.json")

    @classmethod
    def load(cls, folder: Path) -> CatalogueChanges:
        """Open the changes that `save` wrote; a folder that does not exist holds none.

        Raises
        ------
        MarketError
            The folder is damaged.
        """
        if not folder.exists():
            return cls.none()
        try:
            content = json.loads((folder / "changes.json").read_text(encoding="utf-8"))
            erasures = Erasures.load(folder / "erased.json")
            if not content["tables"]:
                return replace(cls.none(), erasures=erasures)
            return cls(
                content["through"],
                pd.read_parquet(folder / LISTINGS),
                frozenset(content["removed"]),
                pd.read_parquet(folder / "photos.parquet"),
                pd.read_parquet(folder / "events.parquet"),
                folder,
                erasures,
            )
        except (OSError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())[:100]
            raise MarketError(
                f"{folder} is damaged ({reason}): run `dvc repro -f -s fold`"
            ) from None
