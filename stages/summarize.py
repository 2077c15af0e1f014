"""Print the metrics of the last run as a table: each score beside its baseline, count and seed.

In:  metrics/*.json; with --readme FOLDER those that --save put there, and in FOLDER/splits/<seed>/
     those of other splits of the same data.
Out: the table on standard output; with --save FOLDER also FOLDER/*.json (a copy of metrics/); with
     --readme FOLDER the table of FOLDER goes into README.md, between its two markers, and with
     --card FILE into a model card in FILE.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from tabulate import tabulate

from shared.atomic import replace_when_done, write_json
from shared.spread import spread
from shared.stage import stage

METRICS = Path("metrics")
README = Path("README.md")
MARKERS = ("<!-- results: begin -->", "<!-- results: end -->")

# What each of the category model's answers is from.
INPUTS = {
    "text_svm": "text, by the SVM alone",
    "text_encoder": "text, by the fine-tuned encoder alone",
    "text": "text",
    "photo": "photo",
    "fused": "text and photos",
}
HEADERS = ["on test products", "measure", "model", "baseline", "trivial", "n", "seed"]


def rows(metrics: dict[str, dict[str, Any]]) -> list[list[Any]]:
    """The table's rows (HEADERS) from the metrics by stage; a stage that has none is left out."""
    table: list[list[Any]] = []
    if cnn := metrics.get("train_cnn"):
        forest = metrics.get("classify_rf", {})
        for name, trivial in (("accuracy", cnn["majority_accuracy"]), ("macro_f1", None)):
            scores = cnn["test"]
            row = ["category, per photo", name, scores[name], forest.get(name), trivial]
            table.append([*row, scores["n"], cnn["seed"]])
        for name, of in cnn.get("new_layer", {}).items():
            leaks = ", split by photo: leaks" if name.endswith("by_photo") else ""
            title = f"category, per photo, new layer alone, {of['seeds']} seeds{leaks}"
            for measure in ("mean", "std"):
                row = [title, f"accuracy, {measure}", of[measure], None, None]
                table.append([*row, cnn["test"]["n"], cnn["seed"]])
    if category := metrics.get("classify"):
        for of, inputs in INPUTS.items():
            title = f"category, per product, {inputs}"
            scores, majority = category[of], category["majority_accuracy"]
            for name, trivial in (("accuracy", majority), ("macro_f1", None), ("ece", None)):
                row = [title, name, scores[name], None, trivial]
                table.append([*row, scores["n"], category["seed"]])
    if price := metrics.get("regress"):
        titled = {"price": price, "price, placeholders left out": price["without_placeholders"]}
        for title, scores in titled.items():
            for name in ("rmsle", "median_ae", "mae", "rmse", "within_25pct"):
                columns = [scores[who][name] for who in ("model", "baseline", "constant")]
                table.append([title, name, *columns, scores["model"]["n"], price["seed"]])
        for name, of in price["over_seeds"].items():
            for measure in ("mean", "std"):
                row = [f"price, each of {of['seeds']} seeds", f"{name}, {measure}", of[measure]]
                table.append([*row, None, None, price["n"], price["seed"]])
        interval = price["interval"]
        row = [f"price, {interval['asked']:.0%} interval", "coverage", interval["coverage"]]
        table.append([*row, None, None, interval["n"], price["seed"]])
    if rank := metrics.get("rank"):
        for title, scores, baseline in searches(rank):
            for name in ("ndcg@10", "recall@1", "recall@10"):
                columns = [scores[who][name] for who in ("model", baseline, "random")]
                table.append([title, name, *columns, scores["model"]["n"], rank["seed"]])
    return table


# What is averaged over splits: a title, the stage, and where in its metrics the number stands.
OVER_SPLITS = [
    ("category, per photo", "train_cnn", ("test", "accuracy")),
    *(
        (f"category, per product, {INPUTS[of]}", "classify", (of, name))
        for of in ("text", "photo", "fused")
        for name in ("accuracy", "ece")
    ),
    ("price", "regress", ("model", "rmsle")),
    ("price", "regress", ("model", "median_ae")),
    ("price, interval", "regress", ("interval", "coverage")),
]


