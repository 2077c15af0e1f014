"""What the rules of a shop cost in NDCG@10 on queries with known answers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from market.core.stage import progress
from market.search.candidate_features import request_time
from market.search.engine import Engine
from market.search.metrics import DEPTH, score_list
from market.search.ranking_models import SearchTest
from market.search.rules import Rules
from market.search.tuning import EVERYTHING

NO_DATE = date(2000, 1, 1)  # the day of rules where no listing and no event has a date


def latest_day(engine: Engine) -> date:
    """Return the latest day of the listings and the log, whose rules are measured.

    Today's rules would give other figures tomorrow, from the same data.
    """
    moment = request_time(None, engine.catalogue, engine.collaborative)
    return NO_DATE if pd.isna(moment) else moment.date()


def rules_cost(
    engine: Engine, rules: Rules, tests: Sequence[SearchTest], *, day: date, seed: int
) -> dict[str, Any]:
    """Score search with and without rules.

    Parameters
    ----------
    engine
        Without rules. Each test has a ranker that has not learned from its queries.
    rules
        The rules.
    tests
        Queries of one kind are averaged together.
    day
        The day whose rules apply.
    seed
        Of the queries.

    Returns
    -------
    dict
        `active`, the number of rules on the day, `day`, and `seed`. If any is active, for each kind
        of query: NDCG@10 `with` and `without` rules, `cost` (the difference; below 0 the rules
        help), `changed` (the number of queries whose first results differ) and `n`.
    """
    cost: dict[str, Any] = {"active": rules.count(day), "day": day.isoformat(), "seed": seed}
    if not cost["active"]:
        return cost
    ruled = engine.with_rules(rules, day)
    scores: dict[str, list[tuple[float, float, bool]]] = {}
    for test in tests:
        ranker = test.ranker(engine.ranker)
        engines = ruled.with_ranker(ranker), engine.with_ranker(ranker)
        for text, relevant in progress(test.queries.items(), desc="score rules", unit="query"):
            rankings = [
                [
                    hit.product_id
                    for hit in each.search(f"{text} ", filters=EVERYTHING, limit=DEPTH).hits
                ]
                for each in engines
            ]
            with_rules, without = (score_list(each, relevant)["ndcg@10"] for each in rankings)
            changed = rankings[0] != rankings[1]
            scores.setdefault(test.kind, []).append((with_rules, without, changed))
    for kind, values in scores.items():
        ruled_mean, plain_mean, _ = np.mean(values, axis=0)
        cost[kind] = {
            "with": float(ruled_mean),
            "without": float(plain_mean),
            "cost": float(plain_mean - ruled_mean),
            "changed": sum(changed for *_, changed in values),
            "n": len(values),
        }
    return cost
