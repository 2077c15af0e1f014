"""Report what became of the logged searches: clicks, conversions, searches without results.

In:  data/clean/searches.parquet, data/clean/interactions.parquet.
Out: data/analytics, rates by kind, day, variant and query, and queries without results;
     metrics/analyse.json, the rates by kind of search. docs/serve.md#analytics defines them.

Without a log of searches, the tables have no rows. Queries of fewer than `analyse.min_users` users
are pooled, and left out of the queries without results.
"""

from __future__ import annotations

import pandas as pd

from market.core.atomic import replace_when_done, write_json
from market.core.params import load_params
from market.core.paths import ANALYTICS, INTERACTIONS, METRICS, SEARCHES, require
from market.core.stage import stage
from market.data.searches import clicks_of, read_searches
from market.search.analytics import SearchAnalytics
from market.search.analytics_tables import AnalyticsTables


@stage
def main() -> str:
    params = load_params("analyse")
    require(SEARCHES, INTERACTIONS)
    searches = read_searches()
    clicks = clicks_of(searches, pd.read_parquet(INTERACTIONS))
    analytics = SearchAnalytics.of(searches, clicks)
    tables = AnalyticsTables.of(analytics, min_users=params.min_users)
    with replace_when_done(ANALYTICS) as out:
        tables.save(out)
    metrics = {"searches": len(analytics.outcomes), "min_users": params.min_users}
    write_json(METRICS / "analyse.json", metrics | tables.summary())
    rates = tables.rows().set_index("kind")["ctr"]
    summary = ", ".join(f"{kind} {rate:.3f}" for kind, rate in rates.items())
    return f"{len(analytics.outcomes):,} searches; CTR: {summary or 'none'}"


if __name__ == "__main__":
    main()
