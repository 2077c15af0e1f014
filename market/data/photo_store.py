"""The packed photos: a few Arrow files instead of one file for each photo.

DVC takes time for each file (to hash, link and transfer it).
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from market.data.arrow_parts import ArrowParts, PhotoSizes, write_parts

PHOTOS_PER_PART = 4096
ROWS_PER_BATCH = 256


def pack_photos(
    photos: Iterable[tuple[str, bytes, np.ndarray]], folder: Path, *, array_size: int
) -> int:
    """Write photos into a new folder; return their number.

    Parameters
    ----------
    photos
        Of each photo its image_id, its JPEG bytes, and its array (3, array_size, array_size) of
        uint8. Memory holds ROWS_PER_BATCH of them at a time.
    folder
        The folder, which must not exist.
    array_size
        Side of the arrays in pixels.

    Raises
    ------
    ValueError
        If there are more than 409,600,000 photos.
    """
    schema = pa.schema(
        [
            ("image_id", pa.string()),
            ("photo", pa.binary()),
            ("image_array", pa.fixed_shape_tensor(pa.uint8(), (3, array_size, array_size))),
        ]
    )
    return write_parts(
        photos,
        folder,
        schema,
        partial(_record_batch, schema=schema),
        rows_per_part=PHOTOS_PER_PART,
        rows_per_batch=ROWS_PER_BATCH,
    )


def _record_batch(batch: list, schema: pa.Schema) -> pa.RecordBatch:
    ids, encoded, arrays = zip(*batch, strict=True)
    tensor = schema.field("image_array").type
    pixels = pa.array(np.concatenate([array.reshape(-1) for array in arrays]))
    storage = pa.FixedSizeListArray.from_arrays(pixels, tensor.storage_type.list_size)
    tensors = pa.ExtensionArray.from_storage(tensor, storage)
    return pa.record_batch(
        [pa.array(ids, pa.string()), pa.array(encoded, pa.binary()), tensors], schema=schema
    )


class PhotoStore(ArrowParts, Sequence[bytes]):
    """The JPEG bytes of every packed photo, in the order of packing.

    Parameters
    ----------
    folder
        As `pack_photos` writes it.

    Raises
    ------
    MarketError
        If the folder holds no packed photos.
    """

    jpegs = "photo"

    def __getitem__(self, index):  # type: ignore[override]
        table, row = self.place(index)
        return table["photo"][row].as_py()

    # The squares stand in for display photos until stage resize has run.
    @property
    def nominal_sizes(self) -> tuple[int, int]:
        """Return the longest sides of small and large photos in pixels: all have the same size."""
        side = self.sizes(0).width if len(self) else 0
        return side, side

    def read(self, number: int, size: int) -> bytes:
        """Return a photo as JPEG, whatever the size.

        Raises
        ------
        IndexError
            If there is no photo of this number.
        """
        return self[number]

    def sizes(self, number: int) -> PhotoSizes:
        """Return the sizes of a photo.

        Raises
        ------
        IndexError
            If there is no photo of this number.
        """
        width, height = Image.open(io.BytesIO(self[number]), formats=("JPEG",)).size
        return PhotoSizes(width, height, width, height)

    @property
    def array_type(self) -> pa.FixedShapeTensorType:
        """Return the Arrow type of image_array: uint8 (3, array_size, array_size)."""
        return self._tables[0].schema.field("image_array").type

    def arrays(self) -> Iterator[pa.FixedShapeTensorArray]:
        """Yield the column image_array, a record batch at a time, to read all of it.

        The files are read, not mapped: mapped pages that were read count as this process's memory.
        """
        options = pa.ipc.IpcReadOptions(
            included_fields=[self._tables[0].schema.get_field_index("image_array")]
        )
        for part in self._parts:
            with pa.OSFile(str(part)) as file:
                reader = pa.ipc.open_file(file, options=options)
                for number in range(reader.num_record_batches):
                    yield reader.get_batch(number)["image_array"]


def open_photo(encoded: bytes, side: int | None = None) -> np.ndarray:
    """Decode a packed photo to (side, side, 3) uint8; without `side`, at its packed size."""
    photo: Image.Image = Image.open(io.BytesIO(encoded), formats=("JPEG",))
    if side is not None and photo.size != (side, side):
        photo = photo.resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(photo)
