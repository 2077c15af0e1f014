"""Index every listing for search by words, text and image vectors, and place.

In:  data/merged/listings.parquet, data/clean/photos (packed), data/embeddings/.
Out: models/index/ (market.search.index.SearchIndex; unknown_places.csv in it lists the locations
     that the gazetteer does not know), metrics/index.json.
"""

from __future__ import annotations

import click
import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from market.core import paths
from market.core.atomic import write_json
from market.core.formats import Formats
from market.core.params import load_params
from market.core.stage import stage
from market.core.torch_setup import set_up_torch
from market.data.photo_store import PhotoStore
from market.search.index import SearchIndex, index_columns
from market.search.locations import warn_of_unknown_places


@stage
def main() -> str:
    settings, currency, language, country = load_params(
        "index", "input.currency", "input.language", "input.country"
    )
    paths.require(paths.LISTINGS, paths.PHOTOS, paths.TEXT_EMBEDDINGS, paths.PHOTO_EMBEDDINGS)
    device = set_up_torch(settings.seed)
    columns = index_columns(pq.read_schema(paths.LISTINGS).names)
    index, metrics = SearchIndex.build(
        pd.read_parquet(paths.LISTINGS, columns=columns),
        PhotoStore(paths.PHOTOS),
        pd.read_parquet(paths.TEXT_EMBEDDINGS),
        np.load(paths.PHOTO_EMBEDDINGS, mmap_mode="r"),
        settings,
        formats=Formats(currency, language, country),
        device=str(device),
    )
    index.save(paths.SEARCH_INDEX)
    write_json(paths.METRICS / "index.json", metrics)
    if warning := warn_of_unknown_places(index.listings, country, str(paths.SEARCH_INDEX)):
        click.echo(warning, err=True)
    return (
        f"indexed {metrics['listings']} listings and {metrics['photos']} photos; "
        f"{metrics['listings'] - metrics['placed']} listings without a known place"
    )


if __name__ == "__main__":
    main()
