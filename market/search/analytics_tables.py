"""The tables that stage analyse writes, for the report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from market.search.analytics import RATES, Grouping, SearchAnalytics

MEANS = (*RATES, "click_place")
RATES_FILE = "rates.parquet"
RATES_SCHEMA = pa.schema(
    [
        ("kind", pa.large_string()),
        ("grouping", pa.large_string()),  # kind, day, variant or query
        ("group", pa.large_string()),  # "" for the kind as a whole
        ("pooled", pa.int64()),
        ("searches", pa.int64()),
        ("users", pa.int64()),
        *((f"{name}{part}", kind) for name in MEANS for part, kind in (
            ("", pa.float64()), ("_n", pa.int64()), ("_low", pa.float64()), ("_high", pa.float64())
        )),
    ]
)  # fmt: skip
WITHOUT_RESULTS_FILE = "without_results.parquet"
WITHOUT_RESULTS_SCHEMA = pa.schema(
    [
        ("query", pa.large_string()),
        ("searches", pa.int64()),
        ("users", pa.int64()),
        ("last_seen", pa.timestamp("us")),  # UTC
        ("share", pa.float64()),
        ("with_filters", pa.int64()),
    ]
)


@dataclass(frozen=True, eq=False)
class AnalyticsTables:
    """Rates of all searches of a log, and the queries without results.

    Attributes
    ----------
    rates
        RATES_SCHEMA: the tables of `SearchAnalytics.rates`, one after the other.
    without_results
        WITHOUT_RESULTS_SCHEMA, as from `SearchAnalytics.queries_without_results`.
    """

    rates: pd.DataFrame
    without_results: pd.DataFrame

    @classmethod
    def of(cls, analytics: SearchAnalytics, *, min_users: int) -> AnalyticsTables:
        """Return the tables; queries of fewer than `min_users` users are pooled or left out."""
        groupings: tuple[Grouping | None, ...] = (None, "day", "variant", "query")
        tables = []
        for by in groupings:
            table = analytics.rates(by, min_users=min_users)
            group = "" if by is None else table[by]
            tables.append(table.assign(grouping=by or "kind", group=group))
        rates = pd.concat(tables, ignore_index=True).fillna({"pooled": 0})
        return cls(
            rates[RATES_SCHEMA.names], analytics.queries_without_results(min_users=min_users)
        )

    def rows(self, grouping: Grouping | None = None, kind: str | None = None) -> pd.DataFrame:
        """Return the rates of a grouping, by default by kind alone, of one kind or of all."""
        is_chosen = self.rates["grouping"].eq(grouping or "kind")
        if kind is not None:
            is_chosen &= self.rates["kind"].eq(kind)
        return self.rates[is_chosen]

    def summary(self) -> dict[str, Any]:
        """Return the rates by kind of search, as nested metrics."""
        rows = self.rows().set_index("kind").drop(columns=["grouping", "group", "pooled"])
        return {kind: nest_means(row) for kind, row in rows.to_dict("index").items()}

    def save(self, folder: Path) -> None:
        """Write the tables into a new folder."""
        folder.mkdir()
        for table, schema, name in (
            (self.rates, RATES_SCHEMA, RATES_FILE),
            (self.without_results, WITHOUT_RESULTS_SCHEMA, WITHOUT_RESULTS_FILE),
        ):
            content = pa.Table.from_pandas(table, schema, preserve_index=False)
            pq.write_table(content.replace_schema_metadata(), folder / name)

    @classmethod
    def load(cls, folder: Path) -> AnalyticsTables:
        """Read the tables that `save` wrote."""
        return cls(*(pd.read_parquet(folder / name) for name in (RATES_FILE, WITHOUT_RESULTS_FILE)))


def nest_means(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of `SearchAnalytics.rates` with a dict for each mean, and None for NaN.

    Examples
    --------
    >>> row = dict.fromkeys([f"{name}{part}" for name in MEANS for part in ("", "_n", "_low",
    ...     "_high")], 0.5)
    >>> nest_means({"searches": 8, **row})["ctr"]
    {'value': 0.5, 'n': 0.5, 'low': 0.5, 'high': 0.5}
    """
    nested = {name: value for name, value in row.items() if not name.startswith(MEANS)}
    for name in MEANS:
        values = row[name], row[f"{name}_low"], row[f"{name}_high"]
        value, low, high = (None if pd.isna(number) else float(number) for number in values)
        nested[name] = {"value": value, "n": row[f"{name}_n"], "low": low, "high": high}
    return nested
