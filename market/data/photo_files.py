"""The photo files of a raw folder, and the rows of Images.csv that name them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from market.core.errors import MarketError
from market.data.raw_folder import RawFolder
from market.data.rejects import (
    PRODUCT_REJECTED,
    check_nothing_lost,
    printable_name,
    reject_files,
    reject_rows,
    unknown_product,
)
from market.data.schemas import IMAGES_SCHEMA, check_rows
from market.data.tables import RawTable, not_found_message


def find_photos(folder: Path) -> tuple[dict[str, Path], list[Path]]:
    """Return the photo files of a folder by image id, and the files whose id is already taken.

    The id is the file's name without its ending; of several files with one id the first by name
    counts. Hidden files are ignored. Raises MarketError if the folder cannot be read.
    """
    if not folder.is_dir():
        fault = f"{folder} is not a folder" if folder.exists() else not_found_message(folder)
        raise MarketError(f"{fault}: put the photos there, each as <id>.jpg")
    photos: dict[str, Path] = {}
    clashing = []
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise MarketError(f"{folder} cannot be read: {error.strerror}") from None
    for path in paths:
        if path.name.startswith("."):
            continue
        if printable_name(path.stem) in photos:
            clashing.append(path)
        else:
            photos[printable_name(path.stem)] = path
    return photos, clashing


def match_images(
    images: pd.DataFrame,
    photos: dict[str, Path],
    product_ids: pd.Series,
    rejected_ids: Iterable[str] = (),
    *,
    images_file: str = "Images.csv",
    products_file: str = "Products.csv",
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Match the rows of the table of photos with products and files.

    Parameters
    ----------
    images
        Rows of the table of photos that satisfy its schema.
    photos
        The files by image id.
    product_ids
        The products that are kept.
    rejected_ids
        The products that were rejected.
    images_file, products_file
        The names of the two tables, for the reasons.

    Returns
    -------
    rows, rejects
        The rows with a product and a file, and the rejects: all other rows, and files without a
        row.
    """
    unknown = ~images["product_id"].isin(product_ids)
    reasons = pd.Series("", index=images.index)
    reasons[~images["id"].isin(photos.keys())] = "no file in images/"
    reasons[unknown] = unknown_product(products_file)
    reasons[unknown & images["product_id"].isin(list(rejected_ids))] = PRODUCT_REJECTED
    rejected_rows = reject_rows(images_file, reasons, images["id"])
    named = set(images["id"])
    unnamed = [path for image_id, path in photos.items() if image_id not in named]
    rejected_files = reject_files(unnamed, [f"no row in {images_file}"] * len(unnamed))
    return images[reasons.eq("")], pd.concat([rejected_rows, rejected_files])


class RawImages(NamedTuple):
    """The table of photos and images/: every row and file is either usable or rejected."""

    usable: pd.DataFrame  # rows of the table, sorted by id, with the `path` of their photo
    rejects: pd.DataFrame  # rows and files, as REJECT_COLUMNS
    files: int  # number of photos in images/
    table: RawTable  # the table as it was read


def read_images(
    folder: RawFolder,
    product_ids: pd.Series,
    rejected_ids: Iterable[str] = (),
    *,
    partial: bool = False,
) -> RawImages:
    """Read the table of photos, and find its photos in images/.

    Parameters
    ----------
    folder
        The raw folder.
    product_ids
        The products that are kept.
    rejected_ids
        The products that were rejected, as their photos are.
    partial
        Whether the table and images/ may be absent, which then counts as empty.

    Returns
    -------
    RawImages
        Its rows are sorted by id, so that the order in the file changes no result.

    Raises
    ------
    MarketError
        If the table or images/ is absent or cannot be read.
    """
    path, photos = folder.images_path, folder.path / "images"
    if not partial or path.exists():
        table = folder.images()
    else:
        empty = pd.DataFrame({"id": [], "product_id": []}, dtype="str")
        table = RawTable.select(path, empty, {name: name for name in empty})
    files: dict[str, Path] = {}
    clashing: list[Path] = []
    rows, malformed = check_rows(table, IMAGES_SCHEMA)
    if not partial or photos.is_dir():
        files, clashing = find_photos(photos)
    images, unmatched = match_images(
        rows,
        files,
        product_ids,
        rejected_ids,
        images_file=path.name,
        products_file=folder.products_path.name,
    )
    clashes = reject_files(clashing, ["another file has this id"] * len(clashing))
    rejects = pd.concat([malformed, unmatched, clashes], ignore_index=True)
    check_nothing_lost(
        path, len(table.read), len(images), int(rejects["source"].eq(path.name).sum())
    )
    ids = set(images["id"]) | set(rejects["id"].dropna())
    check_nothing_lost(photos, len(files), sum(name in ids for name in files), 0)
    images = images.assign(path=images["id"].map(files))
    images = images.sort_values("id", ignore_index=True)
    return RawImages(images, rejects, len(files) + len(clashing), table)
