"""Predictions of categories and prices with the trained models."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from market.api.photos import Photo, photo_source
from market.api.tables import clean_table
from market.core.errors import MarketError
from market.core.torch_setup import set_up_torch
from market.models import predictor as models

MAX_SHOWN = 5  # unusable photos that a warning names


class Predictor:
    """Predicts the category and the price of listings. The models are loaded once.

    Parameters
    ----------
    root
        The project's folder, in which `dvc repro` or `dvc pull` has put the models.

    Raises
    ------
    MarketError
        If a model is absent or damaged.

    Examples
    --------
    >>> predict = Predictor()  # doctest: +SKIP
    >>> table = pd.DataFrame({"id": ["1"], "product_name": ["Oak table"]})  # doctest: +SKIP
    >>> predict(table, photos={"1": ["front.jpg", "back.jpg"]})  # doctest: +SKIP
    """

    def __init__(self, root: str | Path = ".") -> None:
        self.root = Path(root).absolute()
        self._models = models.Predictor(set_up_torch(seed=0), self.root)

    @property
    def classes(self) -> list[str]:
        """The categories, in the order of the columns p_<category>."""
        return list(self._models.classes)

    def __call__(
        self,
        listings: pd.DataFrame | str | Path,
        photos: Mapping[str, Photo | Sequence[Photo]] | None = None,
    ) -> pd.DataFrame:
        """Predict listings.

        Parameters
        ----------
        listings
            The `listings` that `clean_table` returned, or a table of new listings as `clean_table`
            reads it.
        photos
            By product id: a photo, or several, as paths, bytes of files or Pillow's images.

        Returns
        -------
        pd.DataFrame
            A row for each listing, in order: product_id, category, price, price_low, price_high,
            price_flag and p_<category>, as `python -m market.predict` writes them.

        Raises
        ------
        MarketError
            If the table cannot be read or has no rows, or photos belong to none of its listings.

        Warns
        -----
        UserWarning
            For columns that are not read, prices that cannot be read, and unusable photos.
        """
        products = self._cleaned(listings)
        owners, sources = _flatten(photos or {}, products["product_id"])
        table, reasons = self._models.predict(products, owners, sources)
        unusable = [
            f"of {owner!r}: {reason}"
            for owner, reason in zip(owners, reasons, strict=True)
            if reason
        ]
        if unusable:
            warnings.warn(
                f"unusable photos: {len(unusable)} ({'; '.join(unusable[:MAX_SHOWN])})",
                stacklevel=2,
            )
        return table

    def _cleaned(self, listings: pd.DataFrame | str | Path) -> pd.DataFrame:
        if not isinstance(listings, pd.DataFrame) or "price_is_placeholder" not in listings:
            listings, rejects = clean_table(listings, labelled=False, root=self.root)
            if len(rejects):
                first = rejects.iloc[0]
                warnings.warn(
                    f"unreadable prices, which get no price_flag: {len(rejects)} (the first of "
                    f"{first['id']!r}: {first['reason']})",
                    stacklevel=3,
                )
        if listings.empty:
            raise MarketError("the table has no rows: add a row for each listing")
        return listings.reset_index(drop=True)


def _flatten(
    photos: Mapping[str, Photo | Sequence[Photo]], product_ids: pd.Series
) -> tuple[pd.Series, list[Path | bytes]]:
    """Return the product id and the source of each photo."""
    unknown = [str(product_id) for product_id in photos if str(product_id) not in {*product_ids}]
    if unknown:
        raise MarketError(
            f"photos of {', '.join(map(repr, unknown[:MAX_SHOWN]))}: no listing has this id: "
            "correct the keys of `photos`"
        )
    pairs = [
        (str(product_id), photo_source(photo))
        for product_id, given in photos.items()
        for photo in ([given] if isinstance(given, Photo) else given)
    ]
    owners = pd.Series([product_id for product_id, _ in pairs], dtype="str")
    return owners, [source for _, source in pairs]
