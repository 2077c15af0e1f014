"""Predict the category and the price of new listings with the trained models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed

from market.core.params import load_params
from market.core.paths import (
    CATEGORY_CLASSIFIER,
    PHOTO_CLASSIFIER,
    PHOTO_EMBEDDER,
    PRICE_MODEL,
    TEXT_CLASSIFIER,
)
from market.core.stage import progress
from market.core.torch_setup import set_up_torch
from market.core.workers import keep
from market.data.images import DecodeLimits, UnusablePhoto, decode_limits, decode_photo
from market.data.listings import clean_products
from market.data.money import Money
from market.models.category_classifier import ENCODER, PHOTO, SVM, CategoryClassifier
from market.models.embeddings import folder_stamp
from market.models.fusion import average_photos
from market.models.labels import sum_by_category
from market.models.photo_classifier import PhotoClassifier
from market.models.photo_embedder import PhotoEmbedder
from market.models.price_features import price_table
from market.models.price_flags import flag_prices
from market.models.price_model import PriceModel
from market.models.text_classifier import TextClassifier
from market.models.text_encoder import encode_texts, load_text_encoder, with_embedding

BATCH = 64  # photos or texts


class PhotoModels:
    """The photo networks: features for the price model, and probabilities of the labels.

    Parameters
    ----------
    device
        To load the networks to.
    root
        The project's folder.

    Raises
    ------
    MarketError
        If models/embed or models/cnn is absent.
    """

    def __init__(self, device: torch.device, root: Path = Path()) -> None:
        self.root = root
        self.embedder = PhotoEmbedder.load(root / PHOTO_EMBEDDER, device)
        self.classifier = PhotoClassifier.load(root / PHOTO_CLASSIFIER, device)
        self.width = self.embedder.network.width

    # A worker of a cluster reads the files itself, once, instead of receiving the networks.
    def __reduce__(self) -> tuple:
        folders = (PHOTO_EMBEDDER, PHOTO_CLASSIFIER)
        return kept_models, (self.root, *(folder_stamp(self.root / folder) for folder in folders))

    def __call__(self, photos: np.ndarray) -> np.ndarray:
        """Return (n, width + labels) float32: features, then probabilities.

        Parameters
        ----------
        photos
            (n, 3, side, side) uint8.
        """
        with torch.inference_mode():
            features = self.embedder.features(photos)
            probabilities = self.classifier.label_probabilities(photos, features)
            return torch.cat([features, probabilities], 1).cpu().numpy()


def kept_models(root: Path, *stamps: tuple) -> PhotoModels:
    """Return the photo models with these stamps, loaded once in each process."""
    return keep("predict photos", (root, *stamps), lambda: PhotoModels(set_up_torch(seed=0), root))


def read_batch(
    models: PhotoModels, sources: Sequence[Path | bytes], limits: DecodeLimits
) -> list[Any]:
    """As `read_photos`, for one batch."""
    pixels: list[np.ndarray] = []
    results: list[np.ndarray | str | None] = []
    for source in sources:
        try:
            picture, _, _ = decode_photo(source, **limits)
        except UnusablePhoto as reason:
            results.append(str(reason))
        else:
            pixels.append(models.embedder.pixels(picture))
            results.append(None)
    outputs = iter(models(np.stack(pixels))) if pixels else iter(())
    return [next(outputs) if result is None else result for result in results]


def read_photos(
    models: PhotoModels, sources: Sequence[Path | bytes], limits: DecodeLimits
) -> Iterator[np.ndarray | str]:
    """Run the photo models, on the cluster if there is one.

    Parameters
    ----------
    models
        The networks.
    sources
        (m,) files, or the bytes of files.
    limits
        Keyword arguments of `decode_photo`: size, min_side and max_megapixels.

    Yields
    ------
    np.ndarray or str
        For each photo the output of `models`, (width + labels,), or the reason why the photo
        cannot be used.
    """
    batches = [sources[start : start + BATCH] for start in range(0, len(sources), BATCH)]
    # One batch at a time on this machine, as torch uses all cores for it.
    parallel = Parallel(n_jobs=1, return_as="generator")
    results = parallel(delayed(read_batch)(models, batch, limits) for batch in batches)
    for batch in progress(results, total=len(batches), desc="photos", unit=f"{BATCH} photos"):
        yield from batch


class Predictor:
    """All trained models, loaded once.

    Parameters
    ----------
    device
        To load the networks to.
    root
        The project's folder, by default the current one.

    Raises
    ------
    MarketError
        If a model is absent or damaged.
    """

    def __init__(self, device: torch.device, root: Path = Path()) -> None:
        self.photo_models = PhotoModels(device, root)
        self.category = CategoryClassifier.load(root / CATEGORY_CLASSIFIER)
        self.text_classifier = TextClassifier.load(root / TEXT_CLASSIFIER, device)
        self.price_model = PriceModel.load(root / PRICE_MODEL)
        self.classes = self.category.classes
        settings, self.input_settings = load_params("clean", "input", root=root)
        self.money = Money.of(self.input_settings)
        self.placeholder_above = settings.placeholder_above
        self.photo_limits = decode_limits(settings)
        self.encoder = load_text_encoder(str(device))

    def __call__(
        self, rows: pd.DataFrame, photo_of: pd.Series, sources: Sequence[Path | bytes]
    ) -> tuple[pd.DataFrame, list[str | None]]:
        """Predict listings.

        Parameters
        ----------
        rows
            At least one row of Products.csv, checked by `market.data.schemas.check_rows`.
        photo_of
            (m,) the id of each photo's product.
        sources
            (m,) each photo's file, or its bytes.

        Returns
        -------
        tuple
            The predictions, a row for each of `rows`: product_id, category, price, price_low,
            price_high, price_flag and p_<class>, missing where the models learned no categories or
            prices; and for each photo the reason why it cannot be used, or None.
        """
        products = clean_products(
            rows, placeholder_above=self.placeholder_above, settings=self.input_settings
        )
        return self.predict(products, photo_of, sources)

    def predict(
        self, products: pd.DataFrame, photo_of: pd.Series, sources: Sequence[Path | bytes]
    ) -> tuple[pd.DataFrame, list[str | None]]:
        """Predict listings that are already clean, as `listings.clean_products` returns them.

        The other parameters and the result are as for `__call__`.
        """
        by_photo = list(read_photos(self.photo_models, sources, self.photo_limits))
        features, photo_labels = self._average(by_photo, photo_of, products["product_id"])
        vectors = encode_texts(self.encoder, products["name"], products["description"], BATCH)
        by_model = {
            SVM: self.category.svm_probabilities(with_embedding(products, vectors)),
            ENCODER: self.text_classifier.probabilities(products),
            PHOTO: sum_by_category(
                photo_labels, self.photo_models.classifier.parents, len(self.classes)
            ),
        }
        probabilities = self.category.fuse(by_model)
        # By the SVM alone, as the price model was fitted on its probabilities.
        by_svm = self.category.fuse({SVM: by_model[SVM]})
        prices = self.price_model.predict(
            price_table(products, vectors, features, by_svm, self.money)
        )
        table = pd.DataFrame(
            {
                "product_id": products["product_id"],
                "category": self._most_probable(probabilities),
                **{name: prices[name].round(2) for name in ("price", "price_low", "price_high")},
                "price_flag": flag_prices(
                    products["price"], products["price_is_placeholder"], prices
                ),
            }
        )
        for position, name in enumerate(self.classes):
            table[f"p_{name}"] = probabilities[:, position]
        return table, [result if isinstance(result, str) else None for result in by_photo]

    def _most_probable(self, probabilities: np.ndarray) -> pd.api.extensions.ExtensionArray:
        """Return the most probable category (n,); missing without categories."""
        if not self.classes:
            return pd.array([pd.NA] * len(probabilities), dtype="str")
        return pd.array(np.array(self.classes)[probabilities.argmax(1)], dtype="str")

    def _average(
        self, by_photo: list[np.ndarray | str], photo_of: pd.Series, product_ids: pd.Series
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return each product's photo features (n, width) and probabilities (n, labels)."""
        usable = np.array([not isinstance(result, str) for result in by_photo], dtype=bool)
        width, labels = self.photo_models.width, len(self.photo_models.classifier.labels)
        outputs = np.array(
            [result for result in by_photo if not isinstance(result, str)], dtype=np.float32
        )
        means = average_photos(outputs.reshape(-1, width + labels), photo_of[usable], product_ids)
        return means[:, :width], means[:, width:]
