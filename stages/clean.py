"""Check and type the raw marketplace: tables to parquet, each photo decoded once, rejects listed.

In:  data/<dataset>/raw (Products.csv, Images.csv, images/ and, if there is one, interactions.csv).
Out: data/clean/ products.parquet, images.parquet, interactions.parquet (without rows if there is no
     log), photos/ (packed squares), rejects.csv; metrics/clean.json. If it ends in an error, the
     rejects known by then are in data/clean.rejects.csv, and the former data/clean stays.
"""

from __future__ import annotations

import difflib
import hashlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, NamedTuple

import click
import joblib
import numpy as np
import pandas as pd

from market.core.atomic import replace_when_done, write_json
from market.core.cluster import cluster
from market.core.errors import MarketError
from market.core.params import load_params
from market.core.stage import progress, stage
from market.core.workers import worker_count
from market.data.ids import ID_RULES
from market.data.images import UnusablePhoto, decode_photo, limits_of, to_array, to_jpeg
from market.data.interactions import (
    COLUMNS,
    EVENTS,
    columns_read,
    read_times,
    sort_interactions,
    unknown_events,
)
from market.data.listings import clean_products, has_price_to_learn, listing_faults
from market.data.photo_store import pack_photos
from market.data.tables import (
    IMAGES_SCHEMA,
    check_nothing_lost,
    check_rows,
    check_share,
    ignored_columns,
    products_schema,
    read_images,
    read_table,
    reject_files,
    say_ignored,
)

OUT = Path("data/clean")
REJECTS_OF_ERROR = Path("data/clean.rejects.csv")  # not an output: only an error leaves it
EVENTS_SHOWN = 10  # unknown ones, on the terminal: clean.json has all
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
            raise MarketError(
                "a process that decodes photos was ended, perhaps for want of memory: run it again "
                "with fewer (WORKERS=1)"
            ) from None


def _square_task(paths: list[Path], params: dict) -> list[Square | str]:
    return [square_photo(path, params) for path in paths]


def read_log(
    path: Path, product_ids: pd.Series, rejected_ids: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the log of interactions with known products, its rejects, and the table as read.

    All three are without rows where there is no file.
    """
    if path.exists():
        table = read_table(path)
        log, rejects = sort_interactions(
            table, path, product_ids, pd.Series(rejected_ids), id_rules=ID_RULES
        )
        check_nothing_lost(path, len(table), len(log), len(rejects))
        return log, rejects, table
    nothing = pd.DataFrame({name: pd.Series(dtype="str") for name in COLUMNS})
    return nothing.astype({"timestamp": "datetime64[us]"}), reject_files([], []), nothing


def read_created(images: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return when each photo was put in, as `read_times` does; missing in a table without it."""
    absent = pd.Series(pd.NA, index=images.index, dtype="str")
    times, faults = read_times(images.get("create_time", absent))
    return times.dt.as_unit("s"), faults


def check_prices(products: pd.DataFrame, path: Path, placeholder_above: float) -> None:
    """Raise MarketError if prices are placeholders by so many that the params must be wrong.

    That is: none is left to learn from, or no more than lie above `placeholder_above`. `path` is
    the table to name.
    """
    prices = int(products["price"].notna().sum())
    learned = int(has_price_to_learn(products).sum())
    above = int(products["price"].gt(placeholder_above).sum())
    if above and above >= learned:
        raise MarketError(
            f"{path}: {above} of {prices} prices are above clean.placeholder_above="
            f"{placeholder_above:g} and so taken for placeholders, which leaves {learned} to learn "
            "from: raise it in params.yaml"
        )
    if prices and not learned:
        raise MarketError(
            f"{path}: all {prices} prices look like placeholders (12345…, 11111…), which leaves "
            "none to learn from: correct them"
        )


def clean(
    raw: Path, out: Path, *, params: dict, rejected: list[pd.DataFrame] | None = None
) -> dict[str, Any]:
    """Clean the folder `raw` into the folder `out`; return the metrics.

    Every product, row and file of `raw` is in an output or in rejects.csv: products in = products
    out + rejects, and likewise for rows of Images.csv and for files. `rejected` gets the rejects as
    they become known, so that they are known after an error too. Raises MarketError for a fault
    that no single row can be blamed for, or if one reason refuses most of a table's rows.
    """
    rejected = [] if rejected is None else rejected
    allowed = params["max_rejected_share"]
    table = read_table(raw / "Products.csv")
    missing = table.isna().sum()
    rows, rejected_products = check_rows(
        table,
        products_schema(labelled=True, id_rules=ID_RULES),
        raw / "Products.csv",
        listing_faults(table),
    )
    rejected.append(rejected_products)
    # In order: the photos and events of refused products are refused too, and would be blamed.
    check_share(raw / "Products.csv", table, rejected_products, allowed=allowed, some=True)
    products = clean_products(rows, placeholder_above=params["placeholder_above"])
    check_prices(products, raw / "Products.csv", params["placeholder_above"])
    rejected_ids = rejected_products["id"].dropna().tolist()

    images, rejected_images, files, images_table = read_images(
        raw, products["product_id"], rejected_ids
    )
    rejected.append(rejected_images)
    of_rows = rejected_images[rejected_images["source"].eq("Images.csv")]
    check_share(raw / "Images.csv", images_table, of_rows, allowed=allowed, some=False)

    events = raw / "interactions.csv"
    log, rejected_events, log_table = read_log(events, products["product_id"], rejected_ids)
    rejected.append(rejected_events)
    if events.exists():
        check_share(events, log_table, rejected_events, allowed=allowed, some=True)

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

    rejected_photos = reject_files([paths[row] for row in unusable], list(unusable.values()))
    rejected.append(rejected_photos)
    check_share(raw / "Images.csv", images_table, rejected_photos, allowed=allowed, some=False)

    details = pd.DataFrame(kept, columns=["row", "pixel_hash", "width", "height", "format"])
    usable_images = images.loc[details["row"]].reset_index(drop=True)
    created, faults = read_created(usable_images)
    pd.DataFrame(
        {
            "image_id": usable_images["id"],
            "product_id": usable_images["product_id"],
            "created": created,
            **details.drop(columns="row"),
        }
    ).to_parquet(out / "images.parquet", index=False)
    products.to_parquet(out / "products.parquet", index=False)
    log.to_parquet(out / "interactions.parquet", index=False)
    rejects = pd.concat(rejected, ignore_index=True)
    rejects.to_csv(out / "rejects.csv", index=False, lineterminator="\n")

    tables = {
        "Products.csv": (table, list(products_schema(labelled=True).columns)),
        "Images.csv": (images_table, list(IMAGES_SCHEMA.columns)),
        "interactions.csv": (log_table.rename(columns=columns_read(log_table.columns)), COLUMNS),
    }
    ignored = {name: ignored_columns(*part) for name, part in tables.items()}
    unknown = unknown_events(log)
    unread = _count(faults[faults.ne("")])
    lines = [
        line
        for name, (columns, read) in tables.items()
        for line in say_ignored(raw / name, ignored[name], read, columns)
    ]
    for fault, count in unread.items():
        lines.append(f"{raw / 'Images.csv'}: create_time of {count} photos {fault}: left empty")
    if "event" not in tables["interactions.csv"][0]:
        lines.append(f"{events}: no column 'event': every row counts as a view")
    for line in lines + say_unknown_events(events, unknown):
        click.echo(line)

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
            "missing_create_times": int((created.isna() & faults.eq("")).sum()),
            "unread_create_times": unread,
        },
        "interactions": {
            "read": len(log) + len(rejected_events),
            "kept": len(log),
            "rejected": len(rejected_events),
            "unknown_events": unknown,
        },
        "ignored_columns": {name: columns for name, columns in ignored.items() if columns},
        "rejected": dict(reasons),
    }


