"""The report's section on the searches of users: rates, their course by day, and unmet queries."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from market.core.extras import needs_extra

with needs_extra("train"):
    from matplotlib.axes import Axes
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.ticker import PercentFormatter

from market.reporting.charts import FIRST, SECOND, Chart, draw
from market.search.analytics_tables import AnalyticsTables, nest_means
from market.search.engine import Engine
from market.search.unmet_queries import add_hints

MAX_QUERIES = 20  # in each table
KIND_TITLES = {
    "search": "search, in words and by photo",
    "recommendation": "recommendation",
    "similar": "similar listings",
    "suggest": "suggestions while typing",
}


def search_section(tables: AnalyticsTables, engine: Engine) -> dict[str, Any]:
    """Return the content of the section on searches.

    Parameters
    ----------
    tables
        What stage analyse wrote, with a search or more.
    engine
        Says what the listings have for queries without results.

    Returns
    -------
    dict
        `kinds`, `variants` and `queries`: rows of rates, the latter two of searches alone;
        `search_charts`; `unmet`: rows of queries without results, with hints.
    """
    unmet = add_hints(tables.without_results.head(MAX_QUERIES), engine)
    return {
        "kinds": [
            row | {"kind": KIND_TITLES.get(row["kind"], row["kind"])}
            for row in _rows(tables.rows())
        ],
        "variants": _rows(tables.rows("variant", "search")),
        "queries": [
            row | {"title": _query_title(row)}
            for row in _rows(tables.rows("query", "search").head(MAX_QUERIES))
        ],
        "search_charts": rates_by_day(tables.rows("day", "search")),
        "unmet": unmet.to_dict("records"),
    }


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [nest_means(row) for row in table.to_dict("records")]


def _query_title(row: dict[str, Any]) -> str:
    if row["pooled"]:
        return f"({row['pooled']:,.0f} queries of few users)"
    return row["group"] or "(no words)"


def rates_by_day(days: pd.DataFrame) -> list[Chart]:
    """Return charts of the number of searches and of their rates; none for a single day.

    Parameters
    ----------
    days
        A row for each day with searches: group (the day, ISO 8601), searches, ctr, zero_results.
    """
    if len(days) < 2:
        return []
    times = pd.to_datetime(days["group"])
    period = f"from {days['group'].iloc[0]} to {days['group'].iloc[-1]}"

    def plot_counts(axes: Axes) -> None:
        axes.bar(times, days["searches"], color=FIRST)
        axes.grid(visible=False, axis="x")
        _show_days(axes)

    def plot_rates(axes: Axes) -> None:
        for name, label, colour in (
            ("ctr", "CTR", FIRST), ("zero_results", "no results", SECOND),
        ):  # fmt: skip
            axes.plot(times, days[name], color=colour, label=label)
            low, high = days[f"{name}_low"], days[f"{name}_high"]
            axes.fill_between(times, low, high, color=colour, alpha=0.2, linewidth=0)
        axes.set_ylim(0, None)
        axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        _show_days(axes)

    ctr, zero = (100 * np.average(days[name], weights=days["searches"])
                 for name in ("ctr", "zero_results"))  # fmt: skip
    return [
        draw(
            plot_counts,
            title="Searches by day",
            description=f"{days['searches'].sum():,} searches {period}.",
            x_label="day (UTC)",
            y_label="searches",
        ),
        draw(
            plot_rates,
            title="CTR and searches without results by day",
            description=f"{period.capitalize()}: on average {ctr:.1f} % of searches with a click, "
            f"{zero:.1f} % without results. Bands are 95 % intervals.",
            x_label="day (UTC)",
            y_label="share of searches",
        ),
    ]


def _show_days(axes: Axes) -> None:
    locator = AutoDateLocator(minticks=3, maxticks=6)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
