"""The text SVM: a listing's category from its words and its sentence embedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.special import expit
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import LinearSVC

from market.core.cluster import cluster
from market.core.settings import Classify
from market.core.stage import progress
from market.core.workers import worker_count
from market.data.clean_listings import listing_text
from market.data.words import WordVectorizer, word_vectorizer
from market.models.labels import Labels, subcategory_labels
from market.models.text_encoder import EMBEDDING

FOLDS = 5
MIN_PRODUCTS = 8  # of a subcategory that gets a label of its own


@dataclass(frozen=True)
class TextSvm:
    """A linear SVM on TF-IDF and the sentence embedding, with calibrated probabilities.

    An SVM was 1 to 2 points more accurate than logistic regression. Its labels are subcategories
    (`market.models.labels`), which was 0.7 points better than categories.

    Parameters
    ----------
    pipeline
        As `fit_pipeline` returns it.
    label_count
        The number of labels. Their codes are 0 … label_count - 1.
    calibration_slope, calibration_midpoint
        As in `margin_probabilities`.
    """

    pipeline: Pipeline
    label_count: int
    calibration_slope: float
    calibration_midpoint: float

    @classmethod
    def fit(
        cls, products: pd.DataFrame, codes: np.ndarray, label_count: int, settings: Classify
    ) -> TextSvm:
        """Fit on products with the columns name, description and EMBEDDING, and codes (n,)."""
        return cls(
            fit_pipeline(products, codes, settings),
            label_count,
            settings.calibration_slope,
            settings.calibration_midpoint,
        )

    def probabilities(self, products: pd.DataFrame) -> np.ndarray:
        """Return (n, labels) probabilities; NaN for a product without name and description.

        A label that no fitted product had gets 0.
        """
        margins = self.pipeline.decision_function(products)
        if margins.ndim == 1:  # for two classes scikit-learn returns the second one's margin
            margins = np.column_stack([-margins, margins])
        probabilities = np.zeros((len(products), self.label_count))
        probabilities[:, self.pipeline.classes_] = margin_probabilities(
            margins, slope=self.calibration_slope, midpoint=self.calibration_midpoint
        )
        probabilities[listing_text(products).eq("")] = np.nan
        return probabilities


def margin_probabilities(margins: np.ndarray, *, slope: float, midpoint: float) -> np.ndarray:
    """Turn the one-against-rest margins of an SVM into probabilities.

    Each margin goes through one logistic curve, the same for all classes (Platt 1999); each row is
    then scaled to sum to 1. A softmax of the margins was overconfident for large margins and
    underconfident for small ones.

    Parameters
    ----------
    margins
        (n, classes).
    slope
        Of the curve: the larger, the more certain the probabilities.
    midpoint
        The margin at which the curve is 1/2.

    Returns
    -------
    np.ndarray
        (n, classes).

    Examples
    --------
    >>> margins = np.array([[0.5, -1.0], [-1.0, -1.0]])
    >>> margin_probabilities(margins, slope=6.0, midpoint=-0.3).round(3)
    array([[0.985, 0.015],
           [0.5  , 0.5  ]])
    """
    curve = expit(slope * (margins - midpoint))
    return curve / curve.sum(1, keepdims=True)


def build_pipeline(settings: Classify, exclude: frozenset[str] = frozenset()) -> Pipeline:
    """Return the unfitted pipeline: words, word pairs and character n-grams beside the embedding.

    Parameters
    ----------
    settings
        Section `classify` of params.yaml.
    exclude
        Names of features to leave out (see `feature_names`).
    """
    words: dict[str, Any] = {
        "ngram_range": (1, 2), "sublinear_tf": True, "min_df": settings.min_df,
    }  # fmt: skip
    letters: dict[str, Any] = {
        "analyzer": "char_wb", "sublinear_tf": True, "min_df": settings.min_df,
    }  # fmt: skip
    weights = {"name": 2, "name_letters": 2, "embedding": settings.embedding_weight}
    features = [
        ("name", word_vectorizer(**words), "name"),
        ("description", word_vectorizer(**words), "description"),
        ("name_letters", WordVectorizer(ngram_range=(2, 5), **letters), "name"),
        ("letters", WordVectorizer(ngram_range=(3, 5), **letters), "description"),
        ("embedding", "passthrough", EMBEDDING),
    ]
    kept = [feature for feature in features if feature[0] not in exclude]
    transformer = ColumnTransformer(
        kept, transformer_weights={name: weights[name] for name, *_ in kept if name in weights}
    )
    return make_pipeline(transformer, LinearSVC(C=settings.c, random_state=settings.seed))


def fit_pipeline(
    products: pd.DataFrame,
    codes: np.ndarray,
    settings: Classify,
    exclude: frozenset[str] = frozenset(),
) -> Pipeline:
    """Fit `build_pipeline`, without the features that find no term in these products.

    Parameters
    ----------
    products
        With the columns name, description and EMBEDDING, n rows.
    codes
        (n,) the label of each product.
    settings, exclude
        As in `build_pipeline`.
    """
    try:
        pipeline = build_pipeline(settings, exclude).fit(products, codes)
    except ValueError:
        without_terms = features_without_terms(products, settings)
        if not without_terms:
            raise
        pipeline = build_pipeline(settings, exclude | without_terms).fit(products, codes)
    # Half the size: some 200,000 terms have a weight for each of 92 labels.
    pipeline[-1].coef_ = pipeline[-1].coef_.astype(np.float32)
    return pipeline


def features_without_terms(products: pd.DataFrame, settings: Classify) -> frozenset[str]:
    """Return the features that find no term in `settings.min_df` of the products.

    Reasons are an empty column, names that are all different codes, or a large `min_df`.
    """
    without_terms = set()
    for name, vectorizer, column in build_pipeline(settings)[0].transformers:
        if vectorizer == "passthrough":
            continue
        try:
            clone(vectorizer).fit(products[column])
        except ValueError:  # the only sign that scikit-learn gives of an empty vocabulary
            without_terms.add(name)
    return frozenset(without_terms)


def feature_names(pipeline: Pipeline) -> set[str]:
    """Return the names of the features that a pipeline of `build_pipeline` has."""
    return {name for name, *_ in pipeline[0].transformers}


def fit_and_predict(
    products: pd.DataFrame, is_known: np.ndarray, classes: list[str], settings: Classify
) -> tuple[TextSvm, Labels, np.ndarray]:
    """Fit the text SVM on the known products, and predict all without having seen them.

    Parameters
    ----------
    products
        With the columns name, description, EMBEDDING, category_levels and group, n rows.
    is_known
        (n,) whether to fit on the product.
    classes
        The names of the categories.
    settings
        Section `classify` of params.yaml.

    Returns
    -------
    tuple
        The SVM, its labels (with the codes of the known products), and probabilities (n, labels):
        out-of-fold for the known products, by the SVM for the others.
    """
    known = products[is_known]
    labels = subcategory_labels(
        known["category_levels"], classes, depth=settings.label_depth, min_rows=MIN_PRODUCTS
    )
    svm = TextSvm.fit(known, labels.codes, len(labels.names), settings)
    probabilities = np.empty((len(products), len(labels.names)))
    probabilities[is_known] = out_of_fold_probabilities(known, labels, settings)
    probabilities[~is_known] = svm.probabilities(products[~is_known])
    return svm, labels, probabilities


def out_of_fold_probabilities(
    products: pd.DataFrame, labels: Labels, settings: Classify
) -> np.ndarray:
    """Cross-validate the text SVM: predict each product by a model fitted without its group.

    Parameters
    ----------
    products
        As in `fit_pipeline`, with the column group.
    labels
        The labels of these products.
    settings
        Section `classify` of params.yaml.

    Returns
    -------
    np.ndarray
        (n, labels) probabilities. NaN for products without a text, and where no model can be fitted
        because all products outside of the group have the same label.
    """
    label_count = len(labels.names)
    fold_count = min(FOLDS, products["group"].nunique())
    probabilities = np.full((len(products), label_count), np.nan)
    if fold_count < 2:
        return probabilities
    folds = GroupKFold(fold_count, shuffle=True, random_state=settings.seed)
    parts = [
        (fitted, held_out)
        for fitted, held_out in folds.split(products, groups=products["group"])
        if len(set(labels.codes[fitted])) > 1
    ]

    # The products travel with the function. As an argument they would be stored on one worker of
    # the cluster, and if that died the task could not run again.
    def predict_fold(fold: int) -> np.ndarray:
        fitted, held_out = parts[fold]
        svm = TextSvm.fit(products.iloc[fitted], labels.codes[fitted], label_count, settings)
        return svm.probabilities(products.iloc[held_out])

    with cluster():
        results = Parallel(worker_count(), return_as="generator")(
            delayed(predict_fold)(fold) for fold in range(len(parts))
        )
        tracked = progress(results, total=len(parts), desc="cross-validate", unit="fold")
        for (_, held_out), predicted in zip(parts, tracked, strict=True):
            probabilities[held_out] = predicted
    return probabilities
