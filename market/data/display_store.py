"""The display photos of a dataset: made within a disk budget, packed, and read by number."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from market.core.display_settings import Resize
from market.core.errors import MarketError
from market.core.settings import Clean
from market.data.arrow_parts import ArrowParts, PhotoSizes, write_parts
from market.data.display_photos import display_jpegs, read_whole
from market.data.photo_formats import UnusablePhoto
from market.data.photo_tasks import map_photos

PHOTOS_PER_PART = 1024
ROWS_PER_BATCH = 64
MEASURED = 256  # photos from which the size of all of them is estimated
MARGIN = 1.1  # of the estimate: its standard error is about 4 %
QUALITY_STEP = 10
MIN_QUALITY = 50  # below, blocks and halos are visible on a telephone
GIGABYTE = 10**9

SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("small", pa.binary()),
        ("large", pa.binary()),  # null if the photo is no larger than `small`
        ("small_width", pa.int16()),
        ("small_height", pa.int16()),
        ("large_width", pa.int16()),
        ("large_height", pa.int16()),
    ]
)


def write_display_photos(
    files: Sequence[Path], image_ids: Sequence[str], folder: Path, settings: Resize, limits: Clean
) -> int:
    """Write the display photos of files into a new folder; return the quality of their JPEGs.

    Parameters
    ----------
    files
        The files (n), which stage clean accepted.
    image_ids
        (n,) their ids, in the order of the packed squares.
    folder
        The folder, which must not exist.
    settings
        Sizes, quality and disk budget.
    limits
        The limits of stage clean.

    Returns
    -------
    int
        `settings.quality`, or the highest lower one that keeps the budget.

    Raises
    ------
    MarketError
        If no quality keeps the budget, or a file has changed since stage clean.
    """
    quality = fitting_quality(files, settings, limits)
    encode = partial(_encode, settings=settings, limits=limits, quality=quality)
    photos = map_photos(encode, files, verb="resize")
    rows = zip(image_ids, _within_budget(photos, settings), strict=True)
    write_parts(
        rows,
        folder,
        SCHEMA.with_metadata({"sizes": f"{settings.small_size} {settings.large_size}"}),
        _record_batch,
        rows_per_part=PHOTOS_PER_PART,
        rows_per_batch=ROWS_PER_BATCH,
    )
    return quality


def files_of_photos(files: Mapping[str, Path], image_ids: Sequence[str]) -> list[Path]:
    """Return the files of photos (n).

    Parameters
    ----------
    files
        The files of the raw folder by image_id.
    image_ids
        (n,) the photos that stage clean kept.

    Raises
    ------
    MarketError
        If the raw folder lacks one.
    """
    if missing := [image_id for image_id in image_ids if image_id not in files]:
        raise MarketError(
            f"the raw folder no longer has the photo {missing[0]!r}, which stage clean kept: run "
            "`dvc repro`"
        )
    return [files[image_id] for image_id in image_ids]


def folder_size(folder: Path) -> int:
    """Return the bytes of the files of a folder."""
    return sum(path.stat().st_size for path in folder.iterdir())


def fitting_quality(files: Sequence[Path], settings: Resize, limits: Clean) -> int:
    """Return the highest quality, at most that of the settings, that keeps the disk budget.

    It is estimated from photos at even distances, so it is the same in every run.

    Raises
    ------
    MarketError
        If no quality keeps the budget.
    """
    step = max(1, len(files) // MEASURED)
    measured = files[::step]
    needed = 0.0
    for quality in range(settings.quality, min(settings.quality, MIN_QUALITY) - 1, -QUALITY_STEP):
        encode = partial(_encode, settings=settings, limits=limits, quality=quality)
        sizes = [_size(photo) for photo in map_photos(encode, measured, verb="measure")]
        needed = MARGIN * sum(sizes) / max(1, len(sizes)) * len(files) / GIGABYTE
        if needed <= settings.max_gigabytes:
            return quality
    raise _over_budget(settings, f"need about {needed:.1f} GB at the quality {quality}")


def _over_budget(settings: Resize, need: str) -> MarketError:
    return MarketError(
        f"display photos {need}, more than resize.max_gigabytes={settings.max_gigabytes:g}: raise "
        "it in params.yaml, or lower resize.large_size"
    )


def _encode(path: Path, settings: Resize, limits: Clean, quality: int) -> dict[int, bytes]:
    sizes = (settings.small_size, settings.large_size)
    try:
        photo = read_whole(
            path,
            min_side=limits.min_side,
            max_megapixels=limits.max_megapixels,
            size=settings.large_size,
        )
    except UnusablePhoto as reason:
        raise MarketError(
            f"{path}: {reason}: the file has changed since stage clean: run `dvc repro`"
        ) from None
    return display_jpegs(photo, sizes=sizes, quality=quality)


def _size(photo: dict[int, bytes]) -> int:
    """Return the bytes that a photo takes in the store, which holds equal JPEGs once."""
    return sum(len(encoded) for encoded in set(photo.values()))


def _within_budget(photos: Iterable[dict[int, bytes]], settings: Resize) -> Iterator[dict]:
    """Yield the photos; raise MarketError once they are over the budget."""
    written = 0
    for photo in photos:
        written += _size(photo)
        if written > settings.max_gigabytes * GIGABYTE:
            raise _over_budget(settings, f"took {written / GIGABYTE:.1f} GB before the last one")
        yield photo


def _record_batch(rows: list[tuple[str, dict[int, bytes]]]) -> pa.RecordBatch:
    columns: dict[str, list] = {name: [] for name in SCHEMA.names}
    for image_id, photo in rows:
        small, large = (photo[size] for size in sorted(photo))
        columns["image_id"].append(image_id)
        columns["small"].append(small)
        columns["large"].append(None if large == small else large)
        for name, encoded in (("small", small), ("large", large)):
            width, height = Image.open(io.BytesIO(encoded)).size
            columns[f"{name}_width"].append(width)
            columns[f"{name}_height"].append(height)
    return pa.record_batch(columns, schema=SCHEMA)


class DisplayPhotos(ArrowParts):
    """The display photos of every packed photo, by its number among them.

    Parameters
    ----------
    folder
        As `write_display_photos` writes it.

    Raises
    ------
    MarketError
        If the folder holds no packed photos.
    """

    jpegs = "small"

    def _open(self) -> None:
        super()._open()
        columns = [
            np.concatenate([table[name].to_numpy() for table in self._tables])
            for name in SCHEMA.names[3:]
        ]
        self._sizes = np.column_stack(columns)

    @property
    def nominal_sizes(self) -> tuple[int, int]:
        """Return the longest sides of small and large photos in pixels, as the settings had it."""
        small, large = self._tables[0].schema.metadata[b"sizes"].split()
        return int(small), int(large)

    def read(self, number: int, size: int) -> bytes:
        """Return a photo as JPEG: the small one, or the large one if `size` is above its size.

        Raises
        ------
        IndexError
            If there is no photo of this number.
        """
        table, row = self.place(number)
        large = table["large"][row].as_py() if size > self.nominal_sizes[0] else None
        return table["small"][row].as_py() if large is None else large

    def sizes(self, number: int) -> PhotoSizes:
        """Return the sizes of a photo.

        Raises
        ------
        IndexError
            If there is no photo of this number.
        """
        if not 0 <= number < len(self):
            raise IndexError(f"no photo {number}")
        return PhotoSizes(*self._sizes[number].tolist())
