"""Charts: they show the data, follow the page's colours, can be read out, and never vary."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pandas as pd
import pytest
from matplotlib import rc_context

from market.core.formats import BRITISH, Formats
from market.reporting import charts
from market.reporting.charts import Chart

pytestmark = pytest.mark.slow

PHOTO = pd.DataFrame(
    {
        "epoch": range(1, 7),
        "phase": ["head"] * 4 + ["finetune"] * 2,
        "train_loss": [3.0, 2.0, 1.5, 1.2, 1.1, 1.0],
        "train_accuracy": [0.1, 0.3, 0.5, 0.6, 0.7, 0.8],
        "val_loss": [3.0, 2.2, 1.9, 1.8, 1.7, 1.65],
        "val_accuracy": [0.1, 0.2, 0.4, 0.5, 0.55, 0.6],
    }
)
TEXT = PHOTO[["epoch", "train_loss", "val_loss", "val_accuracy"]]
PRODUCTS = pd.DataFrame(
    {
        "price": [5.0, 5.0, 5.0, 1.0, 1234.0, float("nan")],
        "price_is_placeholder": [False, False, False, True, True, False],
    }
)
PRICES = pd.DataFrame(
    {
        "log10_price": [0.0, 1.0, 2.0, 3.5],
        "log10_predicted": [1.0, 1.2, 1.9, 2.5],
        "log10_residual": [-1.0, -0.2, 0.1, 1.0],
    }
)
CALIBRATION = pd.DataFrame({"confidence": [0.3, 0.9], "accuracy": [0.5, 0.88], "n": [2, 30]})


def every_chart() -> list[Chart]:
    return [
        *charts.learning_curves(PHOTO, TEXT),
        charts.reliability_diagram(CALIBRATION),
        charts.price_histogram(PRODUCTS, BRITISH),
        charts.predicted_prices(PRICES, BRITISH),
        charts.price_residuals(PRICES, BRITISH),
    ]


def texts(chart: Chart) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]+)</text>", chart.svg)


def test_the_same_data_give_the_same_bytes_whatever_the_users_settings() -> None:
    first = every_chart()
    with rc_context({"font.size": 20, "axes.facecolor": "red", "svg.hashsalt": "other"}):
        assert every_chart() == first


def test_a_chart_is_an_image_with_a_description_and_labelled_axes() -> None:
    for chart in every_chart():
        root = ElementTree.fromstring(chart.svg)
        assert root.get("role") == "img" and root.get("aria-label") == chart.description
        assert len(texts(chart)) > 6
    histogram = charts.price_histogram(PRODUCTS, BRITISH)
    assert {"asking price, £ (logarithmic)", "products", "placeholders"} < set(texts(histogram))


def test_every_colour_is_the_pages_own() -> None:
    for chart in every_chart():
        assert not re.findall(r"#[0-9a-f]{6}\b", chart.svg)
        assert "var(--c0)" in chart.svg or "var(--c1)" in chart.svg


def test_ids_are_unique_in_a_page_and_lead_somewhere() -> None:
    page = "".join(chart.svg for chart in every_chart())
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(ids)


def test_nothing_is_fetched_or_styled_outside_the_chart() -> None:
    for chart in every_chart():
        assert "<style" not in chart.svg and "font-family" not in chart.svg
        assert not re.search(r'href="[^#]', chart.svg)


def test_learning_curves_mark_the_phases_and_state_the_last_values() -> None:
    loss, accuracy, *_ = charts.learning_curves(PHOTO, TEXT)
    assert "finetune" in texts(loss) and "head" not in texts(loss)
    assert loss.description.endswith("After epoch 6: training 1.000, validation 1.650.")
    assert accuracy.description.endswith("After epoch 6: training 80.0 %, validation 60.0 %.")
    assert "100 %" in texts(accuracy)


def test_without_photos_there_are_curves_of_the_text_only() -> None:
    titles = [chart.title for chart in charts.learning_curves(PHOTO.head(0), TEXT.head(1))]
    assert titles == ["Text encoder: loss", "Text encoder: accuracy"]


def test_the_histogram_counts_every_priced_product_and_sets_placeholders_apart() -> None:
    counts = charts.price_counts(PRODUCTS)
    assert len(counts) == charts.BINS
    assert counts["prices"].sum() == 3 and counts["placeholders"].sum() == 2
    (low,) = counts.loc[counts["prices"] == 3, "low"]
    assert 10**low - 1 <= 5
    description = charts.price_histogram(PRODUCTS, BRITISH).description
    assert "3 prices and 2 placeholders" in description


def test_a_dataset_without_prices_has_an_empty_histogram() -> None:
    assert "0 prices" in charts.price_histogram(PRODUCTS.head(0), BRITISH).description


def test_prices_are_shown_in_the_currency_of_the_listings() -> None:
    german = charts.predicted_prices(PRICES, Formats("EUR", "de", "DE"))
    assert {"10\xa0€", "asking price, € (logarithmic)"} < set(texts(german))


def test_labels_of_prices_do_not_overlap() -> None:
    dear = PRODUCTS.assign(price=PRODUCTS["price"].where(PRODUCTS.index > 0, 999_999_999.0))
    shown = texts(charts.price_histogram(dear, Formats("EUR", "de", "DE")))
    assert {"0\xa0€", "100\xa0€"} < set(shown) and "10\xa0€" not in shown


def test_british_prices_are_shown_in_pounds() -> None:
    chart = charts.predicted_prices(PRICES, BRITISH)
    assert {"£0", "£10", "£100", "£1k"} < set(texts(chart)) and "£10k" not in texts(chart)
    residuals = charts.price_residuals(PRICES, BRITISH)
    assert "× 0.1" in texts(residuals) and "factor of 3.98" in residuals.description


def test_a_large_scatter_plot_shows_a_sample() -> None:
    many = pd.concat([PRICES] * (charts.MAX_DOTS // 4 + 1))
    chart = charts.predicted_prices(many, BRITISH)
    assert "3,000 random products of 3,004" in chart.description
    assert len(re.findall("<use", chart.svg)) <= charts.MAX_DOTS + 20


def test_the_reliability_diagram_states_the_largest_gap() -> None:
    assert (
        "gap to perfect calibration is 20 %" in charts.reliability_diagram(CALIBRATION).description
    )
