"""Photos in a few Arrow files, which are memory-mapped: reading one photo reads
only its own bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from market.core.errors import MarketError


def write_parts(
    rows: Iterable,
    folder: Path,
    schema: pa.Schema,
    to_batch: Callable[[list], pa.RecordBatch],
    *,
    rows_per_part: int,
    rows_per_batch: int,
) -> int:
    """Write rows into a new folder; return their number.

    Parameters
    ----------
    rows
        The rows. Memory holds `rows_per_batch` of them at a time.
    folder
        The folder, which must not exist.
    schema
        Of the files.
    to_batch
        Makes a record batch of some rows.
    rows_per_part, rows_per_batch
        Rows of a file, a multiple of the rows of a record batch.

    Raises
    ------
    ValueError
        If there are more than 100,000 files.
    """
    folder.mkdir(parents=True)
    written = 0
    batches = _batches(rows, rows_per_batch)
    for part in range(10**5):
        with pa.ipc.new_file(folder / f"part-{part:05d}.arrow", schema) as writer:
            for batch in batches:
                writer.write_batch(to_batch(batch))
                written += len(batch)
                if written % rows_per_part == 0:
                    break
            else:
                return written
    raise ValueError(f"more than {10**5 * rows_per_part} photos")


def _batches(rows: Iterable, size: int) -> Iterator[list]:
    batch: list = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


class PhotoSizes(NamedTuple):
    """The sizes of a photo in pixels; both are equal for a photo that is small itself."""

    width: int
    height: int
    large_width: int
    large_height: int


class ArrowParts:
    """The rows of a folder that `write_parts` wrote, in their order.

    Each has an image_id and a JPEG.

    Parameters
    ----------
    folder
        The folder.

    Raises
    ------
    MarketError
        If the folder holds no parts.
    """

    jpegs: str  # the column of the JPEGs

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open()

    def _open(self) -> None:
        parts = sorted(self.folder.glob("part-*.arrow"))
        if not parts:
            raise MarketError(
                f"{self.folder} holds no packed photos: run `dvc repro` or `dvc pull`"
            )
        self._parts = parts
        self._tables = [pa.ipc.open_file(pa.memory_map(str(part))).read_all() for part in parts]
        self._starts = np.cumsum([0, *(len(table) for table in self._tables)])

    # Pickled for a worker process, only the path is sent, and the worker maps the files itself.
    def __getstate__(self) -> Path:
        return self.folder

    def __setstate__(self, folder: Path) -> None:
        self.folder = folder
        self._open()

    def __len__(self) -> int:
        return int(self._starts[-1])

    def place(self, index: int) -> tuple[pa.Table, int]:
        """Return the table that holds a row, and the row's number there.

        Raises
        ------
        IndexError
            If there is no such row.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"no row {index}")
        part = int(np.searchsorted(self._starts, index, side="right")) - 1
        return self._tables[part], int(index - self._starts[part])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield all columns, a record batch at a time."""
        for table in self._tables:
            yield from table.to_batches()

    def version(self) -> str:
        """Return a hash of the photos' ids and lengths, equal in every process.

        It leaves the photos themselves out, as reading all of them would delay a start.
        """
        digest = hashlib.sha256()
        for batch in self.batches():
            lengths = pc.binary_length(batch[self.jpegs]).to_pylist()
            digest.update(repr((batch["image_id"].to_pylist(), lengths)).encode())
        return digest.hexdigest()[:16]
