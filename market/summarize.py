"""Print the numbers that count of the last run, each beside simpler ways, and its n.

In:  metrics/*.json; with --readme FOLDER those that --save put there, and in FOLDER/splits/<seed>/
     those of other splits of the same data.
Out: the table on standard output; with --save FOLDER also FOLDER/*.json (a copy of metrics/); with
     --readme FOLDER the table of FOLDER goes into README.md, between its two markers, and every
     metric there is into FOLDER/README.md; with --card FILE a model card goes into FILE.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from tabulate import tabulate

from market.core.atomic import replace_when_done, write_json
from market.core.errors import MarketError
from market.core.stage import stage
from market.models.spread import spread
from market.reporting.headline_metrics import (
    HEADLINES,
    Metrics,
    best_baseline,
    measured,
    number_at,
    read_metrics,
)

METRICS = Path("metrics")
README = Path("README.md")
MARKERS = ("<!-- results: begin -->", "<!-- results: end -->")
SYNTHETIC = " (synthetic data: these scores say nothing of a real marketplace)"


def over_splits(splits: list[Metrics], path: str) -> str | None:
    """Mean and sample deviation of the number at a path; None unless several splits have one."""
    found = [number_at(of, path) for of in splits]
    numbers = [float(of) for of in found if of is not None]
    if len(numbers) < len(splits) or len(splits) < 2:
        return None
    scores = spread(numbers)
    return f"{scores['mean']:,.3f} ± {scores['std']:,.3f}"


def headline_table(splits: list[Metrics], style: str) -> str:
    """HEADLINES of the first split, and their spread if there are others, in a style of tabulate.

    Under a line that says of which data they are. What a dataset has nothing to judge by is left
    out.
    """
    metrics = splits[0]
    headers = ["on test products", "measure", "model", "simpler", "trivial", "n"]
    table: list[list[Any]] = []
    for headline in HEADLINES:
        score, *others = measured(metrics, headline)
        if score is None:
            continue
        title = "" if table and table[-1][0] == headline.title else headline.title
        table.append([headline.title, title, headline.measure, score])
        table[-1] += [over_splits(splits, headline.model)] * (len(splits) > 1)
        way, simpler = best_baseline(metrics, headline)
        if simpler is not None:  # written here, as a name may follow
            others[0] = f"{simpler:,.3f}{f' ({way})' if way else ''}"  # type: ignore[call-overload]
        table[-1] += others
    seeds = [of["merge"]["seed"] for of in splits if "merge" in of]
    says = f"dataset: {metrics['clean']['dataset']}"
    says += SYNTHETIC if metrics["clean"]["dataset"] == "sample" else ""
    says += f"; split seed {seeds[0]}" if seeds else ""
    if len(splits) > 1:
        headers.insert(3, f"{len(splits)} splits")
        says += f"; mean ± deviation (n − 1) over the splits {', '.join(map(str, sorted(seeds)))}"
        says += f"; settings were chosen on split {seeds[0]} only"
    rows = [row[1:] for row in table]
    align = ["left", "left", *["right"] * (len(headers) - 2)]
    rendered = tabulate(
        rows, headers, tablefmt=style, floatfmt=",.3f", missingval="–", colalign=align
    )
    return f"{says}\n\n{rendered}{sanity_check(metrics)}"


def sanity_check(metrics: Metrics) -> str:
    """A paragraph on simulated users, where a run had to do with them; else empty."""
    lengths = number_at(metrics, "evaluate.personalised.simulated")
    if not isinstance(lengths, dict):
        return ""
    # JSON's keys are sorted as texts, "after_10" before "after_3".
    by_events = sorted((int(key.removeprefix("after_")), key) for key in lengths)
    events = [str(count) for count, _ in by_events]
    scores = [lengths[key]["model"]["ndcg@10"] for _, key in by_events]
    n = lengths[by_events[0][1]]["model"]["n"]
    return (
        "\n\nSanity check, not a result: simulated users draw from what the ranker's own features "
        f"measure.\nNDCG@10 for {n:,} of them after {', '.join(events)} events: "
        f"{', '.join(f'{score:.3f}' for score in scores)}."
    )


def flatten(metrics: dict[str, Any], path: str = "") -> Iterator[str]:
    """The path of every number in nested metrics."""
    for key, of in metrics.items():
        if isinstance(of, dict):
            yield from flatten(of, f"{path}{key}.")
        elif isinstance(of, int | float):
            yield f"{path}{key}"


def full_table(splits: list[Metrics]) -> str:
    """Every number of the first split by its path, in Markdown, beside that of the others."""
    rows = [
        [f"`{path}`", *(_written(number_at(of, path)) for of in splits), over_splits(splits, path)]
        for path in flatten(splits[0])
    ]
    headers = ["metric", *(f"split {of['merge']['seed']}" for of in splits), "mean ± deviation"]
    align = ["left", *["right"] * (len(headers) - 1)]
    return tabulate(
        rows, headers, tablefmt="github", missingval="–", colalign=align, disable_numparse=True
    )


def _written(number: float | None) -> str | None:
    if number is None:
        return None
    return f"{number:,.4f}" if isinstance(number, float) else f"{number:,}"


ALL = """# Every metric of the last run

