"""Cleaning of a raw folder: typed tables, packed photos, and a reject for everything else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from market.core import paths
from market.core.atomic import replace_when_done
from market.core.errors import MarketError
from market.core.settings import Clean, Input
from market.data.attributes import ATTRIBUTE_TYPES, Details, clean_details
from market.data.catalogue_changes import THROUGH, CatalogueChanges
from market.data.cleaning_messages import check_prices, html_messages
from market.data.dates import order_messages
from market.data.frequent_searches import frequent_searches, write_frequent_searches
from market.data.ids import ID_RULES
from market.data.interactions import read_times
from market.data.listing_faults import listing_faults
from market.data.listings import clean_products, html_counts
from market.data.log_cleaning import (
    CleanLog,
    LogCleaner,
    ProductIds,
    interaction_messages,
    interaction_metrics,
)
from market.data.merged_changes import (
    DELETED,
    mark_deleted,
    merge_images,
    merge_listings,
    name_live_rows,
)
from market.data.photo_files import RawImages, read_images
from market.data.photo_store import pack_photos
from market.data.pulled_logs import PulledLogs
from market.data.raw_folder import RawFolder
from market.data.rejects import (
    NO_FILE,
    check_nothing_lost,
    check_rejected_share,
    reason_kind,
    reject_files,
)
from market.data.schemas import check_rows, products_schema
from market.data.searches import no_searches, write_searches
from market.data.squares import square_photos
from market.data.tables import RawTable


class Cleaned(NamedTuple):
    """The result of cleaning a folder, beside the files that it wrote."""

    metrics: dict[str, Any]
    messages: list[str]  # a line for each thing in the folder that was not read


@dataclass(frozen=True)
class _Table:
    """A raw table, and its rows that are kept or rejected."""

    raw: RawTable
    kept: pd.DataFrame
    rejects: pd.DataFrame


@dataclass(frozen=True)
class _Photos:
    """The packed photos, a row for each with facts about its file."""

    table: pd.DataFrame
    created_faults: pd.Series  # why a create_time was not read; "" if it was, or is empty


class Cleaner:
    """Cleans a raw folder.

    Every product, row and file is in an output or among the rejects, and none is in both.

    Parameters
    ----------
    raw
        The raw folder.
    settings
        Sizes, limits, and the largest share of a table that one reason may reject.
    input_settings
        How the raw folder is written.
    changes
        Changes of the live catalogue, by default none.
    pulled
        Searches and events of the service, by default none.
    """

    def __init__(
        self,
        raw: Path,
        settings: Clean,
        input_settings: Input,
        changes: CatalogueChanges | None = None,
        pulled: PulledLogs | None = None,
    ) -> None:
        self.changes = changes or CatalogueChanges.none()
        self.pulled = pulled or PulledLogs.none()
        self.folder = RawFolder(raw, input_settings)
        self.settings = settings
        self._rejects: list[pd.DataFrame] = []
        self._details = Details(pd.DataFrame(), {}, {}, [])
        self._html: dict[str, int] = {}  # the number of texts with HTML, by the file's column

    def run(self, out: Path) -> Cleaned:
        """Write the tables products, images, interactions and searches, photos/ and rejects.csv.

        Parameters
        ----------
        out
            An existing folder.

        Raises
        ------
        MarketError
            If the folder cannot be read, a fault concerns a table as a whole, or one reason rejects
            too many of its rows. `save_rejects` then has the rejects up to there.
        """
        # In this order: the photos and events of a rejected product are rejected too, which would
        # look like faults of their own.
        products = self._clean_products()
        images = self._match_images(products)
        log, searches = self._clean_logs(products)
        photos = self._pack_photos(images, out)
        products.kept.to_parquet(out / paths.PRODUCTS.name, index=False)
        photos.table.to_parquet(out / paths.IMAGES.name, index=False)
        log.kept.to_parquet(out / paths.INTERACTIONS.name, index=False)
        self._write_searches(searches.kept if searches else no_searches(), out)
        rejects = self.rejects()
        rejects.to_csv(out / paths.REJECTS.name, index=False, lineterminator="\n")
        return self._report(products, images, photos, log, searches)

    def rejects(self) -> pd.DataFrame:
        """Return the rejects known so far (`rejects.REJECT_COLUMNS`)."""
        return pd.concat(self._rejects or [reject_files([], [])], ignore_index=True)

    def save_rejects(self, path: Path) -> str:
        """Write the rejects of a run that ended in an error; return a clause that names the file.

        The clause is empty if there are none, or if they cannot be written.
        """
        rejects = self.rejects()
        if rejects.empty:
            return ""
        try:
            with replace_when_done(path) as temporary:
                rejects.to_csv(temporary, index=False, lineterminator="\n")
        except (MarketError, OSError):  # such as the full disk that ended the run
            return ""
        return f"; all rejects so far are in {path}"

    def clean_listings(
        self, frame: pd.DataFrame | None = None
    ) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
        """Clean the table of listings alone, and write nothing.

        Parameters
        ----------
        frame
            The table, if it is not to be read from the raw folder.

        Returns
        -------
        listings, rejects, messages
            Typed listings, as `run` writes them to products.parquet; the rejects
            (`rejects.REJECT_COLUMNS`); and a line for each column or value that was not read.

        Raises
        ------
        MarketError
            As `run` does.
        """
        products = self._clean_products(frame)
        messages = [
            *products.raw.unread_messages(),
            *html_messages(products.raw.path, self._html),
            *self._details.messages,
        ]
        return products.kept, products.rejects, messages

    def photo_files(self) -> dict[str, Path]:
        """Return the file of each photo that has a listing, by image_id, and write nothing.

        Raises
        ------
        MarketError
            As `run` does.
        """
        usable = self._match_images(self._clean_products()).usable
        return dict(zip(usable["id"], usable["path"], strict=True))

    def _clean_products(self, frame: pd.DataFrame | None = None) -> _Table:
        table = merge_listings(self.folder.listings(labelled=True, frame=frame), self.changes)
        schema = products_schema(labelled=True, id_rules=ID_RULES)
        faults = mark_deleted(table, listing_faults(table, self.folder.settings), self.changes)
        rows, rejects = check_rows(table, schema, faults)
        self._rejects.append(name_live_rows(rejects, table, self.changes))
        # Users deleted these on purpose, however many they are.
        self._check_share(table, rejects[rejects["reason"].ne(DELETED)], required=True)
        products = clean_products(
            rows,
            placeholder_above=self.settings.placeholder_above,
            settings=self.folder.settings,
        )
        self._html = {table.own_name(name): count for name, count in html_counts(rows).items()}
        check_prices(products, table.path, self.settings.placeholder_above)
        self._details = clean_details(
            table, rows, self.folder.settings, max_share=self.settings.max_rejected_share
        )
        products = products.join(self._details.columns)
        if self._details.attributes:
            products.attrs[ATTRIBUTE_TYPES] = self._details.attributes  # saved in the parquet file
        if self.changes.through:
            products.attrs[THROUGH] = self.changes.through
        check_nothing_lost(table.path, len(table.read), len(products), len(rejects))
        return _Table(table, products, rejects)

    def _match_images(self, products: _Table) -> RawImages:
        rejected_rows = products.rejects["record"].to_numpy(dtype=int) - 1
        kept = ~products.raw.read.index.isin(rejected_rows)
        images = merge_images(
            read_images(self.folder, products.raw, kept),
            products.kept["product_id"],
            pd.Series(_rejected_ids(products), dtype="str"),
            self.changes,
        )
        self._rejects.append(images.rejects)
        images.check_share(images.rejected_of_total, self.settings.max_rejected_share)
        return images

    def _clean_logs(self, products: _Table) -> tuple[CleanLog, CleanLog | None]:
        """Return the log of interactions, and that of searches if there is one."""
        ids = ProductIds(
            products.raw.path.name,
            products.kept["product_id"],
            pd.Series(_rejected_ids(products), dtype="str"),
        )
        cleaner = LogCleaner(self.folder, ids, self.changes, self.pulled)
        log = cleaner.clean_interactions()
        if cleaner.has_events:
            self._add_rejects(log.raw, log.rejects, required=True)
        searches = cleaner.clean_searches()
        if searches is not None:
            self._add_rejects(searches.raw, searches.rejects, required=False)
        return log, searches

    def _write_searches(self, searches: pd.DataFrame, out: Path) -> None:
        write_searches(searches, out / paths.SEARCHES.name)
        country = self.folder.settings.country
        frequent = frequent_searches(searches, self.settings.min_search_users, country)
        write_frequent_searches(frequent, out / paths.FREQUENT_SEARCHES.name)

    def _pack_photos(self, images: RawImages, out: Path) -> _Photos:
        files, ids = images.usable["path"].tolist(), images.usable["id"].tolist()
        facts: list[tuple] = []
        unusable: dict[int, str] = {}

        def usable() -> Iterator[tuple[str, bytes, np.ndarray]]:
            for row, square in enumerate(square_photos(files, self.settings)):
                if isinstance(square, str):
                    unusable[row] = square
                else:
                    facts.append((row, *square[2:]))
                    yield ids[row], square.encoded, square.array

        folder = out / paths.PHOTOS.name
        packed = pack_photos(usable(), folder, array_size=self.settings.array_size)
        rows = images.usable.iloc[list(unusable)]
        rejects = images.reject_photos(rows, list(unusable.values()))
        self._rejects.append(rejects)
        images.check_share(rejects, self.settings.max_rejected_share)
        check_nothing_lost(images.source.path, len(files), packed, len(unusable))
        details = pd.DataFrame(facts, columns=["row", "pixel_hash", "width", "height", "format"])
        rows = images.usable.loc[details["row"]].reset_index(drop=True)
        absent = pd.Series(pd.NA, index=rows.index, dtype="str")
        country = self.folder.settings.country
        created, created_faults = read_times(rows.get("create_time", absent), country)
        table = pd.DataFrame(
            {
                "image_id": rows["id"],
                "product_id": rows["product_id"],
                "created": created.dt.as_unit("s"),
                **details.drop(columns="row"),
            }
        )
        return _Photos(table, created_faults)

    def _add_rejects(self, table: RawTable, rejects: pd.DataFrame, *, required: bool) -> None:
        """Note rejects, then raise MarketError if one reason has too many."""
        self._rejects.append(rejects)
        self._check_share(table, rejects, required=required)

    def _check_share(self, table: RawTable, rejects: pd.DataFrame, *, required: bool) -> None:
        max_share = self.settings.max_rejected_share
        check_rejected_share(table, rejects, max_share=max_share, required=required)

    def _report(
        self,
        products: _Table,
        images: RawImages,
        photos: _Photos,
        log: CleanLog,
        searches: CleanLog | None,
    ) -> Cleaned:
        rejects = self.rejects()
        tables = [products.raw, images.table, log.raw, *([searches.raw] if searches else [])]
        messages = [line for table in tables for line in table.unread_messages()]
        messages += images.messages
        messages += html_messages(products.raw.path, self._html)
        ignored = {table.path.name: columns for table in tables if (columns := table.unread())}
        messages += self._details.messages
        unread_times = _counts(photos.created_faults[photos.created_faults.ne("")])
        messages += [
            f"{images.table.path}: {images.table.own_name('create_time')} of {count} photos "
            f"{fault}: left empty"
            for fault, count in unread_times.items()
        ]
        country = self.folder.settings.country
        messages += order_messages(images.table, "create_time", country)
        messages += interaction_messages(log, country)
        messages += searches.messages("searches", country) if searches else []
        metrics = {
            "products": _product_metrics(products, photos),
            "photos": _photo_metrics(images, photos, rejects, unread_times),
            "interactions": interaction_metrics(log, searches),
            **({"searches": searches.metrics()} if searches else {}),
            **({"attributes": self._details.metrics} if self._details.metrics else {}),
            **({"texts_with_html": self._html} if self._html else {}),
            "ignored_columns": ignored,
            "rejected": dict(Counter(reason_kind(reason) for reason in rejects["reason"])),
        }
        return Cleaned(metrics, messages)


def _rejected_ids(products: _Table) -> list[str]:
    return products.rejects["id"].dropna().tolist()


def _product_metrics(products: _Table, photos: _Photos) -> dict[str, Any]:
    with_photo = products.kept["product_id"].isin(photos.table["product_id"])
    return {
        "read": len(products.raw.read),
        "kept": len(products.kept),
        "rejected": len(products.rejects),
        "missing_values": {
            column: int(count) for column, count in products.raw.read.isna().sum().items()
        },
        "placeholder_prices": int(products.kept["price_is_placeholder"].sum()),
        "without_photo": int((~with_photo).sum()),
    }


def _photo_metrics(
    images: RawImages, photos: _Photos, rejects: pd.DataFrame, unread_times: dict[str, int]
) -> dict[str, Any]:
    rejected_rows = len(images.rejected_rows)
    no_time = photos.table["created"].isna() & photos.created_faults.eq("")
    return {
        "files": images.files,
        "rows": len(images.usable) + rejected_rows,
        "kept": len(photos.table),
        "rejected_files": int(rejects["record"].isna().sum()),
        "rejected_rows": rejected_rows,
        "rows_without_file": int(rejects["reason"].str.startswith(NO_FILE).sum()),
        "missing_create_times": int(no_time.sum()),
        "unread_create_times": unread_times,
    }


def _counts(values: pd.Series) -> dict[str, int]:
    return {str(value): int(count) for value, count in values.value_counts().items()}
