"""Predictions for a new listing: the request as a table, and the result as a schema."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import TYPE_CHECKING

import pandas as pd

from market.core.torch_setup import set_up_torch
from market.service.schemas import NewListing, Prediction, UnusablePhoto

if TYPE_CHECKING:
    from market.data.money import Money
    from market.models.predictor import Predictor

LISTING_ID = "new"


class ListingPredictor:
    """Predict the category and the price of new listings, one at a time.

    The models load with the first prediction, because a search does not need them.
    """

    def __init__(self) -> None:
        self._predictor: Predictor | None = None
        self._lock = Lock()  # the encoders' tokenizers are not thread-safe

    def predict(self, listing: NewListing) -> Prediction:
        """Return the prediction for a listing, from its text, its photos, or both.

        Raises
        ------
        MarketError
            The models do not exist.
        """
        photos = [photo.file.read() for photo in listing.photos]
        (prediction,) = self.predict_rows(lambda money: _to_table(listing, money), [photos])
        return prediction

    def predict_rows(
        self, make_rows: Callable[[Money], pd.DataFrame], photos: Sequence[Sequence[bytes]]
    ) -> list[Prediction]:
        """Return the predictions for several listings (n), which is faster than one at a time.

        Parameters
        ----------
        make_rows
            Returns n rows of a raw table, checked by `market.data.schemas.check_rows`, with
            distinct ids.
        photos
            (n,) the photos of each listing, as bytes of files.

        Raises
        ------
        MarketError
            The models do not exist.
        """
        files = [photo for own in photos for photo in own]
        with self._lock:
            if self._predictor is None:
                self._predictor = _load_predictor()
            predictor = self._predictor
            rows = make_rows(predictor.money)
            ids = rows["id"].tolist()
            owners = [ids[row] for row, own in enumerate(photos) for _ in own]
            table, reasons = predictor(rows, pd.Series(owners, dtype="str"), files)
        predictions = []
        for row, own in enumerate(photos):
            predictions.append(_to_prediction(table.iloc[row], predictor, reasons[: len(own)]))
            reasons = reasons[len(own) :]
        return predictions


def _to_prediction(row: pd.Series, predictor: Predictor, reasons: list[str | None]) -> Prediction:
    """Return the schema of a row of predictions; `reasons` says which photos are unusable."""
    return Prediction(
        **{
            name: None if pd.isna(row[name]) else row[name]
            for name in ("category", "price", "price_low", "price_high")
        },
        coverage=predictor.price_model.coverage,
        price_flag=None if pd.isna(row["price_flag"]) else row["price_flag"] or None,
        probabilities={name: row[f"p_{name}"] for name in predictor.classes},
        unusable=[
            UnusablePhoto(photo=number, reason=reason)
            for number, reason in enumerate(reasons, start=1)
            if reason is not None
        ],
    )


def _load_predictor() -> Predictor:
    from market.models.predictor import Predictor  # imports libraries that a search does not need

    return Predictor(set_up_torch(seed=0))


def _to_table(listing: NewListing, money: Money) -> pd.DataFrame:
    """Return the listing as a row of a raw table, in which empty text is missing."""
    fields = {
        "id": LISTING_ID,
        "product_name": listing.name.strip(),
        "product_description": listing.description.strip(),
        "location": listing.location.strip(),
        "price": "" if listing.price is None else money.write(listing.price),
    }
    return pd.DataFrame({name: [text or pd.NA] for name, text in fields.items()}, dtype="str")
