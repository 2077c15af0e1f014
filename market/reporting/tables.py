"""Tables of metrics for the terminal, for README.md and for the results folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from market.core.errors import MarketError
from market.models.metrics import spread
from market.reporting.headline_metrics import (
    FACTS,
    HEADLINES,
    Headline,
    Metrics,
    best_baseline,
    headline_scores,
    value_at,
)

README_TABLE = "results"  # name of the markers around the table in README.md
SYNTHETIC = " (synthetic data: these scores do not predict those on a real marketplace)"


def headline_table(splits: Sequence[Metrics], style: str) -> str:
    """Return the headline metrics as a table, below a line that names the dataset and the splits.

    Headlines that a dataset cannot measure have no row.

    Parameters
    ----------
    splits
        The metrics of one or more splits of a dataset. The table shows the first, and the mean
        and standard deviation over all of them.
    style
        A table format of `tabulate`, such as "github".
    """
    metrics = splits[0]
    headers = ["task, on test products", "measure", "model"]
    headers += [f"{len(splits)} splits"] * (len(splits) > 1)
    headers += ["simple baseline", "trivial baseline", "n"]
    rows: list[list[Any]] = []
    last_title = ""
    for headline in HEADLINES:
        score, _, trivial, n = headline_scores(metrics, headline)
        if score is None:
            continue
        row = ["" if headline.title == last_title else headline.title, headline.measure, score]
        row += [mean_and_deviation(splits, headline.model)] * (len(splits) > 1)
        rows.append([*row, _baseline_cell(metrics, headline), trivial, n])
        last_title = headline.title
    align = ["left", "left", *["right"] * (len(headers) - 2)]
    table = tabulate(rows, headers, tablefmt=style, floatfmt=",.3f", missingval="–", colalign=align)
    return f"{_caption(splits)}\n\n{table}{sanity_check(metrics)}"


def _baseline_cell(metrics: Metrics, headline: Headline) -> str | None:
    name, score = best_baseline(metrics, headline)
    if score is None:
        return None
    return f"{score:,.3f} ({name})" if name else f"{score:,.3f}"


def _caption(splits: Sequence[Metrics]) -> str:
    dataset = value_at(splits[0], FACTS["dataset"])
    caption = f"dataset: {dataset}" + (SYNTHETIC if dataset == "sample" else "")
    seeds = [value_at(metrics, FACTS["split_seed"]) for metrics in splits]
    if seeds[0] is not None:
        caption += f"; split seed {seeds[0]}"
    if len(splits) > 1:
        caption += (
            f"; mean ± standard deviation over the split seeds {', '.join(map(str, sorted(seeds)))}"
            f"; settings were chosen on split {seeds[0]} only"
        )
    return caption


def mean_and_deviation(splits: Sequence[Metrics], path: str) -> str | None:
    """Return mean ± sample standard deviation of the number at a path.

    None if there is one split only, or if a split does not have the number.
    """
    values = [value_at(metrics, path) for metrics in splits]
    if len(values) < 2 or None in values:
        return None
    scores = spread([float(value) for value in values])
    return f"{scores['mean']:,.3f} ± {scores['std']:,.3f}"


def sanity_check(metrics: Metrics) -> str:
    """Return a paragraph on simulated users; empty if a run did not simulate any."""
    by_length = value_at(metrics, FACTS["simulated_users"])
    if not isinstance(by_length, dict):
        return ""
    # JSON sorts its keys as text: "after_10" before "after_3".
    by_events = sorted((int(key.removeprefix("after_")), key) for key in by_length)
    events = [str(count) for count, _ in by_events]
    scores = [by_length[key]["model"]["ndcg@10"] for _, key in by_events]
    n = by_length[by_events[0][1]]["model"]["n"]
    return (
        "\n\nSanity check, not a result: simulated users choose by the same features that the "
        f"ranker reads.\nNDCG@10 of {n:,} simulated users after {', '.join(events)} events: "
        f"{', '.join(f'{score:.3f}' for score in scores)}."
    )


def number_paths(metrics: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the path of every number in nested metrics.

    Examples
    --------
    >>> list(number_paths({"test": {"accuracy": 0.9, "n": 10}, "seed": 42}))
    ['test.accuracy', 'test.n', 'seed']
    """
    for key, value in metrics.items():
        if isinstance(value, dict):
            yield from number_paths(value, f"{prefix}{key}.")
        elif isinstance(value, int | float):
            yield f"{prefix}{key}"


def full_table(splits: Sequence[Metrics]) -> str:
    """Return a Markdown table of every number of the first split, beside the other splits."""
    rows = [
        [
            f"`{path}`",
            *(_number_cell(value_at(metrics, path)) for metrics in splits),
            mean_and_deviation(splits, path),
        ]
        for path in number_paths(splits[0])
    ]
    seeds = [value_at(metrics, FACTS["split_seed"]) for metrics in splits]
    headers = ["metric", *(f"split {seed}" for seed in seeds), "mean ± standard deviation"]
    align = ["left", *["right"] * (len(headers) - 1)]
    return tabulate(
        rows, headers, tablefmt="github", missingval="–", colalign=align, disable_numparse=True
    )


def _number_cell(number: float | None) -> str | None:
    if number is None:
        return None
    return f"{number:,.4f}" if isinstance(number, float) else f"{number:,}"


def results_readme(splits: Sequence[Metrics], folder: Path) -> str:
    """Return the README of a results folder: every metric that it holds."""
    return (
        "# Every metric of the last run\n\n"
        f"Generated by `python -m market.summarize --readme {folder.as_posix()}` from the JSON "
        f"files in this folder.\n\n{full_table(splits)}\n"
    )


def insert_table(document: str, name: str, table: str) -> str:
    """Return a Markdown document with `table` in place of the text between two markers.

    Parameters
    ----------
    document
        Has the lines `<!-- name: begin -->` and `<!-- name: end -->`.
    name
        The name in the markers.
    table
        The new text between them.

    Raises
    ------
    MarketError
        If the document lacks one of the markers.

    Examples
    --------
    >>> document = "before <!-- results: begin -->old<!-- results: end --> after"
    >>> print(insert_table(document, "results", "new"))
    before <!-- results: begin -->
    new
    <!-- results: end --> after
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, begin_found, rest = document.partition(begin)
    _, end_found, after = rest.partition(end)
    if not (begin_found and end_found):
        raise MarketError(f"no {begin} … {end} in the document: add both where the table belongs")
    return f"{before}{begin}\n{table}\n{end}{after}"
