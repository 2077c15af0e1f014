"""The category classifier: a text SVM, and the weights that pool it with the networks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from market.core.atomic import replace_when_done, write_json
from market.core.paths import require
from market.models.fusion import Weights, fit_weights, pool
from market.models.labels import sum_by_category
from market.models.skops_files import load_model, save_model
from market.models.text_svm import TextSvm

# The models that are pooled, by their names in the weights.
SVM = "svm"  # the text SVM
ENCODER = "encoder"  # the fine-tuned sentence encoder
PHOTO = "photo"  # the photo classifier
SVM_FILE = "text.skops"
FUSION_FILE = "fusion.json"


@dataclass(frozen=True)
class CategoryClassifier:
    """Predicts a listing's category from its text and photos: models/category.

    It owns the text SVM. The other models (the fine-tuned sentence encoder, the photo classifier)
    are artefacts of their own: their probabilities are arguments of `fuse`.

    Parameters
    ----------
    classes
        The names of the categories.
    text_svm
        The fitted SVM on subcategories; None without categories.
    parents
        (labels,) the position in `classes` that each label of the SVM belongs to.
    class_shares
        (classes,) each category's share of the fitted products: the prediction for a listing
        without text and photos.
    weights
        Of the pool, as `market.models.fusion.fit_weights` returns them.
    """

    classes: list[str]
    text_svm: TextSvm | None
    parents: np.ndarray
    class_shares: np.ndarray
    weights: Weights

    @classmethod
    def without_categories(cls) -> CategoryClassifier:
        """Return the classifier of listings that have no categories: it predicts none."""
        return cls([], None, np.empty(0, np.int64), np.empty(0), {})

    @classmethod
    def fit_fusion(
        cls,
        classes: list[str],
        text_svm: TextSvm,
        parents: np.ndarray,
        probabilities: Mapping[str, np.ndarray],
        codes: np.ndarray,
    ) -> CategoryClassifier:
        """Fit the weights of the pool.

        Parameters
        ----------
        classes, text_svm, parents
            As in the class.
        probabilities
            (n, classes) by model, among them SVM, of products that the model was not fitted on.
            A row of NaN: no prediction.
        codes
            (n,) positions in `classes` of the true categories.
        """
        counts = np.bincount(codes, minlength=len(classes)) + 1  # no category is impossible
        return cls(
            classes,
            text_svm,
            parents,
            counts / counts.sum(),
            fit_weights(probabilities, codes),
        )

    def svm_probabilities(self, products: pd.DataFrame) -> np.ndarray:
        """Return (n, classes) probabilities by the text SVM alone, before pooling.

        `products` are as in `TextSvm.probabilities`; NaN where they have no text.
        """
        if self.text_svm is None:
            return np.empty((len(products), 0))
        by_label = self.text_svm.probabilities(products)
        return sum_by_category(by_label, self.parents, len(self.classes))

    def fuse(self, probabilities: Mapping[str, np.ndarray]) -> np.ndarray:
        """Pool the (n, classes) probabilities of any subset of the models into (n, classes)."""
        if not self.classes:
            return np.empty((len(next(iter(probabilities.values()))), 0))
        return pool(probabilities, self.weights, self.class_shares)

    def save(self, folder: Path) -> None:
        """Replace `folder` by this classifier."""
        with replace_when_done(folder) as temporary:
            temporary.mkdir()
            calibration = {}
            if self.text_svm is not None:
                save_model(self.text_svm.pipeline, temporary / SVM_FILE)
                calibration = {
                    "calibration_midpoint": self.text_svm.calibration_midpoint,
                    "calibration_slope": self.text_svm.calibration_slope,
                }
            write_json(
                temporary / FUSION_FILE,
                {
                    **calibration,
                    "class_shares": self.class_shares.tolist(),
                    "classes": self.classes,
                    "parents": self.parents.tolist(),
                    "weights": self.weights,
                },
            )

    @classmethod
    def load(cls, folder: Path) -> CategoryClassifier:
        """Read the classifier that `save` wrote.

        Raises
        ------
        MarketError
            If a file is absent, damaged, or holds types that no model here has.
        """
        require(folder / FUSION_FILE)
        fusion = json.loads((folder / FUSION_FILE).read_text(encoding="utf-8"))
        if not fusion["classes"]:
            return cls.without_categories()
        require(folder / SVM_FILE)
        text_svm = TextSvm(
            load_model(folder / SVM_FILE),
            len(fusion["parents"]),
            fusion["calibration_slope"],
            fusion["calibration_midpoint"],
        )
        return cls(
            fusion["classes"],
            text_svm,
            np.array(fusion["parents"]),
            np.array(fusion["class_shares"]),
            fusion["weights"],
        )