def spread_rows(splits: list[dict[str, dict[str, Any]]]) -> list[list[Any]]:
    """Rows (HEADERS) of mean and standard deviation over `splits`, metrics by stage of each.

    Only of what every split has. `n` is the fewest test products, or photos, of any split.
    """
    seeds = ", ".join(str(seed) for seed in sorted(of["merge"]["seed"] for of in splits))
    table: list[list[Any]] = []
    for title, stage_name, (part, name) in OVER_SPLITS:
        if any(stage_name not in of for of in splits):
            continue
        found = [of[stage_name][part] for of in splits]
        scores = spread([of[name] for of in found])
        for measure in ("mean", "std"):
            row = [f"{title}, {len(splits)} splits", f"{name}, {measure}", scores[measure]]
            table.append([*row, None, None, min(of["n"] for of in found), seeds])
    return table


def searches(rank: dict[str, Any]) -> list[tuple[str, dict[str, Any], str]]:
    """What rank.json judges: a title, the scores by way to answer, and the way to compare with.

    What a small dataset has nothing to judge by is left out.
    """
    found = [
        ("search, category names", rank["search"]["category_names"], "bm25"),
        ("search, known items", rank["search"]["known_items"], "bm25"),
        ("photo to photo", rank["photo_to_photo"], "random"),
    ]
    of_people = rank["personalised"]
    if "log" in of_people:
        found.append(("recommendation, next product of the log", of_people["log"], "popular"))
    for name, scores in sorted(of_people.get("simulated", {}).items(), key=lambda of: len(of[0])):
        events = name.removeprefix("after_")
        title = f"recommendation, simulated shoppers, {events} events"
        found.append((title, scores, "popular"))
    return [row for row in found if "model" in row[1]]


def render(
    metrics: dict[str, dict[str, Any]], style: str, others: Iterable[dict[str, Any]] = ()
) -> str:
    """The table as text, under a line that names the dataset, and says so if it is synthetic.

    `others`: the metrics by stage of other splits.
    """
    dataset = metrics["clean"]["dataset"]
    kind = " (synthetic data: these scores say nothing of a real marketplace)"
    title = f"dataset: {dataset}{kind if dataset == 'sample' else ''}"
    found = rows(metrics)
    if splits := list(others):
        found += spread_rows([metrics, *splits])
    table = tabulate(found, HEADERS, tablefmt=style, floatfmt=",.3f", missingval="–")
    return f"{title}\n\n{table}"


CARD = """# Model card

Written by `python stages/summarize.py --readme {folder} --card {file}` from the metrics in
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
- The {asked:.0%} interval of the price held {coverage:.0%}, and its upper end is typically
  {width:.0f} times the lower.
- Shoppers called simulated were drawn by this project: what they show of real ones is unknown.
- Nothing was measured by seller, place or group of people: whether all are served alike is open.

## Who is not to be judged by it

No person. A flagged price or a doubted category says nothing of a seller's honesty. Do not use
either to refuse, rank or fine sellers, or to lend, insure or tax.
"""


def render_card(metrics: dict[str, dict[str, Any]], folder: Path, file: Path, table: str) -> str:
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
        raise click.ClickException(f"{README} has no {begin} … {end} to put the table between")
    return f"{before}{begin}\n{table}\n{end}{after}"


def read_metrics(folder: Path) -> dict[str, dict[str, Any]]:
    """The metrics in a folder by the stage that wrote them; those of `clean` must be there."""
    paths = sorted(folder.glob("*.json"))
    metrics = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}
    if "clean" not in metrics:
        raise click.ClickException(f"{folder}/ has no metrics: run `dvc repro` first")
    return metrics


@stage
@click.option("--save", type=click.Path(path_type=Path), help="Folder for a copy of the metrics.")
@click.option("--readme", type=click.Path(path_type=Path), help="Folder whose table README shows.")
@click.option("--card", type=click.Path(path_type=Path), help="File for a card of --readme.")
def main(save: Path | None, readme: Path | None, card: Path | None) -> str:
    if card is not None and readme is None:
        raise click.ClickException("--card needs --readme FOLDER, whose metrics it shows")
    metrics = read_metrics(METRICS)
    click.echo(render(metrics, "simple"))
    if save is not None:
        save.mkdir(parents=True, exist_ok=True)
        for name, of in metrics.items():
            write_json(save / f"{name}.json", of)
    if readme is not None:
        shown = read_metrics(readme)
        others = [read_metrics(path) for path in sorted(readme.glob("splits/*/"))]
        table = render(shown, "github", others)
        document = insert(README.read_text(encoding="utf-8"), table)
        with replace_when_done(README) as temporary:
            temporary.write_text(document, encoding="utf-8")
        if card is not None:
            text = render_card(shown, readme, card, table)
            with replace_when_done(card) as temporary:
                temporary.write_text(text, encoding="utf-8")
    return f"{len(metrics)} stages with metrics in {METRICS}/"


if __name__ == "__main__":
    main()
