"""Add the searches and events that the service recorded to the raw logs of the dataset.

In:  the service's database (EVENTS_URL by default), section `input` of params.yaml.
Out: data/<dataset>/raw: searches.csv and interactions.csv, or the files of these logs that it has.
     New rows go below the others, which stay as they are; a row that a file has is not added again
     (searches by search_id, events by user, product, event and second). erased_users.json holds
     hashes of the users whose data was erased, whose earlier rows stage clean leaves out.

Once a night:
  python -m market.pull_logs && dvc add data/mine/raw && dvc repro
"""

from __future__ import annotations

from pathlib import Path

import click

from market.core.errors import MarketError
from market.core.extras import needs_extra
from market.core.fold_settings import EVENTS_URL
from market.core.params import load_params
from market.core.paths import SAMPLE_RAW, raw_folder
from market.core.stage import stage
from market.data.raw_folder import RawFolder


def _next_step(raw: Path) -> str:
    """Return the command that brings the new rows into the models."""
    tracked = raw.with_name(f"{raw.name}.dvc")
    return f"`dvc add {raw}`, then `dvc repro`" if tracked.exists() else "`dvc repro`"


@stage
@click.option("--store", help="SQLAlchemy URL of the service's database; by default EVENTS_URL.")
@click.option("--raw", type=click.Path(path_type=Path), help="Raw folder; by default the dataset's")
def main(store: str | None, raw: Path | None) -> str:
    dataset, settings, input_settings = load_params("dataset", "pull_logs", "input")
    raw = raw or raw_folder(dataset)
    if raw.resolve() == SAMPLE_RAW.resolve():
        raise MarketError(
            f"{raw} is the output of stage sample, which would remove the rows: set dataset in "
            "params.yaml to your own, name its folder in --raw, or set pull_logs.store in "
            "params.yaml, so that stage pull_logs brings the rows"
        )
    with needs_extra("service"):
        from market.service.log_pulling import pull_logs
    key = "--store" if store else "pull_logs.store" if settings.store else "EVENTS_URL"
    pulled = pull_logs(store or settings.store or EVENTS_URL, key, RawFolder(raw, input_settings))
    if not pulled.searches and not pulled.events:
        return f"{raw} has all searches and events already"
    return (
        f"{pulled.searches} searches and {pulled.events} events added to {raw}; next: "
        f"{_next_step(raw)}"
    )


if __name__ == "__main__":
    main()
