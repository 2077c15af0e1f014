"""The settings of the stages that train models: their sections of params.yaml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from market.core.section import (
    BelowOne,
    Count,
    Levels,
    NotNegative,
    Positive,
    Proportion,
    Section,
    Seed,
)


class Regress(Section):
    """Settings of stage regress."""

    alpha: Positive
    min_df: Count
    epochs: Count
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    n_estimators: Count
    coverage: Proportion
    flagged_share: Annotated[float, Field(gt=0, lt=0.5)]
    seed: Seed


class ClassifyRf(Section):
    """Settings of stage classify_rf."""

    n_estimators: Count
    min_samples_leaf: Count
    seed: Seed


class EmbedPhotos(Section):
    """Settings of stage embed_photos."""

    photo_size: Annotated[int, Field(ge=32, le=4096, multiple_of=32)]
    batch_size: Count
    seed: Seed


class EmbedTexts(Section):
    """Settings of stage embed_texts."""

    batch_size: Count
    seed: Seed


class Train(Section):
    """Settings of stage train_cnn."""

    backbone: Literal["efficientnet_lite0", "efficientnet_lite2", "resnet50"]
    weights: Literal["pretrained", "none"]
    label_depth: Levels
    batch_size: Count
    momentum: Proportion
    label_smoothing: BelowOne
    seed: Seed
    epochs: Annotated[int, Field(ge=0)]
    learning_rate: Positive
    weight_decay: NotNegative
    finetune_epochs: Annotated[int, Field(ge=0)]
    finetune_learning_rate: Positive
    finetune_weight_decay: NotNegative
    finetune_photo_size: Annotated[int, Field(ge=32, le=4096)]

    @model_validator(mode="after")
    def _train_at_least_once(self) -> Train:
        if self.epochs == self.finetune_epochs == 0:
            raise ValueError(
                "train.epochs and train.finetune_epochs are both 0: set one of them to 1 or more"
            )
        return self


class TrainText(Section):
    """Settings of stage train_text."""

    label_depth: Levels
    max_tokens: Annotated[int, Field(ge=3, le=512)]
    frozen_layers: Annotated[int, Field(ge=0, le=6)]
    dropout: BelowOne
    epochs: Count
    batch_size: Count
    learning_rate: Positive
    head_learning_rate: Positive
    weight_decay: NotNegative
    label_smoothing: BelowOne
    seed: Seed


class Classify(Section):
    """Settings of stage classify."""

    c: Positive
    min_df: Count
    label_depth: Levels
    calibration_slope: Positive
    calibration_midpoint: float
    embedding_weight: NotNegative
    seed: Seed
