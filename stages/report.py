"""Show a run as one page to look at: data, curves, mistakes with photos, prices, results.

In:  data/merged/listings.parquet, data/clean/photos, data/category/{test.parquet,
     label_errors.csv}, plots/*.csv, metrics/*.json, results/marketplace/*.json, models/{index,
     rank}; report.html.j2.
Out: report/index.html, one file without any other, also offline. It shows listings: publish it only
     where those may be published.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix

from market.core.atomic import replace_when_done
from market.core.paths import require
from market.core.stage import progress, stage
from market.core.torch_setup import set_up_torch
from market.data.photo_store import PhotoStore
from market.reporting.headline_metrics import HEADLINES, Metrics, measured, read_metrics
from market.search.engine import Answer, Engine, Filters
from market.search.ranker import (
    FEATURE_TEXTS,
    LISTING_FEATURES,
    QUERY_FEATURES,
    SEARCH_TEXTS,
    SIMILAR_TEXTS,
)

LISTINGS = Path("data/merged/listings.parquet")
PHOTOS = Path("data/clean/photos")
ANSWERS = Path("data/category/test.parquet")
ERRORS = Path("data/category/label_errors.csv")
CALIBRATION = Path("plots/classify_calibration.csv")
PHOTO_CURVES = Path("plots/train_cnn.csv")
TEXT_CURVES = Path("plots/train_text.csv")
PRICES = Path("plots/regress.csv")
METRICS = Path("metrics")
COMMITTED = Path("results/marketplace")
STAGES = ("clean", "classify", "classify_rf", "evaluate", "regress", "train_cnn")
INDEX, RANK = Path("models/index"), Path("models/rank")
TEMPLATE = Path(__file__).with_suffix(".html.j2")
OUT = Path("report/index.html")
SHOWN = 20  # mistakes, and likely wrong labels
SHEET_PHOTOS = 5  # of each class
SEARCHES = 4  # examples, and the listings shown of each
FOUND = 5
REASONS = 3  # of each listing found
RADIUS_KM = 100.0  # of the search near a town
DOTS = 3000  # of a scatter plot, at most: more only make the page heavy

SECTIONS = {
    "audit": "Data audit",
    "classes": "Classes",
    "curves": "Learning curves",
    "confusion": "Confusion",
    "calibration": "Calibration",
    "mistakes": "Mistakes",
    "labels": "Likely wrong labels",
    "prices": "Prices",
    "search": "Search and recommendation",
    "results": "Results",
}


# --- Charts ---------------------------------------------------------------------------------------
class Scale(NamedTuple):
    """A linear map of data from `low` to `high` onto the drawing from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, values: Any) -> np.ndarray:
        span = (self.high - self.low) or 1.0
        return np.round(
            self.start + (np.asarray(values, float) - self.low) / span * (self.end - self.start), 1
        )

    def ticks(self) -> list[dict[str, Any]]:
        """Up to six round values within the data's range, and where they stand."""
        rough = ((self.high - self.low) or 1.0) / 5
        power = 10.0 ** np.floor(np.log10(rough))
        step = next(power * times for times in (1, 2, 5, 10) if power * times >= rough * 0.999)
        numbers = np.arange(np.ceil(self.low / step - 1e-9), np.floor(self.high / step + 1e-9) + 1)
        # + 0.0: minus zero would be labelled -0.
        return [
            {"at": float(self(value)), "label": f"{value + 0.0:,.4g}"} for value in numbers * step
        ]


def chart(
    x_label: str, y_label: str, x_range: tuple[float, float], y_range: tuple[float, float]
) -> tuple[dict[str, Any], Scale, Scale]:
    """An empty chart for the template, and the scales of its axes. Fill lines, dots, bars, names.

    lines: strings of SVG points. dots: (x, y). bars: (x, y, width, height, colour 0 or 1).
    """
    left, right, top, bottom = 56, 470, 8, 240
    x, y = Scale(*x_range, left, right), Scale(*y_range, bottom, top)
    frame = {"width": 480, "height": 282, "left": left, "right": right, "bottom": bottom}
    ticks = {"x_ticks": x.ticks(), "y_ticks": y.ticks()}
    marks: dict[str, list[Any]] = {"lines": [], "dots": [], "bars": [], "names": []}
    return {**frame, **ticks, **marks, "x_label": x_label, "y_label": y_label}, x, y