def _count(values: pd.Series) -> dict[str, int]:
    return {str(value): int(count) for value, count in values.value_counts().items()}


def say_unknown_events(path: Path, unknown: dict[str, int]) -> list[str]:
    """Return a line for each of the commonest events without a weight, and one for the others."""
    known = f"weighted are {', '.join(EVENTS)}"
    lines = []
    for event, count in list(unknown.items())[:EVENTS_SHOWN]:
        near = difflib.get_close_matches(event.lower(), EVENTS, n=1)
        meant = f": rename it if {near[0]!r} is meant" if near else f" ({known})"
        lines.append(f"{path}: event {event!r:.60} ({count} rows) counts as a view{meant}")
    if (more := len(unknown) - EVENTS_SHOWN) > 0:
        lines.append(f"{path}: {more} other events count as views: metrics/clean.json has them")
    return lines


def keep_rejects(rejected: list[pd.DataFrame]) -> str:
    """Write the rejects of a run that ended in an error; return a clause that names the file."""
    rejects = pd.concat(rejected, ignore_index=True) if rejected else reject_files([], [])
    if rejects.empty:
        return ""
    try:
        with replace_when_done(REJECTS_OF_ERROR) as temporary:
            rejects.to_csv(temporary, index=False, lineterminator="\n")
    except (MarketError, OSError):  # as the disk that is full already ended the run
        return ""
    return f"; all rejects so far are in {REJECTS_OF_ERROR}"


@stage
def main() -> str:
    dataset, settings = load_params("dataset", "clean")
    params = settings.model_dump()
    raw = Path("data") / dataset / "raw"
    rejected: list[pd.DataFrame] = []
    REJECTS_OF_ERROR.unlink(missing_ok=True)  # a former run's
    try:
        with replace_when_done(OUT) as out, cluster():
            out.mkdir()
            metrics = clean(raw, out, params=params, rejected=rejected)
    except MarketError as error:
        raise MarketError(f"{error}" + keep_rejects(rejected)) from None
    write_json(Path("metrics/clean.json"), {"dataset": dataset, **metrics})
    return (
        f"{metrics['products']['kept']} products and {metrics['photos']['kept']} photos in {OUT}, "
        f"{sum(metrics['rejected'].values())} rejects in {OUT / 'rejects.csv'}"
    )


if __name__ == "__main__":
    main()