Written by `python -m market.summarize --readme {folder}` from the JSON files beside it.

{table}
"""

CARD = """# Model card

Written by `python -m market.summarize --readme {folder} --card {file}` from the metrics in
{folder}. Nothing here is typed in by hand but the words.

## Intended use

To suggest a category and a price to a seller or an editor, to find listings whose category or price
deserves a second look, and to order the results of a search. A person decides.

## Data

Dataset {dataset}: {products:,} products and {photos:,} photos could be used;
{placeholders:,} prices look like placeholders, {without_photo:,} products have no photo. The label
is the category that the seller chose, and it is noisy: {label_errors:,} look wrong.

## Split

By product, seed {seed}: {train:,} train, {val:,} validation and {test:,} test products.
Products that share a photo or a description stay together; {leaks} of any are in two splits.

## Measures

Each score beside its baseline, with the number it was measured on and the seed. The README says
what the columns are.

{table}

## Limits

- One marketplace, one country, one short time: elsewhere, or later, the scores may be lower.
- Photos alone are right for {photo:.0%} of the test products; text and photos, for {fused:.0%}.
- The price asked is learned, not what was paid, and {within:.0%} are within a quarter of it.
- The {asked:.0%} interval of the price held {coverage:.0%} of the test prices, and its upper end is
  typically {width:.0f} times the lower. It holds that share on average over all listings, if new
  ones are like those calibrated on; it promises nothing for a category, a range of prices or a
  single listing, nor after prices have changed.
- Shoppers called simulated were drawn by this project: what they show of real ones is unknown.
- Nothing was measured by seller, place or group of people: whether all are served alike is open.

## Who is not to be judged by it

No person. A flagged price or a doubted category says nothing of a seller's honesty. Do not use
either to refuse, rank or fine sellers, or to lend, insure or tax.
"""


def render_card(metrics: Metrics, folder: Path, file: Path, table: str) -> str:
    """The model card of `metrics`, whose rendered table is `table`."""
    clean, merge, price = metrics["clean"], metrics["merge"], metrics["regress"]
    return CARD.format(
        folder=folder,
        file=file,
        table=table,
        dataset=clean["dataset"],
        products=clean["products"]["kept"],
        photos=clean["photos"]["kept"],
        placeholders=clean["products"]["placeholder_prices"],
        without_photo=clean["products"]["without_photo"],
        label_errors=metrics["classify"]["label_errors"],
        seed=merge["seed"],
        **{split: of["products"] for split, of in merge["splits"].items()},
        leaks=sum(merge["leakage"].values()),
        photo=metrics["classify"]["photo"]["accuracy"],
        fused=metrics["classify"]["fused"]["accuracy"],
        within=price["model"]["within_25pct"],
        asked=price["interval"]["asked"],
        coverage=price["interval"]["coverage"],
        width=price["interval"]["median_high_over_low"],
    )


def insert(document: str, table: str) -> str:
    """Put `table` between the markers of a Markdown document."""
    begin, end = MARKERS
    before, _, rest = document.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise MarketError(f"{README} has no {begin} … {end} to put the table between")
    return f"{before}{begin}\n{table}\n{end}{after}"


@stage
@click.option("--save", type=click.Path(path_type=Path), help="Folder for a copy of the metrics.")
@click.option("--readme", type=click.Path(path_type=Path), help="Folder whose table README shows.")
@click.option("--card", type=click.Path(path_type=Path), help="File for a card of --readme.")
def main(save: Path | None, readme: Path | None, card: Path | None) -> str:
    if card is not None and readme is None:
        raise MarketError("--card needs --readme FOLDER, whose metrics it shows")
    metrics = read_metrics(METRICS)
    click.echo(headline_table([metrics], "simple"))
    if save is not None:
        save.mkdir(parents=True, exist_ok=True)
        for name, of in metrics.items():
            write_json(save / f"{name}.json", of)
    if readme is not None:
        splits = [read_metrics(path) for path in (readme, *sorted(readme.glob("splits/*/")))]
        table = headline_table(splits, "github")
        documents = {
            README: insert(README.read_text(encoding="utf-8"), table),
            readme / "README.md": ALL.format(folder=readme, table=full_table(splits)),
        }
        if card is not None:
            documents[card] = render_card(splits[0], readme, card, table)
        for path, text in documents.items():
            with replace_when_done(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
    return f"{len(metrics)} stages with metrics in {METRICS}/"


if __name__ == "__main__":
    main()
