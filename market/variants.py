"""Bring the ranking models of another revision, to serve them as variant B of an experiment.

In:  NAME, a git revision, a DVC experiment or a registered version, whose models/rank comes from
     DVC's cache or remote.
Out: models/variants/NAME. VARIANT_B=NAME serves it (docs/compare.md). The workspace stays as
     it is.
"""

from __future__ import annotations

import click

from market.core.paths import SEARCH_INDEX, require
from market.core.stage import stage
from market.search.model_registry import ModelRegistry


@stage
@click.argument("name")
def main(name: str) -> str:
    require(SEARCH_INDEX)
    folder = ModelRegistry().bring_variant(name)
    return f"brought the models of {name} into {folder}: VARIANT_B={name} serves them"


if __name__ == "__main__":
    main()
