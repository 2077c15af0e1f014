"""Predict the category from a listing's text, and from text and photos together.

In:  data/merged/listings.parquet, data/embeddings/text.parquet, data/text/probabilities.parquet,
     data/cnn/probabilities.parquet.
Out: models/category/, metrics/classify.json, plots/classify_confusion.csv,
     plots/classify_calibration.csv, data/category/: probabilities.parquet (of every product, by
     the text SVM), test.parquet (the predictions from text and photos for the test products) and
     label_errors.csv (likely mislabelled listings).

Three models are pooled: "svm", fitted here on the text; "encoder", the sentence encoder that
train_text fine-tuned; "photo", the network of train_cnn. The baseline of the text models is a
linear SVM on TF-IDF alone. Every score is also given for the test products without a near-duplicate
in train or validation.

The SVM and the weights of the pool are fitted on the train and validation products. The weights
learn from predictions by models that were fitted without the product: cross-validated ones of the
SVM, those that train_cnn gives for the photos, and the encoder's for validation products alone,
because it was trained on the train products. The test products are for evaluation only.

The price model reads probabilities.parquet, and mislabelled listings are found by it. It leaves the
encoder out, which has memorised the train products: a feature must mean the same in train and test
rows. For the same reason the rows of train and validation products are out-of-fold.
"""

from __future__ import annotations

import click
import numpy as np
import pandas as pd

from market.core.atomic import replace_when_done, write_json
from market.core.params import load_params
from market.core.paths import (
    CALIBRATION_PLOT,
    CATEGORY,
    CATEGORY_CLASSIFIER,
    CATEGORY_PROBABILITIES,
    CONFUSION_PLOT,
    LABEL_ERRORS,
    LISTINGS,
    METRICS,
    PHOTO_PROBABILITIES,
    TEST_PREDICTIONS,
    TEXT_EMBEDDINGS,
    TEXT_PROBABILITIES,
    require,
)
from market.core.stage import stage
from market.models.category_classifier import SVM, CategoryClassifier
from market.models.category_evaluation import (
    HEADLINES,
    evaluate_classifier,
    predict_pools,
    prediction_table,
)
from market.models.category_training import fit_classifier
from market.models.label_errors import find_label_errors
from market.models.labelled_products import LabelledProducts
from market.models.labels import NO_CATEGORIES
from market.models.metrics import calibration_table


def write_tables(
    data: LabelledProducts,
    by_svm: np.ndarray,
    predictions: pd.DataFrame,
    errors: pd.DataFrame,
    calibration: pd.DataFrame,
) -> None:
    """Write data/category and both plots."""
    with replace_when_done(CATEGORY) as folder:
        folder.mkdir()
        table = pd.DataFrame(by_svm, data.products["product_id"], data.classes)
        table.reset_index().to_parquet(folder / CATEGORY_PROBABILITIES.name, index=False)
        predictions.to_parquet(folder / TEST_PREDICTIONS.name, index=False)
        errors.to_csv(folder / LABEL_ERRORS.name, index=False)
    with replace_when_done(CONFUSION_PLOT) as path:
        predictions[["actual", "predicted"]].to_csv(path, index=False)
    with replace_when_done(CALIBRATION_PLOT) as path:
        calibration.to_csv(path, float_format="%.6f")


def skip(data: LabelledProducts) -> str:
    """Write outputs without a model, because no listing has a category."""
    CategoryClassifier.without_categories().save(CATEGORY_CLASSIFIER)
    none = data.without_rows()
    empty = np.empty((0, 1))
    write_tables(
        data,
        np.empty((len(data.products), 0)),
        prediction_table(none, empty),
        find_label_errors(none.products, empty, none.codes, none.classes),
        calibration_table(empty, none.codes),
    )
    write_json(METRICS / "classify.json", {"n": 0, "skipped": NO_CATEGORIES})
    return f"no category classifier was fitted: {NO_CATEGORIES}"


@stage
def main() -> str:
    settings = load_params("classify")
    inputs = (LISTINGS, TEXT_EMBEDDINGS, TEXT_PROBABILITIES, PHOTO_PROBABILITIES)
    require(*inputs)
    data = LabelledProducts.load(*inputs)
    if not data.classes:
        return skip(data)
    classifier, by_model = fit_classifier(data, settings)

    by_svm = classifier.fuse({SVM: by_model[SVM]})
    # Without the SVM's prediction, the pool returns shares of categories: no evidence of an error.
    evidence = np.where(np.isnan(by_model[SVM]), np.nan, by_svm)
    errors = find_label_errors(data.products, evidence, data.codes, data.classes)
    test = data.is_test
    predicted = predict_pools(classifier, {name: by_model[name][test] for name in by_model})
    metrics = evaluate_classifier(data, predicted, classifier, settings)
    metrics |= {"label_errors": len(errors), "seed": settings.seed}

    classifier.save(CATEGORY_CLASSIFIER)
    calibration = calibration_table(predicted["fused"], data.codes[test])
    write_tables(data, by_svm, prediction_table(data, predicted["fused"]), errors, calibration)
    write_json(METRICS / "classify.json", metrics)

    if unused := metrics["features_without_terms"]:
        click.echo(
            f"features not used: {', '.join(unused)}: none of their terms is in "
            f"{settings.min_df} products (classify.min_df)"
        )
    accuracies = [f"{name} {metrics[name]['accuracy']:.3f}" for name in HEADLINES]
    return f"{', '.join(accuracies)}: accuracy per product, n={metrics['n']}"


if __name__ == "__main__":
    main()
