"""A raw folder as params.yaml describes it: its tables, under the names of this project."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from market.core.errors import MarketError
from market.core.settings import IMAGE_FIELDS, Input
from market.data.described_export import check_described
from market.data.erasures import Erasures
from market.data.interactions import OPTIONAL_COLUMNS, log_columns
from market.data.search_cleaning import ALIASES, LISTS, join_filters, search_columns
from market.data.tables import RawTable, is_table_name, read_table
from market.data.typed_tables import CellStyle, frame_to_strings

# Fields of `input.columns` whose column has another name in the original marketplace.
LISTING_COLUMNS = {"name": "product_name", "description": "product_description"}
ERASED_USERS = "erased_users.json"  # the file in a raw folder that market.pull_logs writes
PHOTO = "photo_"  # begins the names of the columns under input.photo_columns
ATTRIBUTE = "attribute_"  # begins the names of the columns under input.attributes


class RawFolder:
    """A raw folder: listings, photos of listings, and a log of interactions.

    Parameters
    ----------
    path
        The folder.
    settings
        How its tables are written.
    """

    def __init__(self, path: Path, settings: Input) -> None:
        self.path = path
        self.settings = settings

    @property
    def products_path(self) -> Path:
        """The table of listings."""
        return self.path / self.settings.products

    @property
    def images_path(self) -> Path:
        """The table of photos."""
        return self.path / self.settings.images

    @property
    def log_path(self) -> Path:
        """The log of interactions, which need not exist."""
        return self.path / self.settings.interactions

    @property
    def has_log(self) -> bool:
        """Whether there is a log of interactions."""
        return bool(self.settings.interactions) and self.log_path.exists()

    @property
    def searches_path(self) -> Path:
        """The log of searches, which need not exist: the named file, or one in another format.

        Raises
        ------
        MarketError
            If the named file does not exist, but several in other formats do.
        """
        path = self.path / self.settings.searches
        others = [] if path.exists() else _other_formats(path)
        if len(others) > 1:
            names = " and ".join(other.name for other in others)
            raise MarketError(
                f"{self.path} has {names}: set input.searches to the one that is the log of "
                "searches, or remove the other"
            )
        return others[0] if others else path

    @property
    def has_searches(self) -> bool:
        """Whether there is a log of searches."""
        return bool(self.settings.searches) and self.searches_path.exists()

    def erasures(self) -> Erasures:
        """Return the users whose data `market.pull_logs` knows to be erased.

        Raises
        ------
        MarketError
            The file is damaged.
        """
        path = self.path / ERASED_USERS
        try:
            return Erasures.load(path)
        except (OSError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())[:100]
            raise MarketError(
                f"{path} is damaged ({reason}): remove it and run `python -m market.pull_logs`"
            ) from None

    def listings(self, *, labelled: bool, frame: pd.DataFrame | None = None) -> RawTable:
        """Read the table of listings.

        Parameters
        ----------
        labelled
            True for training: every column under input.columns must exist. False for new listings:
            only the id must exist.
        frame
            The table, if it is not to be read from the file.

        Returns
        -------
        RawTable
            With the columns id, product_name, product_description, category, price, location,
            latitude, longitude, created, status, seller_id, `attribute_<column>` and
            `photo_<column>`, if the settings name them and the file has them.

        Raises
        ------
        MarketError
            If the table cannot be read, or a column is absent.
        """
        settings = self.settings
        wanted = {
            LISTING_COLUMNS.get(name, name): column
            for name, column in settings.columns.items()
            if column is not None
        }
        wanted |= {f"{ATTRIBUTE}{name}": name for name in settings.attributes}
        if settings.photos == "column":
            wanted |= {f"{PHOTO}{name}": name for name in settings.photo_columns}
        numbers = {f"{ATTRIBUTE}{name}" for name, kind in settings.attributes.items()
                   if kind == "number"} | {"price"}  # fmt: skip
        between: dict[str, str | None] = {"category": settings.category_separator}
        between |= {f"{PHOTO}{name}": None for name in settings.photo_columns}
        styles = {
            column: CellStyle(settings.decimal if name in numbers else ".", between.get(name, ", "))
            for name, column in wanted.items()
        }
        if frame is None:
            read = self._read("products", styles)
        else:
            read = frame_to_strings(frame, self.products_path, styles)
        table = RawTable.select(self.products_path, read, wanted)
        fields = {LISTING_COLUMNS.get(name, name): name for name in settings.columns}
        required = {name: field for name, field in fields.items() if name in wanted}
        table.require("input.columns", required if labelled else {"id": "id"})
        missing = [name for name in settings.attributes if f"{ATTRIBUTE}{name}" in table.absent]
        if labelled and missing:
            raise MarketError(
                f"{table.path}: no column {', '.join(map(repr, missing))}: remove it from "
                "input.attributes in params.yaml, or correct its name"
            )
        return table

    def images(self) -> RawTable:
        """Read the table of photos: id, product_id and, if it has them, image_ref and create_time.

        Raises
        ------
        MarketError
            If the table cannot be read, or has no id or product_id.
        """
        settings = self.settings
        columns = {name: settings.image_columns.get(name, name) for name in IMAGE_FIELDS}
        wanted = {name: column for name, column in columns.items() if column is not None}
        table = RawTable.select(self.images_path, self._read("images"), wanted)
        required = [
            name for name in ("id", "product_id", *settings.image_columns) if name in wanted
        ]
        table.require("input.image_columns", {name: name for name in required})
        return table

    def interactions(self) -> RawTable:
        """Read the log: user_id, product_id, timestamp and, if it has them, the other columns.

        These are event and `interactions.OPTIONAL_COLUMNS`.

        Columns may also have a name of MovieLens (`interactions.ALIASES`). Events are renamed by
        input.events.

        Raises
        ------
        MarketError
            If the table cannot be read, or has no user_id, product_id or timestamp.
        """
        settings = self.settings
        read = self._read("interactions")
        optional = {name: name for name in OPTIONAL_COLUMNS if name in read}
        columns = {**log_columns(read.columns), **optional, **settings.event_columns}
        wanted = {name: column for name, column in columns.items() if column is not None}
        event = wanted.get("event")
        if settings.events and event is not None and event in read:
            read = read.assign(**{event: read[event].replace(settings.events)})
        table = RawTable.select(self.log_path, read, wanted)
        required = [name for name in ("user_id", "product_id", "timestamp", *settings.event_columns)
                    if name in wanted]  # fmt: skip
        table.require("input.event_columns", {name: name for name in required})
        return table

    def searches(self) -> RawTable:
        """Read the log of searches: the columns of `searches.SEARCH_COLUMNS` that it has.

        Columns may also have one of the names in `search_cleaning.ALIASES`.

        Raises
        ------
        MarketError
            If the table cannot be read, or has no search_id, timestamp or product_ids.
        """
        path, own = self.searches_path, self.settings.search_columns
        lists = {*LISTS, *ALIASES, *(own[name] or "" for name in LISTS if name in own)}
        read = join_filters(
            read_table(
                path,
                encoding=self.settings.encoding,
                separator=self.settings.separator,
                styles=dict.fromkeys(lists, CellStyle(between=None)),
            ),
            own.get("filters") or "filters",
        )
        columns = {**search_columns(read.columns), **own}
        wanted = {name: column for name, column in columns.items() if column is not None}
        table = RawTable.select(path, read, wanted)
        required = [name for name in ("search_id", "timestamp", "product_ids", *own)
                    if name in wanted]  # fmt: skip
        table.require("input.search_columns", {name: name for name in required})
        return table

    def _read(self, key: str, styles: Mapping[str, CellStyle] | None = None) -> pd.DataFrame:
        path = self.path / getattr(self.settings, key)
        if not path.exists():
            check_described(self.path, self.settings)
            _check_other_format(path, key)
        return read_table(
            path,
            encoding=self.settings.encoding,
            separator=self.settings.separator,
            styles=styles,
        )


def _check_other_format(path: Path, key: str) -> None:
    """Raise MarketError if the folder has the table in another format than the settings say."""
    for other in _other_formats(path):
        raise MarketError(
            f"{path} does not exist, but {other.name!r} does: set input.{key} to {other.name}"
        )


def _other_formats(path: Path) -> list[Path]:
    """Return the files beside a table that have its name, in any letter case, but another format.

    They are sorted.
    """
    stem = path.name.partition(".")[0].lower()
    return [
        other
        for other in (sorted(path.parent.iterdir()) if path.parent.is_dir() else ())
        if other.name.partition(".")[0].lower() == stem
        and other.name.lower() != path.name.lower()
        and is_table_name(other.name)
    ]
