"""New listings, and what the models predict of them."""

from __future__ import annotations

from fastapi import UploadFile
from pydantic import BaseModel, ConfigDict, Field

from market.data.photo_formats import FORMAT_NAMES, FORMATS_DESCRIPTION
from market.service.schemas.fields import RequestFields, as_form


class NewListing(RequestFields):
    """A new listing. Every field is optional."""

    model_config = ConfigDict(json_schema_extra=as_form)

    name: str = Field("", max_length=500, examples=["Oak bedside table"])
    description: str = Field("", max_length=20_000)
    location: str = Field("", max_length=200, examples=["Reading, Berkshire"])
    price: float | None = Field(
        None,
        ge=0,
        le=1e9,
        description="Asking price in the currency of the listings, to check for plausibility.",
    )
    photos: list[UploadFile] = Field([], max_length=10, description=f"{FORMATS_DESCRIPTION} files.")


class UnusablePhoto(BaseModel):
    """A photo that could not be used."""

    photo: int = Field(description="Position of the photo, from 1.")
    reason: str = Field(examples=[f"not one of {FORMAT_NAMES}"])


class Prediction(BaseModel):
    """The predicted category and price of a new listing.

    They are null if the models had no categories or no prices to learn from.
    """

    category: str | None = Field(description="Most probable category.", examples=["Home & Garden"])
    probabilities: dict[str, float] = Field(
        description="Probability of every category. They add up to 1; empty without categories."
    )
    price: float | None = Field(description="Predicted price, in the currency of the listings.")
    price_low: float | None = Field(description="Lower end of the prediction interval.")
    price_high: float | None = Field(description="Upper end of the prediction interval.")
    coverage: float = Field(
        description="Target share of prices within the interval.", examples=[0.8]
    )
    price_flag: str | None = Field(
        description='Of the asking price: "placeholder", "far below" or "far above"; or null.'
    )
    unusable: list[UnusablePhoto]
