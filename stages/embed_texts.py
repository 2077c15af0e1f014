"""Compute the vector of each listing's text with the sentence encoder, once for all trainings.

In:  data/clean/products.parquet.
Out: data/embeddings/text.parquet, product_id and a column for each of the vector's numbers;
     metrics/embed_texts.json.
"""

from __future__ import annotations

import pandas as pd

from market.core.atomic import replace_when_done, write_json
from market.core.cluster import cluster
from market.core.params import load_params
from market.core.paths import METRICS, PRODUCTS, TEXT_EMBEDDINGS, require
from market.core.stage import stage
from market.core.torch_setup import set_up_torch
from market.models.embeddings import write_text_embeddings
from market.models.text_encoder import TEXT_WIDTH


@stage
def main() -> str:
    params = load_params("embed_texts")
    require(PRODUCTS)
    set_up_torch(params.seed)
    products = pd.read_parquet(PRODUCTS, columns=["product_id", "name", "description"])
    with replace_when_done(TEXT_EMBEDDINGS) as path, cluster():
        write_text_embeddings(path, products, batch_size=params.batch_size, seed=params.seed)
    write_json(METRICS / "embed_texts.json", {"text_width": TEXT_WIDTH, "texts": len(products)})
    return f"{len(products)} texts, {TEXT_WIDTH} numbers each"


if __name__ == "__main__":
    main()
