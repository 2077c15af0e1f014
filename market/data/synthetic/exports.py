"""Files of the synthetic marketplaces of other countries, each written as its own export would be.

`write_export` also returns the section `input` of params.yaml that describes the export.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from market.core.errors import MarketError
from market.core.stage import progress
from market.data.synthetic.adverts import draw_adverts
from market.data.synthetic.draws import Rng, draw_flags, pick
from market.data.synthetic.export_formats import EXPORTS, Export
from market.data.synthetic.interactions import draw_interactions
from market.data.synthetic.photo_files import ODD_FILES, encode
from market.data.synthetic.pictures import draw_photo

MIN_LISTINGS = 40  # every trap finds a place
FORMATS = ("csv", "jsonl", "parquet")
ODD_SHARE = 0.03  # of the photos: files that are no plain JPEG, or no photo at all
ODD_KINDS = ("png", "progressive", "cmyk", "rotated", "truncated", "text")
README = "Everything in this folder is synthetic; its users are simulated.\n"


def write_export(
    folder: Path, marketplace: str, listings: int, seed: int, file_format: str | None = None
) -> dict[str, Any]:
    """Write a synthetic export: the same arguments give the same bytes.

    Parameters
    ----------
    folder
        The raw folder, created if absent.
    marketplace
        A key of EXPORTS.
    listings
        Number of listings, at least 40.
    seed
        Seed of every random draw.
    file_format
        Of the tables, one of FORMATS; None for the marketplace's own.

    Returns
    -------
    dict
        The section `input` of params.yaml that describes the export.

    Raises
    ------
    MarketError
        If `listings` is below 40.
    """
    if listings < MIN_LISTINGS:
        raise MarketError(f"{listings} listings are too few: draw at least {MIN_LISTINGS}")
    export = EXPORTS[marketplace]
    file_format = file_format or export.file_format
    rng = np.random.Generator(np.random.PCG64(seed))
    adverts = draw_adverts(rng, export.vocabulary, listings, step=export.step)
    table = export.table(rng, adverts)
    ids = table.iloc[:, 0]
    log = _draw_log(rng, export, adverts.assign(id=ids))
    folder.mkdir(parents=True, exist_ok=True)
    _write_photos(rng, export, folder, adverts.assign(id=ids))
    settings = _settings(export, file_format)
    for name, content in (("products", table), ("interactions", log)):
        text = _encoded(content, file_format, settings["encoding"], settings["separator"])
        (folder / settings[name]).write_bytes(text)
    (folder / "README.txt").write_text(README, encoding="utf-8")
    return settings


def _settings(export: Export, file_format: str) -> dict[str, Any]:
    """Return the section `input`, with the names of the tables in this format."""
    names = {
        name: f"{export.settings[name]}.{file_format}" for name in ("products", "interactions")
    }
    events = {own: event for event, own in export.events.items()}
    text = {"encoding": "utf-8", "separator": ","} if file_format != "csv" else {}
    return {
        **export.settings,
        **names,
        **text,
        "image_columns": {},
        "event_columns": export.log_columns,
        "events": events,
    }


def _draw_log(rng: Rng, export: Export, adverts: pd.DataFrame) -> pd.DataFrame:
    """Return the log of interactions under the marketplace's own names."""
    located = adverts["town"].fillna("").astype("str")
    products = pd.DataFrame(
        {
            "id": adverts["id"],
            "category": adverts["category"].map(" / ".join, na_action="ignore").fillna("none"),
            "colour": adverts["colour"],
            "location": located,
            "pounds": adverts["price"].fillna(0.0),
        }
    )
    log = draw_interactions(rng, products, sorted({*located} - {""}))
    log = log.assign(
        event=log["event"].map(export.events),
        timestamp=pd.to_datetime(log["timestamp"]).map(export.time),
    )
    return log.rename(columns=export.log_columns)


def _write_photos(rng: Rng, export: Export, folder: Path, adverts: pd.DataFrame) -> None:
    """Write every photo where the marketplace keeps it."""
    files = [
        (row, export.photo(row["id"], number))
        for row in adverts.to_dict("records")
        for number in range(1, row["photos"] + 1)
    ]
    odd = draw_flags(rng, len(files), ODD_SHARE)
    tracked = progress(files, desc="draw", unit="photo")
    for (row, name), is_odd in zip(tracked, odd, strict=True):
        photo = draw_photo(rng, row["shape"] or None, row["colour"], row["accent"])
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = pick(rng, ODD_KINDS) if is_odd else None
        path.write_bytes(ODD_FILES[kind](photo) if kind else encode(photo, quality=85))


def _encoded(table: pd.DataFrame, file_format: str, encoding: str, separator: str) -> bytes:
    """Return the bytes of a table in one of FORMATS."""
    if file_format == "parquet":
        buffer = io.BytesIO()
        table.to_parquet(buffer, index=False)
        return buffer.getvalue()
    if file_format == "jsonl":
        return table.to_json(orient="records", lines=True, force_ascii=False).encode()
    return table.to_csv(sep=separator, index=False, lineterminator="\n").encode(encoding)
