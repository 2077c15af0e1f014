"""Write a synthetic export of a German, American, French or Japanese marketplace.

Its columns, prices, places, times, events and photos are written as such a marketplace would write
them. Use it to try out the pipeline on data that differs from the sample in every respect. One seed
gives the same bytes in every file.
"""

from __future__ import annotations

from pathlib import Path

import click
import yaml

from market.core.atomic import replace_when_done
from market.core.errors import MarketError
from market.core.stage import stage
from market.data.synthetic.exports import EXPORTS, FORMATS, write_export


@stage
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--marketplace", type=click.Choice(list(EXPORTS)), required=True)
@click.option("--listings", type=int, default=300, show_default=True, help="Number, at least 40.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of every random draw.")
@click.option("--format", "file_format", type=click.Choice(FORMATS), help="Of the tables.")
@click.option("--params", type=click.Path(path_type=Path), help="File for the section `input`.")
def main(
    folder: Path,
    marketplace: str,
    listings: int,
    seed: int,
    file_format: str | None,
    params: Path | None,
) -> str:
    if folder.exists():
        raise MarketError(f"{folder} exists: remove it, or name another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with replace_when_done(folder) as partial:
        section = write_export(partial, marketplace, listings, seed, file_format)
    if params is not None:
        text = yaml.safe_dump({"input": section}, allow_unicode=True, sort_keys=False)
        with replace_when_done(params) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return f"{listings} synthetic listings of a {marketplace} marketplace in {folder}"


if __name__ == "__main__":
    main()