def line_chart(
    table: pd.DataFrame, x: str, lines: dict[str, str], y_label: str, whole: bool = False
) -> dict[str, Any]:
    """The columns `lines` (to their names) of the table by its column `x`; `whole`: from 0 to 1."""
    values = table[list(lines)].to_numpy(float)
    low, high = (0.0, 1.0) if whole else (0.0, float(np.nanmax(values)))
    drawn, across, up = chart(x, y_label, (table[x].min(), table[x].max()), (low, high))
    for column, name in lines.items():
        rows = table.dropna(subset=column)
        points = zip(across(rows[x]), up(rows[column]), strict=True)
        drawn["lines"].append(" ".join(f"{a},{b}" for a, b in points))
        drawn["names"].append(name)
    return drawn


def scatter(
    table: pd.DataFrame, x: str, y: str, x_label: str, y_label: str, equal: bool = False
) -> dict[str, Any]:
    """At most DOTS of the table's rows as dots, over a line: no residual, or x = y if `equal`."""
    table = table.sample(min(len(table), DOTS), random_state=0)
    x_range = (table[x].min(), table[x].max())
    y_range = (table[y].min(), table[y].max())
    drawn, across, up = chart(x_label, y_label, x_range, y_range)
    drawn["dots"] = list(zip(across(table[x]).tolist(), up(table[y]).tolist(), strict=True))
    ends = np.array([max(x_range[0], y_range[0]), min(x_range[1], y_range[1])])
    if not equal:
        ends = np.array(x_range)
    points = zip(across(ends), up(ends if equal else np.zeros(2)), strict=True)
    # The dots are colour 0, the line is colour 1.
    drawn["lines"] = ["", " ".join(f"{a},{b}" for a, b in points)]
    drawn["names"] = ["products", "predicted = asked" if equal else "no error"]
    return drawn


def price_histogram(products: pd.DataFrame) -> dict[str, Any]:
    """Stacked bars of log10(1 + price): prices below, placeholders on top."""
    logs = np.log10(1 + products["price"].dropna())
    placeholder = products.loc[logs.index, "price_is_placeholder"].to_numpy(bool)
    edges = np.linspace(0, max(float(logs.max()), 1.0), 31)
    real = np.histogram(logs[~placeholder], edges)[0]
    typed = np.histogram(logs[placeholder], edges)[0]
    drawn, x, y = chart(
        "log10(1 + price asked in £)", "products", (0, edges[-1]), (0, float((real + typed).max()))
    )
    starts = x(edges)
    for group, (below, count) in enumerate([(np.zeros_like(real), real), (real, typed)]):
        tops, floors = y(below + count), y(below)
        for place in np.flatnonzero(count):
            width = round(float(starts[place + 1] - starts[place] - 1), 1)
            height = round(float(floors[place] - tops[place]), 1)
            bar = (float(starts[place]), float(tops[place]), width, height, group)
            drawn["bars"].append(bar)
    drawn["names"] = ["prices", "placeholders"]
    return drawn


# --- The content of the sections ------------------------------------------------------------------
def audit(clean: dict[str, Any], products: pd.DataFrame) -> dict[str, Any]:
    """Counts, rejects by reason, missing values, prices: from metrics/clean.json and products, one
    row each."""
    kinds = {"products": clean["products"], "photos": clean["photos"], "log": clean["interactions"]}
    counts = {
        f"{kind}: {name.replace('_', ' ')}": count
        for kind, numbers in kinds.items()
        for name, count in numbers.items()
        if isinstance(count, int)
    }
    placeholders = products.loc[products["price_is_placeholder"].astype(bool), "price"]
    common = placeholders.value_counts().sort_index()
    return {
        "counts": counts,
        "rejected": dict(sorted(clean["rejected"].items(), key=lambda of: (-of[1], of[0]))),
        "missing": clean["products"]["missing_values"],
        "price_chart": price_histogram(products),
        "placeholders": list(common.items()),
    }


def photo_sheets(listings: pd.DataFrame, photos: PhotoStore) -> list[dict[str, Any]]:
    """Each class, the largest first, with SHEET_PHOTOS photos drawn from it, as base64."""
    products = listings.drop_duplicates("product_id")
    sheets = []
    for name, count in products["category"].value_counts().items():
        numbers = products.loc[products["category"] == name, "photo_index"].dropna()
        drawn = numbers.sample(min(SHEET_PHOTOS, len(numbers)), random_state=0)
        encoded = [base64.b64encode(photos[int(number)]).decode() for number in drawn]
        sheets.append(
            {"name": name, "n": int(count), "share": count / len(products), "photos": encoded}
        )
    return sheets


def compare(ours: Metrics, theirs: Metrics) -> list[dict[str, Any]]:
    """HEADLINES of two runs' metrics: a title, and what each run measured."""
    return [
        {
            "title": f"{of.title}, {of.measure}",
            "runs": [measured(metrics, of) for metrics in (ours, theirs)],
        }
        for of in HEADLINES
    ]


