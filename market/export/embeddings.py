"""Write the unit vectors of all listings, for nearest-neighbour search and models elsewhere.

In:  models/index.
Out: a .parquet file with a row for each listing: product_id; text, the vector of its name and
     description, smoothed over its neighbours; image, the mean direction of its photos (missing
     without any); and joint, both side by side, which finds similar listings. All are lists of
     float32 with length 1, to be compared by their inner product.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import numpy as np
import pyarrow as pa

from market.core.paths import SEARCH_INDEX, require
from market.core.stage import progress, stage
from market.export.parquet_file import check_out, out_option, write_chunks
from market.search.catalogue import ListingPhotos
from market.search.index import SearchIndex
from market.search.listing_vectors import ListingVectors
from market.search.neighbours import joint_vectors

KINDS = ("text", "image", "joint")
ROWS_PER_CHUNK = 4096


@stage
@out_option
@click.option(
    "--kind",
    "kinds",
    type=click.Choice(KINDS),
    multiple=True,
    default=KINDS,
    help="Write this vector; give the option again for another one. By default all three.",
)
def main(out: Path, kinds: Sequence[str]) -> str:
    check_out(out)
    require(SEARCH_INDEX)
    index = SearchIndex.load(SEARCH_INDEX)
    photos = ListingPhotos.build(index.photos, len(index.listings))
    vectors = ListingVectors(index.texts, index.images, index.neighbours, photos)
    ids = index.listings["product_id"].tolist()
    text, image = index.texts.width, index.images.width
    widths = {"text": text, "image": image, "joint": text + image}
    kinds = [kind for kind in KINDS if kind in kinds]
    columns = [(kind, pa.list_(pa.float32(), widths[kind])) for kind in kinds]
    schema = pa.schema([("product_id", pa.string()), *columns])
    count = write_chunks(out, schema, embedding_chunks(ids, vectors, schema), [SEARCH_INDEX])
    return f"{', '.join(kinds)} vectors of {count} listings in {out}"


def embedding_chunks(
    ids: Sequence[str], vectors: ListingVectors, schema: pa.Schema
) -> Iterator[pa.Table]:
    """Yield the rows of ROWS_PER_CHUNK listings at a time.

    Parameters
    ----------
    ids
        (n,) product ids, by position.
    vectors
        Of the n listings.
    schema
        product_id, and any of KINDS.
    """
    starts = range(0, len(ids), ROWS_PER_CHUNK)
    for start in progress(starts, desc="write vectors", unit=f"{ROWS_PER_CHUNK} listings"):
        positions = np.arange(start, min(start + ROWS_PER_CHUNK, len(ids)))
        texts, images = vectors.texts.vectors(positions), vectors.mean_images(positions)
        matrices = {
            "text": texts,
            "image": images,
            "joint": joint_vectors(texts, images, np.arange(len(positions))),
        }
        columns = {"product_id": pa.array([ids[position] for position in positions], pa.string())}
        for kind in schema.names[1:]:
            missing = (kind == "image") & ~images.any(axis=1)
            columns[kind] = _lists(matrices[kind], missing)
        yield pa.table(columns)


def _lists(matrix: np.ndarray, missing: np.ndarray) -> pa.FixedSizeListArray:
    """Return the rows (n, width) of a matrix as lists, without those that are `missing` (n,)."""
    values = pa.array(np.ascontiguousarray(matrix, np.float32).reshape(-1))
    mask = pa.array(missing) if missing.any() else None
    return pa.FixedSizeListArray.from_arrays(values, matrix.shape[1], mask=mask)
