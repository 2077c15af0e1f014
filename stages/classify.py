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

The SVM is fitted on the train and validation products, and so are the weights of the pool, but on
predictions by models that were fitted without the product: by cross-validation for the SVM, as
train_cnn gives them for the photos, and of the validation products alone for the encoder, which was
trained on the train products. The test products are for evaluation only.

probabilities.parquet is a feature of the price model and serves to find mislabelled listings. It
leaves the encoder out, which has memorised the train products: a feature must mean the same in
train and test rows. For the same reason those of train and validation products are out-of-fold.
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
    LABEL_ERRORS,
    LISTINGS,
    METRICS,
    PHOTO_PROBABILITIES,
    PLOTS,
    TEST_PREDICTIONS,
    TEXT_EMBEDDINGS,
    TEXT_PROBABILITIES,
    require,
)
from market.core.stage import stage
from market.models.category_classifier import ENCODER, PHOTO, SVM, CategoryClassifier
from market.models.category_evaluation import HEADLINES, evaluate, predict_pools
from market.models.fusion import average_photos
from market.models.label_errors import find_label_errors
from market.models.labels import sum_by_category
from market.models.metrics import (
    calibration_table,
    majority_accuracy,
    score_labels,
)
from market.models.text_encoder import with_embedding
from market.models.text_svm import (
    build_pipeline,
    feature_names,
    fit_and_predict,
    fit_pipeline,
)


def read_products() -> pd.DataFrame:
    """Return the products, one row each, with the numbers of their sentence embedding."""
    columns = ["product_id", "name", "description", "category", "category_levels"]
    products = pd.read_parquet(LISTINGS, columns=[*columns, "split", "group", "has_near_duplicate"])
    products = products.drop_duplicates("product_id")
    vectors = pd.read_parquet(TEXT_EMBEDDINGS).set_index("product_id").loc[products["product_id"]]
    return with_embedding(products, vectors.to_numpy())


def read_networks(product_ids: pd.Series, classes: list[str]) -> dict[str, np.ndarray]:
    """Return the (n, classes) probabilities of both networks; NaN where a product has none."""
    encoder = pd.read_parquet(TEXT_PROBABILITIES).set_index("product_id")[classes]
    photos = pd.read_parquet(PHOTO_PROBABILITIES)
    return {
        ENCODER: encoder.reindex(product_ids).to_numpy(),  # NaN for train products
        PHOTO: average_photos(photos[classes].to_numpy(), photos["product_id"], product_ids),
    }


def write_predictions(
    products: pd.DataFrame, fused: pd.DataFrame, by_svm: pd.DataFrame, errors: pd.DataFrame
) -> None:
    """Write data/category and both plots.

    `fused` are the probabilities of the test products, `by_svm` those of all, with the products'
    ids as index and the categories as columns.
    """
    actual = products.set_index("product_id").loc[fused.index, "category"].to_numpy()
    confusion = pd.DataFrame({"actual": actual, "predicted": fused.idxmax(axis=1).to_numpy()})
    with replace_when_done(CATEGORY) as folder:
        folder.mkdir()
        by_svm.reset_index().to_parquet(folder / CATEGORY_PROBABILITIES.name, index=False)
        answers = confusion.assign(
            product_id=fused.index.to_numpy(), confidence=fused.max(axis=1).to_numpy()
        )
        answers.to_parquet(folder / TEST_PREDICTIONS.name, index=False)
        errors.to_csv(folder / LABEL_ERRORS.name, index=False)
    with replace_when_done(PLOTS / "classify_confusion.csv") as path:
        confusion.to_csv(path, index=False)
    codes = pd.Categorical(actual, fused.columns).codes
    with replace_when_done(CALIBRATION_PLOT) as path:
        calibration_table(fused.to_numpy(), codes).to_csv(path, float_format="%.6f")


@stage
def main() -> str:
    settings = load_params("classify")
    require(LISTINGS, TEXT_EMBEDDINGS, TEXT_PROBABILITIES, PHOTO_PROBABILITIES)
    products = read_products()
    ids, classes = products["product_id"], sorted(products["category"].unique())
    codes = pd.Categorical(products["category"], classes).codes
    test = (products["split"] == "test").to_numpy()

    svm, labels, by_label = fit_and_predict(products, ~test, classes, settings)
    by_model = {
        SVM: sum_by_category(by_label, labels.parents, len(classes)),
        **read_networks(ids, classes),
    }
    known = {name: probabilities[~test] for name, probabilities in by_model.items()}
    classifier = CategoryClassifier.fit_fusion(classes, svm, labels.parents, known, codes[~test])
    predicted = predict_pools(
        classifier, {name: probabilities[test] for name, probabilities in by_model.items()}
    )
    by_svm = classifier.fuse({SVM: by_model[SVM]})
    rows = ~np.isnan(by_model[SVM]).any(1)  # predicted by the SVM
    errors = find_label_errors(products[rows], by_svm[rows], codes[rows], classes)
    baseline = fit_pipeline(
        products[~test], codes[~test], settings, exclude=frozenset({"embedding"})
    )
    without_terms = sorted(feature_names(build_pipeline(settings)) - feature_names(svm.pipeline))
    metrics = {
        **evaluate(predicted, codes[test], products.loc[test, "has_near_duplicate"].to_numpy()),
        "text_baseline": score_labels(codes[test], baseline.predict(products[test])),
        "features_without_terms": without_terms,
        "majority_accuracy": majority_accuracy(codes[~test], codes[test]),
        "label_errors": len(errors),
        "without_photo": int(np.isnan(by_model[PHOTO][test]).any(1).sum()),
        "n": int(test.sum()),
        "seed": settings.seed,
    }

    classifier.save(CATEGORY_CLASSIFIER)
    fused = pd.DataFrame(predicted["fused"], ids[test], classes)
    write_predictions(products, fused, pd.DataFrame(by_svm, ids, classes), errors)
    write_json(METRICS / "classify.json", metrics)
    if without_terms:
        click.echo(
            f"{', '.join(without_terms)}: no term is in {settings.min_df} products "
            "(classify.min_df), so these features are not used"
        )
    accuracies = [f"{name} {metrics[name]['accuracy']:.3f}" for name in HEADLINES]
    return f"{', '.join(accuracies)}: accuracy per product, n={metrics['n']}"


if __name__ == "__main__":
    main()
