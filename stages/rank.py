"""Fit the ranker to a log of interactions, if there is one, and to queries with known answers.

In:  models/index, models/embed, data/merged/listings.parquet, data/clean/interactions.parquet,
     data/clean/searches.parquet, rules.yaml.
Out: models/rank: the ranker and the collaborative model that are served, which have learned from
     the whole log, and the models that stage evaluate scores; metrics/rank.json, which also says
     what the rules of rules.yaml cost in NDCG@10.

The weights of the query features, and where the results of a search end, are chosen on the names
of categories and of train products, and on photos of train products. If there is a log of searches
with clicks, all weights then learn from it, provided that this helps on queries that were held out.
Stage evaluate scores models that have not learned from the events and queries they are scored on: a
ranker and a collaborative model for each protocol, query weights and a cut-off for each half of the
category names, and a ranker that learned from the searches before a cut-off.
"""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from market.core.atomic import replace_when_done, write_json
from market.core.params import load_params
from market.core.paths import (
    EXPECTED_PRICES,
    INTERACTIONS,
    LISTINGS,
    METRICS,
    PHOTO_EMBEDDER,
    RANKER,
    RULES,
    SEARCH_INDEX,
    require,
)
from market.core.stage import stage
from market.core.torch_setup import set_up_torch
from market.data.searches import read_searches
from market.search.cases import log_of_listings
from market.search.encoders import CachedTextEncoder
from market.search.engine import Engine
from market.search.evaluation_queries import encode_queries, read_split
from market.search.fitting import (
    TuningQueries,
    fit_collaborative,
    fit_protocols,
    tune_weights,
)
from market.search.ranker import Ranker
from market.search.ranking_models import (
    LEAVE_LAST_OUT,
    SPLIT_BY_TIME,
    EvaluationModels,
    RankingModels,
)
from market.search.relevance_fitting import draw_photo_queries, tune_relevance
from market.search.rules import Rules
from market.search.rules_cost import latest_day, rules_cost
from market.search.search_learning import learn_from_searches


@stage
def main() -> str:
    params = load_params("rank")
    require(LISTINGS, INTERACTIONS, EXPECTED_PRICES, SEARCH_INDEX, PHOTO_EMBEDDER)
    set_up_torch(params.seed)
    encoder = CachedTextEncoder.load(SEARCH_INDEX)
    engine = Engine.load(SEARCH_INDEX, None, PHOTO_EMBEDDER, encode_text=encoder)
    rules = Rules.load(RULES, engine.lexical.language.code)
    log = log_of_listings(pd.read_parquet(INTERACTIONS), engine.listings)

    protocols = fit_protocols(
        engine,
        log,
        test_share=params.test_share,
        max_users=params.max_users,
        seed=params.seed,
    )
    protocol = protocols.get(SPLIT_BY_TIME) or protocols.get(LEAVE_LAST_OUT)
    ranker = protocol.models.ranker if protocol else Ranker.prior()
    collaborative = fit_collaborative(log)
    engine = engine.with_ranker(ranker).with_collaborative(collaborative)

    split = read_split(LISTINGS, engine.listings["product_id"])
    queries = TuningQueries.draw(
        engine.listings,
        split,
        known_items=params.known_items,
        language=engine.lexical.language,
        seed=params.seed,
    )
    encode_queries(encoder, queries.texts())
    weights, searches = tune_weights(engine, queries)
    photos = draw_photo_queries(split, "train", params.seed)
    relevance, cutoffs, quality = tune_relevance(engine, queries, photos)
    searches = [replace(test, words=cutoff) for test, cutoff in zip(searches, cutoffs, strict=True)]

    learning = learn_from_searches(
        engine,
        read_searches(),
        log,
        searches,
        weights=weights,
        protocol=protocol,
        test_share=params.test_share,
        max_searches=params.max_searches,
        seed=params.seed,
    )

    with replace_when_done(RANKER) as folder:
        RankingModels(learning.ranker, collaborative, relevance).save(folder)
        EvaluationModels(learning.tests, protocols, learning.later).save(folder)
    learned = protocol is not None and protocol.learned
    metrics = {
        "learned": learned,
        "n": protocol.n_choices if protocol else 0,
        "seed": params.seed,
        "weights": {name: learning.ranker.weights[name] for name in weights},
        "relevance": quality,
        "searches": learning.summary(seed=params.seed),
    }
    engine = engine.with_ranker(learning.ranker)
    tests = learning.tests
    metrics["rules"] = rules_cost(engine, rules, tests, day=latest_day(engine), seed=params.seed)
    write_json(METRICS / "rank.json", metrics)
    source = f"learned from {metrics['n']:,} choices of users" if learned else "prior weights"
    source += learning.outcome()
    not_by_time = "; the log cannot be split by time: only leave_last_out will be evaluated"
    return source + (not_by_time if protocols and SPLIT_BY_TIME not in protocols else "")


if __name__ == "__main__":
    main()
