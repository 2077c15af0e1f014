"""Pairs of runs, plain and ours: their ratios as numbers, as a table and as a chart."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from cases import Case
from matplotlib import style
from matplotlib.figure import Figure
from measuring import median_and_range
from tabulate import tabulate

from market.core.errors import MarketError

MEASURED = {"seconds", "processor_seconds", "photos_per_second", "peak_mb"}
HEADERS = ["", "plain", "ours", "plain / ours", "aim", "plain, MB", "ours, MB", "memory"]
TICKS = (0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)

Pair = tuple[dict[str, float], dict[str, float]]


def summarise(case: Case, pairs: list[Pair]) -> dict[str, Any]:
    """Return the measurements of a case, and the ratios of each pair of neighbouring runs.

    Parameters
    ----------
    case
        What was run.
    pairs
        The results of the plain run and of ours: seconds, processor_seconds, peak_mb, perhaps
        photos_per_second, and computed values.

    Raises
    ------
    MarketError
        If a value that both sides compute, such as the number of groups, differs.
    """
    is_rate = "photos_per_second" in pairs[0][0]
    key = "photos_per_second" if is_rate else "seconds"
    plain_runs, our_runs = zip(*pairs, strict=True)
    computed = sorted(pairs[0][0].keys() - MEASURED)
    for name in computed:
        values = {run[name] for pair in pairs for run in pair if name in run}
        if len(values) > 1:
            raise MarketError(f"{case.title}: the two ways differ in {name}: {values}")
    ratios = [
        ours[key] / plain[key] if is_rate else plain[key] / ours[key] for plain, ours in pairs
    ]
    return {
        "title": case.title,
        "aim": case.aim,
        "unit": "photos/s" if is_rate else "s",
        "plain": [run[key] for run in plain_runs],
        "ours": [run[key] for run in our_runs],
        "ratio": ratios,
        "plain_processor_seconds": [run["processor_seconds"] for run in plain_runs],
        "ours_processor_seconds": [run["processor_seconds"] for run in our_runs],
        "plain_mb": [run["peak_mb"] for run in plain_runs],
        "ours_mb": [run["peak_mb"] for run in our_runs],
        "same": {name: pairs[0][0][name] for name in computed},
    }


def ratio_table(results: Mapping[str, dict[str, Any]]) -> str:
    """Return the summaries of all cases as a Markdown table."""
    rows = []
    for case in results.values():
        memory = [
            ours / plain for plain, ours in zip(case["plain_mb"], case["ours_mb"], strict=True)
        ]
        rows.append(
            [
                case["title"],
                f"{median_and_range(case['plain'])} {case['unit']}",
                f"{median_and_range(case['ours'])} {case['unit']}",
                median_and_range(case["ratio"], 2),
                case["aim"],
                f"{median(case['plain_mb']):,.0f}",
                f"{median(case['ours_mb']):,.0f}",
                median_and_range(memory, 2),
            ]
        )
    return tabulate(rows, HEADERS, tablefmt="github", disable_numparse=True)


def draw_ratios(results: Mapping[str, dict[str, Any]], path: Path) -> None:
    """Write an SVG: a bar to each case's median ratio on a log scale, and a line over its range."""
    titles = [case["title"] for case in results.values()]
    ratios = [case["ratio"] for case in results.values()]
    medians = np.array([median(values) for values in ratios])
    lows, highs = np.array([[min(values), max(values)] for values in ratios]).T
    with style.context(["default", {"svg.fonttype": "none", "svg.hashsalt": "speed"}]):
        figure = Figure(figsize=(8, 1 + 0.32 * len(results)), layout="constrained")
        axes = figure.subplots()
        axes.set_xscale("log")
        axes.barh(titles, medians - 1, left=1, color="#4c78a8", height=0.6)
        axes.errorbar(
            medians, titles, xerr=[medians - lows, highs - medians], fmt="none", ecolor="#111111"
        )
        for title, middle, high in zip(titles, medians, highs, strict=True):
            end = (max(1.0, high), title)
            axes.annotate(
                f"{middle:.2f}", end, xytext=(5, 0), textcoords="offset points", va="center"
            )
        axes.axvline(1, color="#333333", linewidth=1)
        axes.set_xticks(TICKS, [f"{tick:g}×" for tick in TICKS])
        axes.set_xticks([], minor=True)
        axes.set_xlim(min(0.5, lows.min()) / 1.3, 2.5 * highs.max())
        axes.set_xlabel("plain / ours, logarithmic")
        axes.grid(axis="x", color="#dddddd")
        axes.set_axisbelow(True)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(length=0)
        axes.invert_yaxis()
        figure.savefig(path, metadata={"Date": None})
