"""Show the category model's mistakes as a page: confusion, calibration, photos, wrong labels.

In:  data/merged/listings.parquet, data/clean/photos, data/category/{test.parquet,
     label_errors.csv}, plots/classify_calibration.csv, metrics/{clean,classify}.json.
Out: report/index.html, one file without any other, also offline. It shows listings: publish it only
     where those may be published.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from sklearn.metrics import confusion_matrix

from shared.atomic import replace_when_done
from shared.inputs import require
from shared.photo_store import PhotoStore
from shared.stage import stage

LISTINGS = Path("data/merged/listings.parquet")
PHOTOS = Path("data/clean/photos")
ANSWERS = Path("data/category/test.parquet")
ERRORS = Path("data/category/label_errors.csv")
CALIBRATION = Path("plots/classify_calibration.csv")
METRICS = (Path("metrics/clean.json"), Path("metrics/classify.json"))
OUT = Path("report/index.html")
SHOWN = 20  # mistakes, and likely wrong labels

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Category: what the model gets wrong</title>
<style>
  body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem;
         padding: 0 1rem; color: #222 }
  h2 { margin-top: 3rem }
  table { border-collapse: collapse; font-size: 13px }
  th { text-align: left; font-weight: 500; padding: 2px 8px }
  thead th { writing-mode: vertical-rl; transform: rotate(180deg); padding: 8px 2px }
  td { text-align: right; padding: 2px 6px; min-width: 2.2rem }
  .scroll { overflow-x: auto }
  .cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: 1rem }
  figure { margin: 0; border: 1px solid #ddd; border-radius: 6px; overflow: hidden }
  figure img, .none { width: 100%; aspect-ratio: 1; object-fit: cover; display: block;
                      background: #eee }
  .none { display: grid; place-items: center; color: #666 }
  figcaption { padding: .5rem .7rem; font-size: 13px; overflow-wrap: anywhere }
  del { color: #a22; text-decoration: none }
  ins { color: #165; text-decoration: none; font-weight: 600 }
  small { color: #555 }
</style>
<h1>Category: what the model gets wrong</h1>
<p>Dataset <b>{{ dataset }}</b>{% if dataset == "sample" %} (synthetic data: it says nothing of a
real marketplace){% endif %}. By text and photos together,
{{ "%.1f"|format(100 * scores.fused.accuracy) }} % of {{ scores.n }} test products are in the right
category; by text alone {{ "%.1f"|format(100 * scores.text.accuracy) }} %, by photos alone
{{ "%.1f"|format(100 * scores.photo.accuracy) }} %; always naming the commonest,
{{ "%.1f"|format(100 * scores.majority_accuracy) }} %. Nothing was fitted on them. Split seed and
model seed {{ scores.seed }}.</p>

<h2>Confusion</h2>
<p>Test products by the category that the seller chose (rows) and the one predicted (columns).
Colour: share of the row.</p>
<div class="scroll"><table>
<thead><tr><th></th>
{% for name in classes %}<th scope="col">{{ name }}</th>{% endfor %}</tr></thead>
{% for name in classes %}<tr><th scope="row">{{ name }}</th>
{% set share = shares[loop.index0] %}{% for count in confusion[loop.index0] %}
{#- #}<td style="background: rgb(40 120 200 / {{ '%.2f'|format(share[loop.index0]) }})">
{{- count or "" }}</td>{% endfor %}</tr>
{% endfor %}</table></div>

<h2>Calibration</h2>
<p>How often the category is right, by how sure the model is. Expected calibration error
{{ "%.3f"|format(scores.fused.ece) }}.</p>
<table><tr><th>mean confidence</th><th>right</th><th>products</th></tr>
{% for row in calibration %}<tr><td>{{ "%.0f"|format(100 * row.confidence) }} %</td>
<td>{{ "%.0f"|format(100 * row.accuracy) }} %</td><td>{{ row.n|int }}</td></tr>{% endfor %}
</table>

{% macro cards(rows) %}<div class="cards">{% for row in rows %}<figure>
{% if row.photo %}<img src="data:image/jpeg;base64,{{ row.photo }}" alt="">
{% else %}<div class="none">no photo</div>{% endif %}
<figcaption>{{ row.title }}<br><small>seller:</small> <del>{{ row.category }}</del><br>
<small>model:</small> <ins>{{ row.suggested }}</ins> <small>{{ "%.0f"|format(100 * row.sure) }} %
</small></figcaption></figure>{% endfor %}</div>{% endmacro %}

<h2>The {{ mistakes|length }} most confident mistakes on test products</h2>
{{ cards(mistakes) }}

<h2>Likely wrong labels</h2>
<p>{{ scores.label_errors }} products are in a category that confident learning (cleanlab) doubts,
by the text alone and by models that were not fitted on them; the surest {{ errors|length }}:</p>
{{ cards(errors) }}
</html>
"""


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


def render(
    dataset: str,
    scores: dict[str, Any],
    answers: pd.DataFrame,
    calibration: pd.DataFrame,
    mistakes: list[dict[str, Any]],
    errors: list[dict[str, Any]],
) -> str:
    """The page. Everything from listings is escaped: it is text, whatever it holds."""
    classes = sorted(set(answers["actual"]) | set(answers["predicted"]))
    confusion = confusion_matrix(answers["actual"], answers["predicted"], labels=classes)
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(
        PAGE
    )
    return template.render(
        dataset=dataset,
        scores=scores,
        classes=classes,
        confusion=confusion.tolist(),
        shares=(confusion / confusion.sum(1, keepdims=True).clip(min=1)).tolist(),
        calibration=calibration.to_dict("records"),
        mistakes=mistakes,
        errors=errors,
    )


@stage
def main() -> str:
    require(LISTINGS, PHOTOS, ANSWERS, ERRORS, CALIBRATION, *METRICS)
    about, scores = (json.loads(path.read_text(encoding="utf-8")) for path in METRICS)
    listings = pd.read_parquet(LISTINGS, columns=["product_id", "name", "photo_index"])
    photos = PhotoStore(PHOTOS)
    answers = pd.read_parquet(ANSWERS)
    errors = pd.read_csv(ERRORS, dtype={"product_id": str}).head(SHOWN)
    mistakes = most_confident_mistakes(answers, SHOWN)
    page = render(
        about["dataset"],
        scores,
        answers,
        pd.read_csv(CALIBRATION),
        with_pictures(mistakes, listings, photos),
        with_pictures(errors.rename(columns={"p_suggested": "sure"}), listings, photos),
    )
    with replace_when_done(OUT) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return f"{len(mistakes)} mistakes and {len(errors)} likely wrong labels in {OUT}"


if __name__ == "__main__":
    main()
