"""Check that the folder of `dataset` is there, before anything made of another one is replaced.

DVC removes the outputs of a stage before it looks at its inputs. So `clean` alone would lose
data/clean and metrics/clean.json to a misspelt dataset; this stage has nothing to lose.

In:  data/<dataset>/raw.
Out: data/dataset.json, the name of the dataset.
"""

from __future__ import annotations

from pathlib import Path

from market.core.atomic import write_json
from market.core.errors import MarketError
from market.core.params import load_params
from market.core.stage import stage

OUT = Path("data/dataset.json")


@stage
def main() -> str:
    dataset = load_params("dataset")
    raw = Path("data") / dataset / "raw"
    if not raw.is_dir():
        raise MarketError(
            f"{raw} does not exist: `dvc pull` it, or set `dataset` in params.yaml to a folder "
            "under data/ that has raw/Products.csv, raw/Images.csv and raw/images/"
        )
    write_json(OUT, {"dataset": dataset})
    return f"{raw} is there"


if __name__ == "__main__":
    main()
