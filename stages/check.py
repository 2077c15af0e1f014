"""Check that the raw folder of `dataset` exists, and is the export that `input` describes.

DVC removes the outputs of a stage before it looks at its inputs: without this check, a misspelt
dataset would remove data/clean and metrics/clean.json.

In:  data/<dataset>/raw.
Out: data/dataset.json, the name of the dataset.
"""

from __future__ import annotations

from market.core.atomic import write_json
from market.core.errors import MarketError
from market.core.params import load_params
from market.core.paths import DATASET, raw_folder
from market.core.stage import stage
from market.data.described_export import check_described


@stage
def main() -> str:
    dataset, input_settings = load_params("dataset", "input")
    raw = raw_folder(dataset)
    if not raw.is_dir():
        raise MarketError(
            f"{raw} does not exist: run `dvc pull`, or set `dataset` in params.yaml to a folder "
            "under data/ that has raw/Products.csv, raw/Images.csv and raw/images/"
        )
    check_described(raw, input_settings)
    write_json(DATASET, {"dataset": dataset})
    return f"{raw} exists"


if __name__ == "__main__":
    main()
