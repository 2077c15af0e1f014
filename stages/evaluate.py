"""Evaluate search, similar photos and recommendations, each beside simple baselines.

In:  models/rank, models/index, models/embed, data/merged/listings.parquet,
     data/clean/interactions.parquet, data/clean/searches.parquet.
Out: metrics/evaluate.json. Intervals are 95 % bootstrap intervals over queries or users.

search. Category names as queries ("Mirrors, Clocks & Ornaments"): the listings of that leaf are
relevant; no category is indexed. Known items: 2 to 4 words of a test product's name; every listing
of that name is relevant. Each query is scored with weights that were chosen without it.
without_other leaves out the category names that begin with "Other", because no listing's text
resembles "Other Goods".

shown. Precision, recall and F1 of the results before their end, and their number, beside those of
all matches, for category names, known items and photos of test products. Each query is scored with
a cut-off that was chosen without it. Listings of a photo's category are relevant. For known items,
listings that may be right as well, of the same category or with all words of the query, do not
count.

photo_to_photo. The second photo of a test product must find its first one among all photos except
copies of the second. No model was fitted on which photos belong to one product.

searches. Searches after the cut-off whose queries no earlier search has: the listings that they
showed, in the order `shown`, by `bm25`, by the `prior` and by the `model` that learned from earlier
searches. A click counts 1 / examination of its place, as estimated before the cut-off. Searches
without a click count 0.

personalised. `log` is a split by time: all models were fitted on the events before a cut-off. The
target of a user is the first listing after the cut-off that is new to them; candidates and features
are as of the time of that event. `new_users` have no event before the cut-off and are scored apart.
`leave_last_out` holds out each user's last new listing instead. Later events of other users leak
into its models, so it is no headline metric. Baselines: random; popular, the listings with the most
events; recent_popular, the listings with the most events in a window whose length was chosen before
the cut-off; unpersonalised, the same ranker without a history.

Without a log, users are simulated, which is a sanity check and not a result: the ranker's own
features measure the preferences that they draw by. Each of a user's next listings is a target of
its own, after a history of 0, 1, 3 or 10 events; `gain` is the rise of NDCG@10 from the previous
length, paired by user.
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
from market.data.searches import read_searches
from market.search.cases import log_of_listings
from market.search.click_evaluation import evaluate_clicks
from market.search.encoders import CachedTextEncoder
from market.search.engine import Engine
from market.search.evaluation import (
    evaluate_log,
    evaluate_photos,
    evaluate_searches,
    evaluate_simulated,
)
from market.search.evaluation_queries import encode_queries, read_split
from market.search.ranking_models import EvaluationModels
from market.search.relevance_evaluation import evaluate_ends
from market.search.relevance_fitting import draw_photo_queries

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
    encoder = CachedTextEncoder.load(SEARCH_INDEX)
    engine = Engine.load(SEARCH_INDEX, RANKER, PHOTO_EMBEDDER, encode_text=encoder)
    models = EvaluationModels.load(RANKER)
    log = log_of_listings(pd.read_parquet(INTERACTIONS), engine.listings)

    personalised = evaluate_log(
        engine, log, models.protocols, max_users=params.max_users, seed=params.seed
    )
    if not personalised:
        simulated = evaluate_simulated(engine, users=params.max_users, seed=params.seed)
        personalised = {"simulated": simulated}
    encode_queries(encoder, [text for test in models.searches for text in test.queries])
    photos = pd.read_parquet(LISTINGS, columns=PHOTO_COLUMNS)
    split = read_split(LISTINGS, engine.listings["product_id"])
    metrics = {
        "searches": evaluate_clicks(
            engine,
            read_searches(),
            log,
            models.later_searches,
            max_searches=params.max_searches,
            seed=params.seed,
        ),
        "search": evaluate_searches(engine, models.searches, seed=params.seed),
        "shown": evaluate_ends(
            engine,
            models.searches,
            draw_photo_queries(split, "test", params.seed),
            seed=params.seed,
        ),
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
