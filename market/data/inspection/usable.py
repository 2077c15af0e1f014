"""How much of an export can be used, by the checks of stage clean, and why the rest cannot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from market.core.errors import MarketError
from market.core.settings import Clean, Input
from market.data.attributes import clean_details
from market.data.cleaning_messages import html_messages
from market.data.ids import ID_RULES
from market.data.images import decode_limits, decode_photo
from market.data.inspection.finding import percent
from market.data.inspection.table_files import TableFile
from market.data.inspection.tables import Tables
from market.data.interactions import sort_interactions
from market.data.listing_faults import listing_faults
from market.data.listings import html_counts
from market.data.money import Money
from market.data.photo_files import read_images
from market.data.photo_formats import UnusablePhoto
from market.data.raw_folder import RawFolder
from market.data.rejects import NOT_FETCHED, reason_kind
from market.data.schemas import check_rows, products_schema
from market.data.tables import RawTable
from market.data.typed_tables import CellStyle

MAX_DECODED = 60  # photos that are opened
MAX_PLACEHOLDERS = 0.05  # share of prices above clean.placeholder_above


@dataclass(frozen=True)
class Count:
    """How many rows or photos are usable.

    Attributes
    ----------
    usable, total
        Their numbers.
    reasons
        The number of rejects by reason, the commonest first.
    is_whole
        Whether all rows of the file were counted, not only the first.
    """

    usable: int
    total: int
    reasons: dict[str, int] = field(default_factory=dict)
    is_whole: bool = True


@dataclass(frozen=True)
class Usable:
    """What can be used of an export."""

    listings: Count | None = None
    photos: Count | None = None
    listings_with_photo: int = 0
    decoded: Count | None = None  # of a sample of the usable photos
    events: Count | None = None
    problems: tuple[str, ...] = ()  # that would stop stage clean
    notes: tuple[str, ...] = ()


class _Excerpts(RawFolder):
    """A raw folder whose tables were read already, of large ones the first rows."""

    def __init__(self, tables: Tables, settings: Input) -> None:
        super().__init__(tables.products.file.path.parent, settings)
        self._files: dict[str, TableFile] = {"products": tables.products.file}
        if tables.images is not None:
            self._files["images"] = tables.images.file
        if tables.interactions is not None:
            self._files["interactions"] = tables.interactions.file

    def _read(self, key: str, styles: Mapping[str, CellStyle] | None = None) -> pd.DataFrame:
        return self._files[key].parse(
            encoding=self.settings.encoding, separator=self.settings.separator, styles=styles
        )


def count_usable(tables: Tables, settings: Input, clean: Clean) -> Usable:
    """Count what stage clean would keep with these settings.

    Parameters
    ----------
    tables
        The tables of the export.
    settings
        The proposed section.
    clean
        The limits of photos and of rejects.
    """
    folder = _Excerpts(tables, settings)
    try:
        listings = folder.listings(labelled=True)
        schema = products_schema(labelled=True, id_rules=ID_RULES)
        rows, rejects = check_rows(listings, schema, listing_faults(listings, settings))
    except MarketError as error:
        return Usable(problems=(str(error),))
    html = {listings.own_name(name): texts for name, texts in html_counts(rows).items()}
    problems: list[str] = []
    notes = html_messages(listings.path, html)
    count = _count(len(rows), len(listings.read), rejects, tables.products.file.is_whole)
    problems += _too_many(count, "listings", clean.max_rejected_share)
    try:
        notes += clean_details(
            listings, rows, settings, max_share=clean.max_rejected_share
        ).messages
    except MarketError as error:
        problems.append(str(error))
    notes += _placeholder_note(rows, settings, clean)
    kept = listings.read.index.isin(rows.index)
    photos, with_photo, decoded, events = None, 0, None, None
    try:
        photos, with_photo, decoded = _count_photos(folder, listings, kept, tables, clean)
        events = _count_events(folder, rows["id"], tables)
    except MarketError as error:
        problems.append(str(error))
    for name, part in (("photos", photos), ("events", events)):
        problems += _too_many(part, name, clean.max_rejected_share) if part else []
    return Usable(count, photos, with_photo, decoded, events, tuple(problems), tuple(notes))


def _count(usable: int, total: int, rejects: pd.DataFrame, is_whole: bool) -> Count:
    reasons = Counter(reason_kind(reason) for reason in rejects["reason"])
    return Count(usable, total, dict(reasons.most_common()), is_whole)


def _too_many(count: Count, what: str, max_share: float) -> list[str]:
    """Return a line if one reason rejects more than stage clean allows."""
    if not count.total:
        return []
    reason, rejected = next(iter(count.reasons.items()), ("", 0))
    if reason == NOT_FETCHED:  # there is a command for it
        return []
    if rejected <= max_share * count.total and (count.usable or what != "listings"):
        return []
    return [f"{rejected} of {count.total} {what} are rejected: {reason}"]


def _count_photos(
    folder: RawFolder, listings: RawTable, kept: np.ndarray, tables: Tables, clean: Clean
) -> tuple[Count | None, int, Count | None]:
    """Return the usable photos, the listings with one, and a sample of photos that was opened."""
    settings = folder.settings
    if settings.photos == "table" and not settings.images:
        return None, 0, None
    images = read_images(folder, listings, kept, partial=True)
    is_whole = tables.products.file.is_whole
    if tables.images is not None:
        is_whole = is_whole and tables.images.file.is_whole
    total = len(images.usable) + len(images.rejects)
    photos = _count(len(images.usable), total, images.rejects, is_whole)
    paths = images.usable["path"].tolist()
    step = -(-len(paths) // MAX_DECODED) or 1
    reasons: Counter[str] = Counter()
    for path in paths[::step]:
        try:
            decode_photo(path, **decode_limits(clean))
        except UnusablePhoto as reason:
            reasons[reason_kind(str(reason))] += 1
    tried = len(paths[::step])
    decoded = Count(tried - sum(reasons.values()), tried, dict(reasons.most_common()))
    return photos, images.usable["product_id"].nunique(), decoded


def _count_events(folder: RawFolder, ids: pd.Series, tables: Tables) -> Count | None:
    if tables.interactions is None:
        return None
    log = folder.interactions()
    is_whole = tables.interactions.file.is_whole
    # Of the first listings only, most events would be of unknown ones.
    known = ids if tables.products.file.is_whole else None
    rows, rejects = sort_interactions(
        log,
        known,
        products_file=folder.products_path.name,
        id_rules=ID_RULES,
        country=folder.settings.country,
    )
    return _count(len(rows), len(log.read), rejects, is_whole)


def _placeholder_note(rows: pd.DataFrame, settings: Input, clean: Clean) -> list[str]:
    if "price" not in rows:
        return []
    prices = Money.of(settings).parse(rows["price"]).dropna()
    above = float(prices.gt(clean.placeholder_above).mean()) if len(prices) else 0.0
    if above <= MAX_PLACEHOLDERS:
        return []
    enough = 10 ** int(np.ceil(np.log10(prices.quantile(0.99))))
    return [
        f"{percent(above)} of prices are above clean.placeholder_above "
        f"({clean.placeholder_above:g}): raise it, for example to {enough}"
    ]
