"""The photos of a raw folder: each file and each reference to one is usable or rejected.

Photos belong to listings in one of four ways (`input.photos`): a table of photos, a column of the
listings, a folder for each listing, or file names that begin with the listing's id.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from market.core.settings import Input
from market.data.photo_folder import PhotoFolder, absence, natural_key
from market.data.photo_formats import UnusablePhoto
from market.data.photo_owners import OwnerFinder
from market.data.photo_references import listing_references
from market.data.raw_folder import RawFolder
from market.data.rejects import (
    NOT_FETCHED,
    PRODUCT_REJECTED,
    check_nothing_lost,
    check_rejected_share,
    reject_files,
    reject_rows,
    unknown_product_reasons,
)
from market.data.schemas import IMAGES_SCHEMA, check_rows
from market.data.tables import RawTable, not_found_message

ID = "number of the photo"  # the column of ids that a table of photos does not have
REPEATED = "its file is an earlier photo of the listing"
TAKEN = "another file has this id"


class RawImages(NamedTuple):
    """The photos of a raw folder: every reference and file is either usable or rejected."""

    usable: pd.DataFrame  # id, product_id, path, and the columns of the table; sorted by id
    rejects: pd.DataFrame  # references and files, as REJECT_COLUMNS
    files: int  # number of photo files
    table: RawTable  # the table of photos as it was read; without rows if there is none
    source: RawTable  # the table whose rows name photos; its path is the folder if none does
    total: int  # number of references to photos, or of files if nothing names them
    unit: str  # "rows", "photos" or "files": how `total` is counted
    raw: Path  # the raw folder
    messages: list[str]  # a line for each thing that was not read, or is ambiguous

    @property
    def rejected_rows(self) -> pd.DataFrame:
        """Return the rejects of references, each with its row."""
        return self.rejects[self.rejects["record"].notna()]

    @property
    def rejected_of_total(self) -> pd.DataFrame:
        """Return the rejects among what `total` counts."""
        return self.rejects if self.unit == "files" else self.rejected_rows

    def reject_photos(self, rows: pd.DataFrame, reasons: list[str]) -> pd.DataFrame:
        """Return the rejects (REJECT_COLUMNS) of photos that cannot be decoded.

        Parameters
        ----------
        rows
            Some rows (n) of `usable`.
        reasons
            (n,) why each is unusable.
        """
        return reject_files(rows["path"].tolist(), reasons, self.raw, rows["id"].tolist())

    def check_share(self, rejects: pd.DataFrame, max_share: float) -> None:
        """Raise MarketError if one reason rejects too many of the photos.

        Parameters
        ----------
        rejects
            Rejects of references, or of photos.
        max_share
            The share of `total` that one reason may reject.
        """
        check_rejected_share(
            self.source,
            rejects,
            max_share=max_share,
            required=False,
            count=self.total,
            unit=self.unit,
        )


def read_images(
    folder: RawFolder, listings: RawTable, kept: np.ndarray, *, partial: bool = False
) -> RawImages:
    """Find the photos of listings.

    Parameters
    ----------
    folder
        The raw folder.
    listings
        The table of listings, n rows.
    kept
        (n,) bool, the rows that are kept. The photos of other rows are rejected.
    partial
        Whether the table and the folder of photos may be absent, which then counts as empty.

    Returns
    -------
    RawImages
        The photos are sorted by id, so that the order of rows and files changes no result. A
        listing's photos keep their order: the first is its cover.

    Raises
    ------
    MarketError
        If the table, a column or the folder of photos is absent or cannot be read.
    """
    settings = folder.settings
    if settings.photos == "table" and not settings.images:
        return _no_images(folder)
    # All photos of a table or a column may have to be fetched from the web first.
    optional = settings.photos == "column" or names_files_by_reference(settings)
    photos = PhotoFolder(folder.path, settings.photo_folder, partial=partial or optional)
    if settings.photos == "table":
        images = _by_table(folder, photos, listings, kept, partial)
    elif settings.photos == "column":
        images = _by_column(folder, photos, listings, kept, partial)
    else:
        images = _by_owner(folder, photos, listings, kept)
    if partial and not photos.exists:
        images.messages.append(f"{absence(photos.path)}: no photo is read")
    if unfetched := int(images.rejects["reason"].str.startswith(NOT_FETCHED).sum()):
        option = f" --raw {folder.path}" if partial else ""
        images.messages.append(
            f"{images.source.path}: {unfetched} of {images.total} photos are not fetched yet: run "
            f"`python -m market.fetch_photos{option}`"
        )
    return images


def names_files_by_reference(settings: Input) -> bool:
    """Return whether the table of photos has paths or URLs, instead of ids that are file names."""
    columns = settings.image_columns
    return bool(columns.get("image_ref")) or columns.get("id", "id") is None


def _no_images(folder: RawFolder) -> RawImages:
    table = _empty_table(folder.path / folder.settings.photo_folder)
    usable = pd.DataFrame({"id": [], "product_id": [], "path": []}, dtype="str")
    messages = [f"{folder.path}: input.images is empty: no photo is read"]
    rejects = reject_files([], [])
    return RawImages(usable, rejects, 0, table, table, 0, "files", folder.path, messages)


def _empty_table(path: Path) -> RawTable:
    empty = pd.DataFrame({"id": [], "product_id": []}, dtype="str")
    return RawTable.select(path, empty, {name: name for name in empty})


# --- A table of photos ----------------------------------------------------------------------------
def _by_table(
    folder: RawFolder, photos: PhotoFolder, listings: RawTable, kept: np.ndarray, partial: bool
) -> RawImages:
    path, messages = folder.images_path, []
    if partial and not path.exists():
        table = _empty_table(path)
        messages.append(f"{not_found_message(path)}: no photo is read")
    else:
        table = _with_ids(folder.images())
    by_reference = names_files_by_reference(folder.settings)
    # An id that is no file name may be any text.
    schema = IMAGES_SCHEMA.update_column("id", checks=[]) if by_reference else IMAGES_SCHEMA
    rows, malformed = check_rows(table, schema)
    files, clashing = _files_of_rows(rows, photos, by_reference)
    usable, unmatched = _settle(rows, files, _product_faults(rows, folder, listings, kept), path)
    unused = photos.without(files)
    reasons = [TAKEN if file in clashing else f"no row in {path.name}" for file in unused]
    order = np.argsort([reason == TAKEN for reason in reasons], kind="stable")
    rejected_files = reject_files(
        [unused[i] for i in order], [reasons[i] for i in order], folder.path
    )
    rejects = pd.concat([malformed, unmatched, rejected_files], ignore_index=True)
    total = len(table.read)
    check_nothing_lost(path, total, len(usable), int(rejects["record"].notna().sum()))
    return RawImages(
        usable, rejects, len(photos.files), table, table, total, "rows", folder.path, messages
    )


def _with_ids(table: RawTable) -> RawTable:
    """Return the table of photos with the column id, numbered within each listing if absent."""
    if "id" in table.columns:
        return table
    read = table.read.assign(**{ID: number_photos(table.rows["product_id"].fillna(""))})
    return RawTable(table.path, read, {"id": ID, **table.columns}, table.absent)


def _files_of_rows(
    rows: pd.DataFrame, photos: PhotoFolder, by_reference: bool
) -> tuple[list[Path | str], set[Path]]:
    """Return the file of each row, or the reason why there is none; and files of a taken id."""
    references = rows.get("image_ref", pd.Series("", rows.index)).fillna("")
    if by_reference:
        return [_find(photos, reference) for reference in references], set()
    by_id, clashing = photos.by_id()
    files: list[Path | str] = []
    for image_id, reference in zip(rows["id"], references, strict=True):
        file: Path | str = by_id.get(image_id) or _find(photos, image_id)
        if isinstance(file, str) and reference:
            file = _find(photos, reference)
        if isinstance(file, str) and file.startswith(photos.no_file):
            file = photos.no_file
        files.append(file)
    return files, set(clashing)


def _product_faults(
    rows: pd.DataFrame, folder: RawFolder, listings: RawTable, kept: np.ndarray
) -> pd.Series:
    """Return why the listing of each row of the table of photos cannot be used, or ""."""
    ids = listings.rows["id"]
    unknown = ~rows["product_id"].isin(ids[kept])
    faults = pd.Series("", index=rows.index)
    faults[unknown] = unknown_product_reasons(
        rows.loc[unknown, "product_id"], ids[kept], folder.products_path.name
    )
    faults[unknown & rows["product_id"].isin(ids[~kept].dropna())] = PRODUCT_REJECTED
    return faults


# --- A column of the listings ---------------------------------------------------------------------
def _by_column(
    folder: RawFolder, photos: PhotoFolder, listings: RawTable, kept: np.ndarray, partial: bool
) -> RawImages:
    references = listing_references(listings, folder.settings, partial=partial)
    rows = pd.DataFrame(
        {"id": number_photos(references["product_id"]), "product_id": references["product_id"]}
    )
    files = [_find(photos, reference) for reference in references["reference"]]
    faults = pd.Series(np.where(kept[rows.index], "", PRODUCT_REJECTED), index=rows.index)
    usable, unmatched = _settle(rows, files, faults, listings.path)
    unused = photos.without(files)
    rejected_files = reject_files(unused, ["no listing names it"] * len(unused), folder.path)
    rejects = pd.concat([unmatched, rejected_files], ignore_index=True)
    check_nothing_lost(listings.path, len(rows), len(usable), len(unmatched))
    return RawImages(
        usable,
        rejects,
        len(photos.files),
        _empty_table(photos.path),
        listings,
        len(rows),
        "photos",
        folder.path,
        [],
    )


# --- Folders or files named after the listing -----------------------------------------------------
def _by_owner(
    folder: RawFolder, photos: PhotoFolder, listings: RawTable, kept: np.ndarray
) -> RawImages:
    ids = listings.rows["id"]
    kept_ids = set(ids[kept].dropna())
    finder = OwnerFinder(ids.dropna())
    in_folders = folder.settings.photos == "folders"
    usable: list[tuple[str, Path]] = []
    unusable: list[tuple[Path, str]] = []
    ambiguous: list[tuple[Path, tuple[str, ...]]] = []
    for file in sorted(photos.files, key=lambda file: natural_key(photos.stem(file))):
        path = file.relative_to(photos.path)
        try:
            owner = finder.by_folders(path) if in_folders else finder.by_name(path)
        except UnusablePhoto as reason:
            unusable.append((file, str(reason)))
            continue
        if owner.others:
            ambiguous.append((file, (owner.product_id, *owner.others)))
        if owner.product_id in kept_ids:
            usable.append((owner.product_id, file))
        else:
            unusable.append((file, PRODUCT_REJECTED))
    rows = pd.DataFrame(usable, columns=["product_id", "path"]).astype({"product_id": "str"})
    rows.insert(0, "id", number_photos(rows["product_id"]))
    rejects = reject_files(
        [file for file, _ in unusable], [reason for _, reason in unusable], folder.path
    )
    check_nothing_lost(photos.path, len(photos.files), len(rows), len(rejects))
    messages = []
    if ambiguous:
        file, owners = ambiguous[0]
        messages.append(
            f"{photos.path}: the names of {len(ambiguous)} files begin with several ids, such as "
            f"{file.name!r} ({', '.join(owners)}): each belongs to the longest"
        )
    table = _empty_table(photos.path)
    return RawImages(
        rows.sort_values("id", ignore_index=True),
        rejects,
        len(photos.files),
        table,
        table,
        len(photos.files),
        "files",
        folder.path,
        messages,
    )


# --- What the ways share --------------------------------------------------------------------------
def number_photos(product_ids: pd.Series) -> pd.Series:
    """Return an id for each photo (n,): its listing's, and its number there in four digits.

    So the ids of a listing sort in the order of its photos, and do not change with other listings.
    """
    product_ids = product_ids.fillna("")
    numbers = product_ids.groupby(product_ids.to_numpy()).cumcount() + 1
    return product_ids + "-" + numbers.astype(str).str.zfill(4)


def _find(photos: PhotoFolder, reference: str) -> Path | str:
    try:
        return photos.find(reference)
    except UnusablePhoto as reason:
        return str(reason)


def _settle(
    rows: pd.DataFrame, files: list[Path | str], faults: pd.Series, source: Path
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the usable references with the `path` of their file, and the rejects.

    Parameters
    ----------
    rows
        id and product_id of each reference (n), indexed by its row in the source.
    files
        (n,) its file, or the reason why there is none.
    faults
        (n,) why its listing cannot be used, or "".
    source
        The file that holds the references.
    """
    paths = pd.Series([None if isinstance(file, str) else file for file in files], dtype=object)
    missing = ["" if isinstance(file, Path) else file for file in files]
    reasons = faults.where(faults.ne("").to_numpy(), missing)
    first = pd.DataFrame({"product_id": rows["product_id"].to_numpy(), "path": paths.to_numpy()})
    repeated = (first.duplicated() & first["path"].notna()).to_numpy() & reasons.eq("").to_numpy()
    reasons = reasons.where(~repeated, REPEATED)
    usable = rows.assign(path=paths.to_numpy())[reasons.eq("").to_numpy()]
    return usable.sort_values("id", ignore_index=True), reject_rows(
        source.name, reasons, rows["id"]
    )
