"""Print the headline metrics of the last run, each beside its baselines and its n.

In:  metrics/*.json. With --readme FOLDER: FOLDER/*.json, and FOLDER/splits/<seed>/*.json of other
     splits of the same data.
Out: a table on standard output. With --save FOLDER: a copy of metrics/*.json in FOLDER. With
     --readme FOLDER: its headline metrics between the markers in README.md, and all its metrics in
     FOLDER/README.md. With --card FILE: a model card in FILE.
"""

from __future__ import annotations

from pathlib import Path

import click

from market.core.atomic import replace_when_done, write_json
from market.core.errors import MarketError
from market.core.paths import METRICS, README
from market.core.stage import stage
from market.reporting.headline_metrics import read_metrics
from market.reporting.model_card import render_card
from market.reporting.tables import README_TABLE, headline_table, insert_table, results_readme

FOLDER = click.Path(path_type=Path)


@stage
@click.option("--save", type=FOLDER, help="Copy the metrics into this folder.")
@click.option("--readme", type=FOLDER, help="Write README.md's table from this folder's metrics.")
@click.option("--card", type=FOLDER, help="Write a model card from the metrics of --readme.")
def main(save: Path | None, readme: Path | None, card: Path | None) -> str:
    if card is not None and readme is None:
        raise MarketError("--card has no metrics to show: add --readme FOLDER")
    metrics = read_metrics(METRICS)
    click.echo(headline_table([metrics], "simple"))
    if save is not None:
        save.mkdir(parents=True, exist_ok=True)
        for name, content in metrics.items():
            write_json(save / f"{name}.json", content)
    if readme is not None:
        write_documents(readme, card)
    return f"{len(metrics)} stages with metrics in {METRICS}/"


def write_documents(folder: Path, card: Path | None) -> None:
    """Write the table in README.md, the folder's own README, and the model card if `card` is given.

    Parameters
    ----------
    folder
        Holds the metrics of a run, and those of other splits in splits/<seed>/.
    card
        The file of the model card.
    """
    splits = [read_metrics(path) for path in (folder, *sorted(folder.glob("splits/*/")))]
    table = headline_table(splits, "github")
    documents = {
        README: insert_table(README.read_text(encoding="utf-8"), README_TABLE, table),
        folder / "README.md": results_readme(splits, folder),
    }
    if card is not None:
        documents[card] = render_card(splits[0], folder, card, table)
    for path, text in documents.items():
        with replace_when_done(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
