"""Check and type the tables of the raw folder, decode each photo once, and list the rejects.

In:  data/<dataset>/raw (Products.csv, Images.csv, images/ and, optionally, interactions.csv and
     searches.csv),
     data/changes (changes of the live catalogue, which replace, remove and add rows), data/logs
     (searches and events of the service, which add rows).
Out: data/clean/ products.parquet, images.parquet, interactions.parquet and searches.parquet (empty
     without such a log), frequent_searches.parquet (queries of many users, for suggestions),
     photos/ (packed squares), rejects.csv; metrics/clean.json. After an error data/clean stays as
     it was, and data/clean.rejects.csv holds the rejects up to there.
"""

from __future__ import annotations

import click

from market.core.atomic import replace_when_done, write_json
from market.core.cluster import cluster
from market.core.errors import MarketError
from market.core.params import load_params
from market.core.paths import (
    CHANGES,
    CLEAN,
    LOGS,
    METRICS,
    REJECTS,
    REJECTS_OF_ERROR,
    raw_folder,
)
from market.core.stage import stage
from market.data.catalogue_changes import CatalogueChanges
from market.data.cleaning import Cleaner
from market.data.pulled_logs import PulledLogs


@stage
def main() -> str:
    dataset, settings, input_settings = load_params("dataset", "clean", "input")
    changes = CatalogueChanges.load(CHANGES)
    pulled = PulledLogs.load(LOGS)
    cleaner = Cleaner(raw_folder(dataset), settings, input_settings, changes, pulled)
    REJECTS_OF_ERROR.unlink(missing_ok=True)  # of an earlier run
    try:
        with replace_when_done(CLEAN) as out, cluster():
            out.mkdir()
            metrics, messages = cleaner.run(out)
    except MarketError as error:
        raise MarketError(f"{error}{cleaner.save_rejects(REJECTS_OF_ERROR)}") from None
    for message in messages:
        click.echo(message)
    write_json(METRICS / "clean.json", {"dataset": dataset, **metrics})
    products, photos = metrics["products"]["kept"], metrics["photos"]["kept"]
    rejects = sum(metrics["rejected"].values())
    return f"{products} products and {photos} photos in {CLEAN}, {rejects} rejects in {REJECTS}"


if __name__ == "__main__":
    main()
