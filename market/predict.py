"""Score new listings, in the raw format, with the trained models: category and price.

In:  a folder with Products.csv and, if there are photos, Images.csv and images/ (category and price
     may be empty or absent); models/category, models/cnn, models/embed, models/price,
     models/text.
Out: a .csv or .parquet file with a row for each row of Products.csv: product_id, category, price in
     input.currency, price_low and price_high (target coverage: regress.coverage, 80 % by default,
     on average over listings like those of the training), price_flag (of the asking price:
     "placeholder", "far below", "far above" or empty), and p_<class>, the probability of each
     class. Beside it, <name>.rejects.csv lists unusable photos and unreadable prices, with the
     reason.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import pandas as pd

from market.core.atomic import replace_when_done
from market.core.cluster import cluster
from market.core.errors import MarketError
from market.core.params import load_params
from market.core.stage import stage
from market.core.torch_setup import set_up_torch
from market.data.listing_faults import price_faults
from market.data.photo_files import read_images
from market.data.raw_folder import RawFolder
from market.data.rejects import check_nothing_lost
from market.data.schemas import check_rows, products_schema
from market.models.predictor import Predictor


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write .csv or .parquet, whole or not at all."""
    with replace_when_done(path) as temporary:
        if path.suffix == ".parquet":
            table.to_parquet(temporary, index=False)
        else:
            table.to_csv(temporary, index=False, lineterminator="\n")


@stage
@click.option("--raw", type=click.Path(path_type=Path), required=True, help="Folder of listings.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help=".csv or .parquet")
def main(raw: Path, out: Path) -> str:
    if out.suffix not in (".csv", ".parquet"):
        raise MarketError(f"--out {out}: the name must end in .csv or .parquet")
    predictor = Predictor(set_up_torch(seed=0))
    folder, schema = RawFolder(raw, load_params("input")), products_schema(labelled=False)
    listings = folder.listings(labelled=False)
    rows, _ = check_rows(listings, schema)
    if rows.empty:
        raise MarketError(f"{listings.path} has no rows: add a row for each listing")
    # A listing with an unreadable price is predicted all the same; only its flag is missing.
    _, unread = check_rows(listings, schema, price_faults(listings, folder.settings))
    kept = listings.rows.index.isin(rows.index)
    images = read_images(folder, listings, kept, partial=True)
    photos = images.usable
    unread_columns = [*listings.unread_messages(), *images.table.unread_messages()]
    for line in [*unread_columns, *images.messages]:
        click.echo(line)
    with cluster():
        table, reasons = predictor(rows, photos["product_id"], photos["path"].tolist())
    check_nothing_lost(listings.path, len(listings.read), len(table), 0)
    check_nothing_lost(images.source.path, len(photos), len(reasons), 0)
    write_table(table, out)
    usable = np.array([reason is None for reason in reasons], dtype=bool)
    unusable = images.reject_photos(photos[~usable], [reason for reason in reasons if reason])
    rejects = pd.concat([unread, images.rejects, unusable], ignore_index=True)
    write_table(rejects, out.with_suffix(".rejects.csv"))
    without_photo = (~table["product_id"].isin(photos.loc[usable, "product_id"])).sum()
    return (
        f"{len(table)} products in {out}: {without_photo} without a usable photo, {len(unread)} "
        f"with an unreadable price; {len(rejects)} rejects"
    )


if __name__ == "__main__":
    main()