def most_confident_mistakes(answers: pd.DataFrame, count: int) -> pd.DataFrame:
    """The `count` wrong answers of the highest confidence, the surest first."""
    wrong = answers[answers["actual"] != answers["predicted"]]
    wrong = wrong.sort_values(["confidence", "product_id"], ascending=[False, True]).head(count)
    columns = {"actual": "category", "predicted": "suggested", "confidence": "sure"}
    return wrong.rename(columns=columns)


def with_pictures(
    rows: pd.DataFrame, listings: pd.DataFrame, photos: PhotoStore
) -> list[dict[str, Any]]:
    """The rows as dicts, with each product's name as `title` and its first photo in base64."""
    products = listings.drop_duplicates("product_id").set_index("product_id")
    found = []
    for row in rows.to_dict("records"):
        product = products.loc[row["product_id"]]
        index = product["photo_index"]
        photo = "" if pd.isna(index) else base64.b64encode(photos[int(index)]).decode()
        found.append({**row, "title": product["name"], "photo": photo})
    return found


def matrix(answers: pd.DataFrame) -> dict[str, Any]:
    """The confusion matrix as lists: names, confusion (counts), shares (of each row)."""
    names = sorted(set(answers["actual"]) | set(answers["predicted"]))
    counts = confusion_matrix(answers["actual"], answers["predicted"], labels=names)
    shares = counts / counts.sum(1, keepdims=True).clip(min=1)
    return {"names": names, "confusion": counts.tolist(), "shares": shares.tolist()}


class Search(NamedTuple):
    """An example: `asked` are the ids of listings asked with, `words` those of its signals."""

    title: str
    asked: list[str]
    answer: Answer
    words: dict[str, str]


def searches(engine: Engine) -> Iterator[Search]:
    """By words, within filters, beside a listing, for a shopper: SEARCHES, or fewer if the first
    finds nothing. Asked for are the subcategories of most listings, by their names."""
    subcategory = engine.listings["category_levels"].map(lambda path: path[:2][-1])
    counts = Counter(subcategory[~subcategory.str.startswith("Other")]) or Counter(subcategory)
    names = [name for name, _ in counts.most_common(2)]
    words, others = names[0], names[-1]
    of_others = engine.listings[subcategory == others]
    price = float(of_others["price"].median())
    towns = of_others.loc[of_others["price"] <= price, "location"].value_counts().index
    town = next((name for name in towns if engine.place(name)), None)
    within = Filters(price_max=price, near=town, radius_km=RADIUS_KM)
    place = f" within {RADIUS_KM:.0f} km of {town}" if town else ""
    # Of somebody unknown nothing can be said; and where no photo was given, looks are those of the
    # best matches.
    asked = {
        name: said
        for name, said in FEATURE_TEXTS.items()
        if name in (*QUERY_FEATURES, *LISTING_FEATURES)
    }
    asked["proximity"] = f"near {town}"
    of_words, of_listing = asked | SEARCH_TEXTS, asked | SIMILAR_TEXTS
    by_words = engine.search(words, limit=FOUND)
    yield Search(f"“{words}”", [], by_words, of_words)
    filtered = engine.search(others, filters=within, limit=FOUND)
    yield Search(f"“{others}” up to £{price:,.0f}{place}", [], filtered, of_words)
    met = [hit.product_id for hit in by_words.hits[:3]]
    if not met:
        return
    similar = engine.similar(met[0], limit=FOUND)
    yield Search("Similar to this listing", met[:1], similar, of_listing)
    history = pd.DataFrame({"product_id": met, "event": "view"})
    history["timestamp"] = engine.listings["created"].max()
    personal = engine.recommend(history, limit=FOUND)
    yield Search("For whoever looked at these", met, personal, FEATURE_TEXTS)


def reasons(why: dict[str, float], words: dict[str, str]) -> list[tuple[str, float]]:
    """The REASONS largest of the signals that have `words`, and their shares of all that speaks
    for a listing."""
    known = {name: part for name, part in why.items() if name in words and part > 0}
    largest = sorted(known.items(), key=lambda of: (-of[1], of[0]))[:REASONS]
    return [(words[name], part / sum(known.values())) for name, part in largest]


def search_cards(engine: Engine, photos: PhotoStore) -> list[dict[str, Any]]:
    """What `searches` found, as the template shows it: title, total, asked and found listings."""

    def card(product_id: str) -> dict[str, Any]:
        of = engine.listing(product_id)
        photo = base64.b64encode(photos[of["photos"][0]]).decode() if of["photos"] else ""
        return {"title": of["name"], "price": of["price"], "photo": photo, "reasons": []}

    return [
        {
            "title": of.title,
            "total": of.answer.total,
            "asked": [card(product_id) for product_id in of.asked],
            "found": [
                {
                    **card(hit.product_id),
                    "away": hit.distance_km,
                    "reasons": reasons(hit.why, of.words),
                }
                for hit in of.answer.hits
            ],
        }
        for of in progress(searches(engine), total=SEARCHES, desc="search", unit="search")
    ]


