"""The model card: fixed text around the metrics of a run."""

from __future__ import annotations

from pathlib import Path

from market.reporting.headline_metrics import Metrics, facts

TEMPLATE = Path(__file__).with_name("model_card.template.md")
CONTENT = (
    "dataset",
    "products",
    "photos",
    "placeholders",
    "without_photo",
    "label_errors",
    "split_seed",
    "train_products",
    "val_products",
    "test_products",
    "interval_ratio",
)
SHARES = ("photo_accuracy", "fused_accuracy", "within_25pct", "target_coverage", "coverage")


def render_card(metrics: Metrics, folder: Path, file: Path, table: str) -> str:
    """Return the model card as Markdown.

    Parameters
    ----------
    metrics
        The metrics of a run.
    folder
        Where these metrics are; the card names it as its source.
    file
        Where the card will be written; it states the command that writes it.
    table
        The headline metrics, rendered.

    Raises
    ------
    MarketError
        If the metrics lack a value that the card shows.
    """
    percentages = {name: 100 * share for name, share in facts(metrics, *SHARES).items()}
    return TEMPLATE.read_text(encoding="utf-8").format(
        folder=folder.as_posix(),
        file=file.as_posix(),
        table=table,
        leaks=sum(facts(metrics, "leakage")["leakage"].values()),
        **facts(metrics, *CONTENT),
        **percentages,
    )
