"""Check and type the raw marketplace: tables to parquet, each photo decoded once, rejects listed.

In:  data/<dataset>/raw (Products.csv, Images.csv, images/ and, if there is one, interactions.csv).
Out: data/clean/ products.parquet, images.parquet, interactions.parquet (without rows if there is no
     log), photos/ (packed squares), rejects.csv; metrics/clean.json.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import NamedTuple

import joblib
import numpy as np
import pandas as pd
from click import ClickException

from shared.atomic import replace_when_done, write_json
from shared.ids import ID_RULES
from shared.interactions import COLUMNS, check_interactions
from shared.listings import clean_products
from shared.params import load_params
from shared.photo_store import pack_photos
from shared.photos import UnusablePhoto, decode_photo, limits_of, to_array, to_jpeg
from shared.raw import (
    check_nothing_lost,
    check_rows,
    products_schema,
    read_images,
    read_table,
    reject_files,
)
from shared.stage import progress, stage
from shared.workers import cluster, worker_count

OUT = Path("data/clean")
PHOTOS_PER_TASK = 16  # few: at the end all cores wait for the last task, seconds of large photos


class Square(NamedTuple):
    """A decoded photo: what images.parquet and the packed photos keep of it."""

    encoded: bytes  # JPEG, photo_size × photo_size
    array: np.ndarray  # (3, array_size, array_size) uint8
    pixel_hash: str  # of the square's pixels: equal for copies, whatever their container
    width: int
    height: int
    format: str


def square_photo(path: Path, params: dict) -> Square | str:
    """Decode one photo into its square forms; the reason as a string if it cannot be used."""
    try:
        picture, (width, height), format_name = decode_photo(path, **limits_of(params))
    except UnusablePhoto as reason:
        return str(reason)
    return Square(
        to_jpeg(picture, params["jpeg_quality"]),
        to_array(picture, params["array_size"]),
        hashlib.sha256(picture.tobytes()).hexdigest()[:32],
        width,
        height,
        format_name,
    )


def square_photos(paths: list[Path], params: dict) -> Iterator[Square | str]:
    """Decode photos on every core or worker, in order; memory holds what was not yet taken."""
    tasks = [paths[i : i + PHOTOS_PER_TASK] for i in range(0, len(paths), PHOTOS_PER_TASK)]
    parallel = joblib.Parallel(n_jobs=worker_count(), return_as="generator")
    with progress(total=len(paths), desc="decode", unit="photo") as bar:
        try:
            for squares in parallel(joblib.delayed(_square_task)(task, params) for task in tasks):
                bar.update(len(squares))
                yield from squares
        except BrokenProcessPool:
            raise ClickException(
                "a process that decodes photos was ended, perhaps for want of memory: run it again "
                "with fewer (WORKERS=1)"
            ) from None


def _square_task(paths: list[Path], params: dict) -> list[Square | str]:
    return [square_photo(path, params) for path in paths]


def read_log(path: Path, product_ids: pd.Series) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the log of interactions with known products, and rejects; without rows if no file."""
    if path.exists():
        table = read_table(path)
        log, rejects = check_interactions(table, path, product_ids, ID_RULES)
        check_nothing_lost(path, len(table), len(log), len(rejects))
        return log, rejects
    nothing = pd.DataFrame({name: pd.Series(dtype="str") for name in COLUMNS})
    return nothing.astype({"timestamp": "datetime64[us]"}), reject_files([], [])


def clean(raw: Path, out: Path, *, params: dict) -> dict:
    """Clean the folder `raw` into the folder `out`; return the metrics.

    Every product, row and file of `raw` is in an output or in rejects.csv: products in = products
    out + rejects, and likewise for rows of Images.csv and for files.
    Raises ClickException for a fault that no single row can be blamed for.
    """
    table = read_table(raw / "Products.csv")
    missing = table.isna().sum()
    rows, rejected_products = check_rows(
        table, products_schema(labelled=True, id_rules=ID_RULES), raw / "Products.csv"
    )
    products = clean_products(rows, placeholder_above=params["placeholder_above"])

    images, rejected_images, files = read_images(raw, products["product_id"])
    paths, ids = images["path"].tolist(), images["id"].tolist()
    kept: list[tuple] = []
    unusable: dict[int, str] = {}

    def usable() -> Iterator[tuple[str, bytes, np.ndarray]]:
        for row, square in enumerate(square_photos(paths, params)):
            if isinstance(square, str):
                unusable[row] = square
            else:
                kept.append((row, *square[2:]))
                yield ids[row], square.encoded, square.array

    packed = pack_photos(usable(), out / "photos", array_size=params["array_size"])

    details = pd.DataFrame(kept, columns=["row", "pixel_hash", "width", "height", "format"])
    usable_images = images.loc[details["row"]].reset_index(drop=True)
    created = usable_images.get("create_time", pd.Series(pd.NA, index=usable_images.index))
    pd.DataFrame(
        {
            "image_id": usable_images["id"],
            "product_id": usable_images["product_id"],
            "created": pd.to_datetime(created, errors="coerce", format="ISO8601").dt.as_unit("s"),
            **details.drop(columns="row"),
        }
    ).to_parquet(out / "images.parquet", index=False)
    products.to_parquet(out / "products.parquet", index=False)
    log, rejected_events = read_log(raw / "interactions.csv", products["product_id"])
    log.to_parquet(out / "interactions.parquet", index=False)

    rejects = pd.concat(
        [
            rejected_products,
            rejected_images,
            rejected_events,
            reject_files([paths[row] for row in unusable], list(unusable.values())),
        ],
        ignore_index=True,
    )
    rejects.to_csv(out / "rejects.csv", index=False, lineterminator="\n")

    in_images_csv = rejects["source"].eq("Images.csv").sum()
    in_folder = rejects["source"].str.startswith("images/").sum()
    no_file = rejects["reason"].eq("no file in images/").sum()
    check_nothing_lost(raw / "Products.csv", len(table), len(products), len(rejected_products))
    check_nothing_lost(raw / "images", len(images), packed, len(unusable))
    reasons = Counter(reason.partition(" (")[0] for reason in rejects["reason"])
    return {
        "products": {
            "read": len(table),
            "kept": len(products),
            "rejected": len(rejected_products),
            "missing_values": {column: int(count) for column, count in missing.items()},
            "placeholder_prices": int(products["price_is_placeholder"].sum()),
            "without_photo": int((~products["product_id"].isin(usable_images["product_id"])).sum()),
        },
        "photos": {
            "files": files,
            "rows": len(images) + int(in_images_csv),
            "kept": packed,
            "rejected_files": int(in_folder),
            "rejected_rows": int(in_images_csv),
            "rows_without_file": int(no_file),
        },
        "interactions": {
            "read": len(log) + len(rejected_events),
            "kept": len(log),
            "rejected": len(rejected_events),
        },
        "rejected": dict(reasons),
    }


@stage
def main() -> str:
    dataset, params = load_params("dataset", "clean")
    with replace_when_done(OUT) as out, cluster():
        out.mkdir()
        metrics = clean(Path("data") / dataset / "raw", out, params=params)
    write_json(Path("metrics/clean.json"), {"dataset": dataset, **metrics})
    return (
        f"{metrics['products']['kept']} products and {metrics['photos']['kept']} photos in {OUT}, "
        f"{sum(metrics['rejected'].values())} rejects in {OUT / 'rejects.csv'}"
    )


if __name__ == "__main__":
    main()
