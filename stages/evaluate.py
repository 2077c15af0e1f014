"""Evaluate search, similar photos and recommendations, each beside simple baselines.

In:  models/rank, models/index, models/embed, data/merged/listings.parquet,
     data/clean/interactions.parquet.
Out: metrics/evaluate.json. Intervals are 95 % bootstrap intervals over queries or users.

search. Category names as queries ("Mirrors, Clocks & Ornaments"): the listings of that leaf are
relevant; no category is indexed. Known items: 2 to 4 words of a test product's name; every listing
of that name is relevant. Each query is scored with weights that were chosen without it.
without_other leaves out the category names that begin with "Other": no listing's text resembles
"Other Goods".

photo_to_photo. The second photo of a test product must find its first among all photos, copies of
the second left out. Nothing was fitted on which product a photo belongs to.

personalised. `log` is a split by time: all models were fitted on the events before a cut-off. A
user is scored by the first listing after it that is new to them; candidates and features are as of
the time of that event. `new_users` have no event before the cut-off and are scored apart.
`leave_last_out` holds out each user's last new listing instead. There, later events of other users
leak into the models, so it only stands beside the headline. Baselines: random; popular, the
listings with most events; recent_popular, those with most events in a window whose length was
chosen before the cut-off; unpersonalised, the same ranker without a history.

Without a log, users are simulated, which is a sanity check and not a result: they draw from what
the ranker's own features measure. Each of a user's next listings is to be found by itself, after a
history of 0, 1, 3 or 10 events; `gain` is what a longer history gained over the one before, paired
by user.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from market.core.atomic import write_json
from market.core.params import load_params
from market.core.paths import (
    EXPECTED_PRICES,
    INTERACTIONS,
    LISTINGS,
    METRICS,
    PHOTO_EMBEDDER,
    RANKER,
    SEARCH_INDEX,
    require,
)
from market.core.stage import stage
from market.core.torch_setup import set_up_torch
from market.search.cases import log_of_listings
from market.search.encoders import CachedTextEncoder
from market.search.engine import Engine
from market.search.evaluation import (
    evaluate_log,
    evaluate_photos,
    evaluate_searches,
    evaluate_simulated,
)
from market.search.evaluation_queries import encode_queries
from market.search.ranking_models import EvaluationModels

PHOTO_COLUMNS = ["product_id", "image_id", "photo_index", "pixel_hash", "split"]


def describe(methods: dict[str, dict[str, Any]], metric: str) -> str:
    """Return the model's value of a metric and its n, for the stage's last line."""
    model = methods.get("model")
    return f"{model[metric]:.3f} (n = {model['n']})" if model else "not evaluated: too little data"


@stage
def main() -> str:
    params = load_params("evaluate")
    require(LISTINGS, INTERACTIONS, EXPECTED_PRICES, SEARCH_INDEX, PHOTO_EMBEDDER, RANKER)
    set_up_torch(params.seed)
    reader = CachedTextEncoder.load(SEARCH_INDEX)
    engine = Engine.load(SEARCH_INDEX, RANKER, PHOTO_EMBEDDER, encode_text=reader)
    models = EvaluationModels.load(RANKER)
    log = log_of_listings(pd.read_parquet(INTERACTIONS), engine.listings)

    personalised = evaluate_log(
        engine, log, models.protocols, max_users=params.max_users, seed=params.seed
    )
    if not personalised:
        simulated = evaluate_simulated(engine, users=params.max_users, seed=params.seed)
        personalised = {"simulated": simulated}
    encode_queries(reader, [text for test in models.searches for text in test.queries])
    photos = pd.read_parquet(LISTINGS, columns=PHOTO_COLUMNS)
    metrics = {
        "search": evaluate_searches(engine, models.searches, seed=params.seed),
        "photo_to_photo": evaluate_photos(engine, photos, seed=params.seed),
        "personalised": personalised,
        "seed": params.seed,
    }
    write_json(METRICS / "evaluate.json", metrics)
    return (
        f"category names: NDCG@10 {describe(metrics['search']['category_names'], 'ndcg@10')}, "
        f"same-product photos: recall@1 {describe(metrics['photo_to_photo'], 'recall@1')}"
    )


if __name__ == "__main__":
    main()
