"""Synthetic photo files: the rows of Images.csv, and images/ with every trap of a real folder."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from market.core.stage import progress
from market.data.synthetic.draws import Rng, draw_flags, draw_id, pick, trap_count
from market.data.synthetic.pictures import draw_photo

NO_PHOTO, ONE_PHOTO = 0.02, 0.28  # shares of the listings; all others have two photos
UNKNOWN_PRODUCTS = 2  # rows of Images.csv whose listing is not in Products.csv
UNLISTED_FILES = 5  # files without a row in Images.csv
CLUTTER_ONLY = 0.08  # share of the photos that do not show the item
REF_LETTERS = list("abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ0123456789")


# --- Files ----------------------------------------------------------------------------------------
def encode(photo: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    """Return the photo as a file of that kind, with Pillow's `options`."""
    buffer = io.BytesIO()
    photo.save(buffer, kind, **options)
    return buffer.getvalue()


def encode_rotated(photo: Image.Image) -> bytes:
    """Return a JPEG with its pixels on their side and EXIF orientation 6, which says so."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encode(photo.transpose(Image.Transpose.ROTATE_90), exif=exif)


def encode_animated(photo: Image.Image) -> bytes:
    """Return a GIF of three frames."""
    turns = [photo.rotate(angle) for angle in (5, 10)]
    return encode(photo, "GIF", save_all=True, append_images=turns, duration=200)


def encode_alpha(photo: Image.Image) -> bytes:
    """Return a PNG that becomes transparent towards the bottom."""
    alpha = Image.linear_gradient("L").rotate(180).resize(photo.size)
    return encode(Image.merge("RGBA", (*photo.split(), alpha)), "PNG")


# Files named .jpg that are no plain JPEG; each occurs once.
ODD_FILES: dict[str, Callable[[Image.Image], bytes]] = {
    "png": lambda photo: encode(photo, "PNG"),
    "progressive": lambda photo: encode(photo, progressive=True),
    "cmyk": lambda photo: encode(photo.convert("CMYK")),
    "palette": lambda photo: encode(photo.quantize(64), "PNG"),
    "alpha": encode_alpha,
    "rotated": encode_rotated,
    "animated": encode_animated,
    "one pixel": lambda photo: encode(photo.resize((1, 1))),
    "huge": lambda photo: encode(Image.new("RGB", (8000, 5000), (90, 120, 150)), quality=50),
    "truncated": lambda photo: encode(photo)[: len(encode(photo)) // 2],
    "empty": lambda photo: b"",
    "text": lambda photo: b"<html><body>404 Not Found</body></html>\n",
}
ONLY_PHOTO = ("empty", "text")  # given to listings that have no other photo


# --- Images.csv -----------------------------------------------------------------------------------
def draw_images(rng: Rng, products: pd.DataFrame) -> pd.DataFrame:
    """Draw the photos of a marketplace.

    Parameters
    ----------
    rng
        The source of randomness.
    products
        The listings, as `listings.draw_products` returns them.

    Returns
    -------
    pd.DataFrame
        The columns of Images.csv, then `content` ("photo", a key of ODD_FILES, or "missing" for a
        row without a file) and `same_as` (the id of the row whose file this row has: its own, or
        another listing's). The index has gaps, as the raw file's has.
    """
    rows = [_draw_image(rng, owner) for owner in _draw_owners(rng, products["id"])]
    _add_traps(rng, rows, products)
    images = pd.DataFrame(rows)
    images.index = pd.Index(np.cumsum(rng.integers(1, 3, size=len(images))) - 1)
    return images


def _draw_owners(rng: Rng, product_ids: pd.Series) -> list[str]:
    """Return the product id of each photo; unknown products come last."""
    count = len(product_ids)
    counts = np.full(count, 2)
    order = rng.permutation(count)
    none, one = max(1, round(NO_PHOTO * count)), round(ONE_PHOTO * count)
    counts[order[:none]], counts[order[none : none + one]] = 0, 1
    owners = [
        owner for owner, photos in zip(product_ids, counts, strict=True) for _ in range(photos)
    ]
    return owners + [draw_id(rng) for _ in range(UNKNOWN_PRODUCTS)]


def _draw_image(rng: Rng, owner: str) -> dict[str, str]:
    image_id = draw_id(rng)
    letters = "".join(rng.choice(REF_LETTERS, 11))
    return {
        "id": image_id,
        "product_id": owner,
        "image_ref": f"{letters[:3]}AAOSw{letters[3:]}",
        "create_time": f"2022-02-{pick(rng, [26, 27, 28])}",
        "content": "photo",
        "same_as": image_id,
    }


def _add_traps(rng: Rng, rows: list[dict[str, str]], products: pd.DataFrame) -> None:
    """Change some rows in place: odd files, missing files, and photos that two listings share."""
    photos_by_product: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        photos_by_product.setdefault(row["product_id"], []).append(row)
    by_category = products.sort_values(["category", "id"])["id"]
    albums = [photos_by_product[product] for product in by_category if product in photos_by_product]
    single = iter([albums[i] for i in rng.permutation(len(albums)) if len(albums[i]) == 1])
    double = iter([albums[i] for i in rng.permutation(len(albums)) if len(albums[i]) == 2])
    for kind in ODD_FILES:
        next(single if kind in ONLY_PHOTO else double)[-1]["content"] = kind
    for _ in range(trap_count(len(products))):
        next(double)[-1]["content"] = "missing"
    plain = [photos for photos in albums if photos[0]["content"] == "photo"]
    for _ in range(trap_count(len(products))):  # neighbours in this order are mostly of one class
        photos = next(double)
        photos[-1]["same_as"] = plain[plain.index(photos) - 1][0]["id"]


# --- images/ --------------------------------------------------------------------------------------
def write_photos(rng: Rng, folder: Path, products: pd.DataFrame, images: pd.DataFrame) -> None:
    """Write the photo files of a marketplace, and a few that no row of Images.csv names.

    Parameters
    ----------
    rng
        The source of randomness.
    folder
        images/, created if absent.
    products, images
        As `listings.draw_products` and `draw_images` return them.
    """
    items = products.set_index("id")[["shape", "colour", "accent"]].to_dict("index")
    unlisted = [
        {"id": draw_id(rng), "product_id": "", "content": "photo"} for _ in range(UNLISTED_FILES)
    ]
    rows = images.to_dict("records") + unlisted
    files: dict[str, bytes] = {}
    clutter = draw_flags(rng, len(rows), CLUTTER_ONLY)
    for row, cluttered in zip(progress(rows, desc="draw", unit="photo"), clutter, strict=True):
        item = items.get(row["product_id"]) or items[pick(rng, list(items))]
        shape = None if cluttered else item["shape"]
        photo = draw_photo(rng, shape, item["colour"], item["accent"])
        write = ODD_FILES.get(row["content"], lambda plain: encode(plain, quality=85))
        files[row["id"]] = write(photo)
    folder.mkdir(parents=True, exist_ok=True)
    for row in rows:
        if row["content"] != "missing":
            path = folder / f"{row['id']}.jpg"
            path.write_bytes(files[row.get("same_as", row["id"])])
