"""Write embeddings, predictions or recommendations of the whole marketplace as a Parquet file.

Run it in the project's folder after `dvc repro`. docs/python.md has the columns.
"""

from __future__ import annotations

import click

from market.export import embeddings, predictions, recommendations


@click.group(help=__doc__)
def main() -> None:
    pass


for command in (embeddings.main, predictions.main, recommendations.main):
    main.add_command(command)

if __name__ == "__main__":
    main(prog_name="python -m market.export")