def curve_charts(photo: pd.DataFrame, text: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Loss and accuracy by epoch of the photo network and of the text encoder, by title."""
    losses = {"train_loss": "training", "val_loss": "validation"}
    both = {"train_accuracy": "training", "val_accuracy": "validation"}
    one = {"val_accuracy": "validation"}
    photo_charts = (
        {
            "Photo network: loss": line_chart(photo, "epoch", losses, "cross-entropy"),
            "Photo network: accuracy": line_chart(photo, "epoch", both, "accuracy per photo", True),
        }
        if len(photo)
        else {}
    )  # without photos it is not trained
    return photo_charts | {
        "Text encoder: loss": line_chart(text, "epoch", losses, "cross-entropy"),
        "Text encoder: accuracy": line_chart(text, "epoch", one, "accuracy per product", True),
    }


def price_charts(prices: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Prices predicted by those asked, and residuals by those predicted, by title."""
    predicted = "log10(1 + price predicted in £)"
    asked = ("log10_price", "log10_predicted", "log10(1 + price asked in £)", predicted)
    error = ("log10_predicted", "log10_residual", predicted, "residual, log10")
    return {
        "Predicted by asked": scatter(prices, *asked, equal=True),
        "Residual by predicted": scatter(prices, *error),
    }


def calibration_chart(calibration: pd.DataFrame) -> dict[str, Any]:
    """The share that is right by mean confidence, beside the diagonal of perfect calibration."""
    lines = {"accuracy": "right", "confidence": "perfect"}
    return line_chart(calibration, "confidence", lines, "share right", True)


def render(content: dict[str, Any]) -> str:
    """The page. Everything from listings is escaped: it is text, whatever it holds.

    Raises jinja2.UndefinedError if the template asks for what `content` has not.
    """
    loader = jinja2.FileSystemLoader(TEMPLATE.parent)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined
    )
    template = environment.get_template(TEMPLATE.name)
    return template.render(sections=SECTIONS, sheet_photos=SHEET_PHOTOS, **content).lstrip()


def read_output(path: Path, text: Sequence[str] = ()) -> pd.DataFrame:
    """Return a CSV that a stage wrote, the columns `text` as text.

    A product or a category may be called "NA", "null" or "-inf": only an empty field is missing.
    """
    types = dict.fromkeys(text, "str")
    return pd.read_csv(path, dtype=types, keep_default_na=False, na_values=[""])


@stage
def main() -> str:
    curves = (PHOTO_CURVES, TEXT_CURVES)
    require(LISTINGS, PHOTOS, ANSWERS, ERRORS, CALIBRATION, *curves, PRICES, INDEX, RANK)
    metrics = read_metrics(METRICS, STAGES)
    set_up_torch(0)
    columns = ["product_id", "name", "category", "photo_index", "price", "price_is_placeholder"]
    listings = pd.read_parquet(LISTINGS, columns=columns)
    photos = PhotoStore(PHOTOS)
    answers = pd.read_parquet(ANSWERS)
    errors = read_output(ERRORS, text=["product_id", "split", "category", "suggested"]).head(SHOWN)
    mistakes = most_confident_mistakes(answers, SHOWN)
    calibration = read_output(CALIBRATION)
    content = {
        "dataset": metrics["clean"]["dataset"],
        "scores": metrics["classify"],
        **audit(metrics["clean"], listings.drop_duplicates("product_id")),
        "classes": photo_sheets(listings, photos),
        "curves": curve_charts(*(read_output(path) for path in curves)),
        **matrix(answers),
        "calibration": calibration.to_dict("records"),
        "calibration_chart": calibration_chart(calibration),
        "mistakes": with_pictures(mistakes, listings, photos),
        "errors": with_pictures(errors.rename(columns={"p_suggested": "sure"}), listings, photos),
        "price_charts": price_charts(read_output(PRICES)),
        "searches": search_cards(Engine.load(INDEX, RANK), photos),
        "results": compare(metrics, read_metrics(COMMITTED)),
    }
    with replace_when_done(OUT) as temporary:
        temporary.write_text(render(content), encoding="utf-8")
    return f"{len(mistakes)} mistakes and {len(errors)} likely wrong labels in {OUT}"


if __name__ == "__main__":
    main()
