"""The report's charts: Matplotlib drawings as SVG, to stand inside an HTML page.

Colours are CSS variables (THEME), so that a chart follows the page's light or dark scheme. The same
data give the same bytes: no dates, no random ids, no settings of the user's own.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from market.core.extras import needs_extra

with needs_extra("train"):
    from matplotlib import style
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, PercentFormatter

from market.core.formats import Formats

SIZE = (5.2, 3.4)  # inches
MAX_DOTS = 3000  # of a scatter plot: more make the page heavy and show nothing else
BINS = 30  # of the price histogram
MAX_CHARACTERS = 45  # of the labels below a chart
PRICES = np.array([0, *(10**power for power in range(1, 11))])  # ticks: 10 to 10,000,000,000

TEXT, GRID, FIRST, SECOND = "#5a5a5b", "#dddddc", "#2a6fb8", "#c65a11"
THEME = {TEXT: "--faint", GRID: "--line", FIRST: "--c0", SECOND: "--c1"}
STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": GRID,
    "axes.grid": True,
    "axes.labelcolor": TEXT,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "font.size": 10.5,
    "grid.color": GRID,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "svg.fonttype": "none",
    "text.color": TEXT,
    "xtick.color": TEXT,
    "ytick.color": TEXT,
}
NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


@dataclass(frozen=True)
class Chart:
    """A chart: its heading, its content in words for those who cannot see it, and its drawing."""

    title: str
    description: str
    svg: Markup


def draw(
    plot: Callable[[Axes], None], *, title: str, description: str, x_label: str, y_label: str
) -> Chart:
    """Draw a chart.

    Parameters
    ----------
    plot
        Draws the data into the axes. What it labels is put into a legend.
    title
        The heading. Charts of one page need different titles: ids of the SVG derive from it.
    description
        The alternative text.
    x_label, y_label
        The axes' labels, with units.
    """
    with style.context(["default", STYLE | {"svg.hashsalt": title}]):
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.subplots()
        axes.set(xlabel=x_label, ylabel=y_label)
        axes.tick_params(length=0)
        plot(axes)
        if labels := axes.get_legend_handles_labels()[1]:
            figure.legend(loc="outside upper left", ncols=len(labels))
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata=NO_METADATA)
    return Chart(title, description, _for_a_page(buffer.getvalue(), description))


def _for_a_page(svg: str, description: str) -> Markup:
    """Return Matplotlib's SVG without its header, with the page's colours and font."""
    svg = svg[svg.index("<svg") :]
    width, height = map(float, re.findall(r'viewBox="0 0 (\S+) (\S+)"', svg)[0])
    label = Markup('role="img" aria-label="{}"').format(description)
    start = f'<svg xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 {width:g} {height:g}" '
    svg = re.sub(r"<svg[^>]*>", lambda _: f"{start}{label}>", svg, count=1)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    # Ids that nothing refers to ("axes_1") would stand in the page once for every chart.
    used = set(re.findall(r"#([^\")]+)[\")]", svg))
    svg = re.sub(r' id="([^"]+)"', lambda match: match[0] if match[1] in used else "", svg)
    svg = re.sub(r"font-family: [^;]+; ", "", svg)
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>\s*", "", svg, flags=re.DOTALL)
    for colour, variable in THEME.items():
        svg = svg.replace(colour, f"var({variable})")
    return Markup(svg)


# --- Learning curves and calibration --------------------------------------------------------------
def learning_curves(photo: pd.DataFrame, text: pd.DataFrame) -> list[Chart]:
    """Return loss and accuracy by epoch, of the photo classifier and of the text encoder.

    Parameters
    ----------
    photo
        Columns epoch, phase, train_loss, train_accuracy, val_loss, val_accuracy. Empty if a dataset
        has no photos; then there are no charts of it.
    text
        Columns epoch, train_loss, val_loss, val_accuracy.
    """
    losses = {"train_loss": "training", "val_loss": "validation"}
    accuracies = {"train_accuracy": "training", "val_accuracy": "validation"}
    charts = []
    if len(photo):
        charts += [
            curve(photo, losses, "Photo classifier: loss", "cross-entropy, nats"),
            curve(photo, accuracies, "Photo classifier: accuracy", "accuracy per photo"),
        ]
    return [
        *charts,
        curve(text, losses, "Text encoder: loss", "cross-entropy, nats"),
        curve(
            text, {"val_accuracy": "validation"}, "Text encoder: accuracy", "accuracy per product"
        ),
    ]


def curve(table: pd.DataFrame, columns: Mapping[str, str], title: str, y_label: str) -> Chart:
    """Return lines by epoch; an accuracy is shown from 0 to 100 %.

    Parameters
    ----------
    table
        One row per epoch: epoch, the columns to show, and `phase` if the training has several.
    columns
        The columns to show, and their names in the legend.
    """
    is_accuracy = y_label.startswith("accuracy")

    def plot(axes: Axes) -> None:
        for (column, name), colour in zip(columns.items(), _COLOURS[-len(columns) :], strict=True):
            marker = "o" if len(table) <= 10 else ""
            axes.plot(
                table["epoch"], table[column], color=colour, label=name, marker=marker, markersize=4
            )
        for epoch, phase in _later_phases(table):
            axes.axvline(epoch - 0.5, color=TEXT, linewidth=1, linestyle=":")
            axes.annotate(
                phase,
                (epoch - 0.5, 1),
                xytext=(4, -4),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                va="top",
            )
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10], integer=True))
        axes.set_ylim(0, 1.02 if is_accuracy else None)
        if is_accuracy:
            axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))

    last = table.iloc[-1]
    values = [
        f"{name} {100 * last[column]:.1f} %" if is_accuracy else f"{name} {last[column]:.3f}"
        for column, name in columns.items()
    ]
    description = f"{title}, by epoch. After epoch {last['epoch']:.0f}: {', '.join(values)}."
    return draw(plot, title=title, description=description, x_label="epoch", y_label=y_label)


_COLOURS = (FIRST, SECOND)


def _later_phases(table: pd.DataFrame) -> list[tuple[int, str]]:
    """Return the first epoch and the name of every phase but the first."""
    if "phase" not in table:
        return []
    first = table.drop_duplicates("phase")[["epoch", "phase"]].iloc[1:]
    return list(first.itertuples(index=False, name=None))


def reliability_diagram(calibration: pd.DataFrame) -> Chart:
    """Return accuracy by confidence, beside the diagonal of perfect calibration.

    Parameters
    ----------
    calibration
        One row per bin of confidence: confidence (its mean), accuracy, n (products).
    """

    def plot(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=SECOND, linestyle="--", label="perfect calibration")
        x, y, n = (calibration[name] for name in ("confidence", "accuracy", "n"))
        axes.plot(x, y, color=FIRST, label="model; area: number of products")
        axes.scatter(x, y, 12 + 150 * n / n.max(), color=FIRST, alpha=0.6, linewidths=0)
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.06))
        axes.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))

    gap = (calibration["accuracy"] - calibration["confidence"]).abs().max()
    return draw(
        plot,
        title="Reliability diagram",
        description=f"Accuracy by mean confidence, in {len(calibration)} bins. The largest gap to "
        f"perfect calibration is {100 * gap:.0f} %.",
        x_label="mean confidence",
        y_label="accuracy",
    )


# --- Prices ---------------------------------------------------------------------------------------
def price_counts(products: pd.DataFrame) -> pd.DataFrame:
    """Return how many products fall in each of BINS ranges of log10(1 + price).

    Parameters
    ----------
    products
        Columns price (NaN where unknown) and price_is_placeholder.

    Returns
    -------
    low, high: the range, in log10(1 + price). prices, placeholders: numbers of products.
    """
    products = products.dropna(subset="price")
    logs = np.log10(1 + products["price"].to_numpy(float))
    is_placeholder = products["price_is_placeholder"].to_numpy(bool)
    edges = np.linspace(0, max(float(logs.max(initial=0)), 1.0), BINS + 1)
    return pd.DataFrame(
        {
            "low": edges[:-1],
            "high": edges[1:],
            "prices": np.histogram(logs[~is_placeholder], edges)[0],
            "placeholders": np.histogram(logs[is_placeholder], edges)[0],
        }
    )


def price_histogram(products: pd.DataFrame, formats: Formats) -> Chart:
    """Return a histogram of asking prices, placeholders stacked on top; see `price_counts`."""
    counts = price_counts(products)
    width = counts["high"] - counts["low"]

    def plot(axes: Axes) -> None:
        kinds = (("prices", FIRST, 0), ("placeholders", SECOND, counts["prices"]))
        for kind, colour, bottom in kinds:
            axes.bar(
                counts["low"], counts[kind], 0.94 * width, bottom, align="edge", color=colour,
                label=kind,
            )  # fmt: skip
        axes.grid(visible=False, axis="x")
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        _show_prices(axes.xaxis, counts["high"].max(), formats)

    return draw(
        plot,
        title="Asking prices",
        description=f"Histogram of {counts['prices'].sum():,} prices and "
        f"{counts['placeholders'].sum():,} placeholders, on a logarithmic scale.",
        x_label=f"asking price, {formats.symbol} (logarithmic)",
        y_label="products",
    )


def predicted_prices(prices: pd.DataFrame, formats: Formats) -> Chart:
    """Return predicted against asking prices, beside the line where they are equal.

    Parameters
    ----------
    prices
        log10_price and log10_predicted: log10(1 + price) of test products.
    formats
        Writes the prices.
    """
    shown, described = _sample(prices)
    low, high = 0.0, float(shown[["log10_price", "log10_predicted"]].max().max())

    def plot(axes: Axes) -> None:
        axes.plot([low, high], [low, high], color=SECOND, label="predicted = asking price")
        _dots(axes, shown["log10_price"], shown["log10_predicted"])
        _show_prices(axes.xaxis, shown["log10_price"].max(), formats)
        _show_prices(axes.yaxis, shown["log10_predicted"].max(), formats)

    correlation = prices["log10_price"].corr(prices["log10_predicted"])
    return draw(
        plot,
        title="Predicted and asking price",
        description=f"Predicted against asking prices of {described}, on logarithmic scales. "
        f"Correlation of the logarithms: {correlation:.2f}.",
        x_label=f"asking price, {formats.symbol} (logarithmic)",
        y_label=f"predicted price, {formats.symbol} (logarithmic)",
    )


def price_residuals(prices: pd.DataFrame, formats: Formats) -> Chart:
    """Return residuals against predicted prices.

    Parameters
    ----------
    prices
        log10_predicted, and log10_residual: log10 of (1 + asking price) / (1 + predicted price).
    formats
        Writes the prices.
    """
    shown, described = _sample(prices)

    def plot(axes: Axes) -> None:
        axes.axhline(0, color=SECOND, label="no error")
        _dots(axes, shown["log10_predicted"], shown["log10_residual"])
        _show_prices(axes.xaxis, shown["log10_predicted"].max(), formats)
        axes.yaxis.set_major_locator(MaxNLocator(7, integer=True))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda log, _: f"× {10.0**log:,.6g}"))

    factor = 10 ** prices["log10_residual"].abs().median()
    return draw(
        plot,
        title="Residuals of the price",
        description=f"Asking price over predicted price, of {described}, by the predicted price. "
        f"Half of the predictions are within a factor of {factor:.2f}.",
        x_label=f"predicted price, {formats.symbol} (logarithmic)",
        y_label="asking / predicted price",
    )


def _sample(prices: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Return at most MAX_DOTS rows, and words for them."""
    if len(prices) <= MAX_DOTS:
        return prices, f"{len(prices):,} products"
    return (
        prices.sample(MAX_DOTS, random_state=0),
        f"{MAX_DOTS:,} random products of {len(prices):,}",
    )


def _dots(axes: Axes, x: pd.Series, y: pd.Series) -> None:
    axes.scatter(x, y, 14, color=FIRST, alpha=0.45, linewidths=0, label="product")


def _show_prices(axis: Axis, high: float, formats: Formats) -> None:
    """Label an axis of log10(1 + price) by prices, from 0 to at least `high`."""
    ticks = np.log10(1 + PRICES)
    texts = [formats.short_money(price) for price in PRICES.tolist()]
    # German has "10000 €" where English has "£10k": labels beside each other must not overlap.
    beside = axis is axis.axes.xaxis
    characters = sum(len(text) for text, tick in zip(texts, ticks, strict=True) if tick <= high)
    step = max(1, math.ceil(characters / MAX_CHARACTERS)) if beside else 1
    labels = dict(zip(ticks[::step].tolist(), texts[::step], strict=True))
    axis.set_major_locator(FixedLocator(ticks.tolist()))
    axis.set_major_formatter(FuncFormatter(lambda tick, _: labels.get(tick, "")))
    limits: Any = axis.axes.set_xlim if beside else axis.axes.set_ylim
    limits(-0.02 * max(high, 1.0), 1.03 * max(high, 1.0))
