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
from market.models.category_results import CategoryResults
from market.models.labelled_products import LabelledProducts


@stage
def main() -> str:
    settings = load_params("classify")
    inputs = (LISTINGS, TEXT_EMBEDDINGS, TEXT_PROBABILITIES, PHOTO_PROBABILITIES)
    require(*inputs)
    results = CategoryResults.fit(LabelledProducts.load(*inputs), settings)

    results.classifier.save(CATEGORY_CLASSIFIER)
    with replace_when_done(CATEGORY) as folder:
        folder.mkdir()
        results.probabilities.to_parquet(folder / CATEGORY_PROBABILITIES.name, index=False)
        results.predictions.to_parquet(folder / TEST_PREDICTIONS.name, index=False)
        results.label_errors.to_csv(folder / LABEL_ERRORS.name, index=False)
    with replace_when_done(CONFUSION_PLOT) as path:
        results.predictions[["actual", "predicted"]].to_csv(path, index=False)
    with replace_when_done(CALIBRATION_PLOT) as path:
        results.calibration.to_csv(path, float_format="%.6f")
    write_json(METRICS / "classify.json", results.metrics)

    if unused := results.metrics.get("features_without_terms"):
        click.echo(
            f"features not used: {', '.join(unused)}: none of their terms is in "
            f"{settings.min_df} products (classify.min_df)"
        )
    return results.summary()


if __name__ == "__main__":
    main()
