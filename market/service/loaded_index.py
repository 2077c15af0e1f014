"""The outputs of the pipeline that the service serves, which a reload replaces."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from PIL import Image

from market.core.paths import (
    DISPLAY_PHOTOS,
    EXPECTED_PRICES,
    INTERACTIONS,
    PHOTO_EMBEDDER,
    PHOTOS,
    RANKER,
    RULES,
    SEARCH_INDEX,
    require,
)
from market.data.display_store import DisplayPhotos
from market.data.histories import LoggedHistories
from market.data.photo_store import PhotoStore
from market.search.encoders import CachedTextEncoder, PhotoEncoder
from market.search.engine import Engine
from market.search.index import SearchIndex
from market.search.listing_encoder import ListingEncoder
from market.search.model_versions import LATEST, load_served_models, load_variant
from market.search.ranking_models import RankingModels
from market.service.photos import DisplaySource
from market.service.prepared_listings import Encoder

log = logging.getLogger("uvicorn.error")


@dataclass(frozen=True, eq=False)
class Index:
    """What a reload replaces: the outputs of the pipeline.

    Attributes
    ----------
    engine
        Search engine over the listings of the index alone.
    photos
        Photos of the listings.
    logged
        User histories up to the time of the index. The event store has the later events.
    encoder
        Encodes changed listings as the index encoded its own; None for the engine's encoders.
    changes_through
        Number of the last change in the store that the index contains.
    version
        Of the ranking models: that of the promoted ones, or "latest".
    models_b
        The ranking models of variant B; None without an experiment.
    """

    engine: Engine
    photos: DisplaySource
    logged: LoggedHistories
    encoder: Encoder | None = None
    changes_through: int = 0
    version: str = LATEST
    models_b: RankingModels | None = None

    @classmethod
    def load(cls, history_events: int, device: str, variant_b: str = "") -> Index:
        """Load the outputs of the pipeline.

        Parameters
        ----------
        history_events
            Largest number of logged events kept for each user.
        device
            Device of the networks, such as "cpu".
        variant_b
            The models of variant B, as for `load_variant`; "" for none.

        Raises
        ------
        MarketError
            An output does not exist, a rule is wrong, or models do not fit the index.
        """
        require(SEARCH_INDEX, RANKER, PHOTO_EMBEDDER, INTERACTIONS, EXPECTED_PRICES)
        version, models = load_served_models()
        models_b = load_variant(variant_b) if variant_b else None
        engine = Engine.load(rank=None, rules=RULES, device=device).with_models(models)
        for warning in engine.daily_rules.warnings:
            log.warning("%s: %s", RULES, warning)
        # Networks load with their first use, the names of the currency with the first number: use
        # them now rather than in a user's search.
        engine.search("warm up 1", photo=Image.new("RGB", (8, 8)), limit=1)
        _ = engine.suggestions.queries  # gathered once: seconds for 100,000 listings
        return cls(
            engine,
            DisplayPhotos(DISPLAY_PHOTOS) if DISPLAY_PHOTOS.exists() else PhotoStore(PHOTOS),
            LoggedHistories.load(INTERACTIONS, history_events),
            changes_through=SearchIndex.read_changes_through(SEARCH_INDEX),
            version=version,
            models_b=models_b,
        )

    def with_served_models(self) -> Index:
        """Return the index with the ranking models that are to be served by now.

        Raises
        ------
        MarketError
            If they do not fit the index.
        """
        version, models = load_served_models()
        return replace(self, engine=self.engine.with_models(models), version=version)

    def listing_encoder(self) -> Encoder:
        """Return the encoder of changed listings."""
        encode_text, encode_photo = self.engine.encode_text, self.engine.encode_photo
        if self.encoder is not None:
            return self.encoder
        assert isinstance(encode_text, CachedTextEncoder) and isinstance(encode_photo, PhotoEncoder)
        return ListingEncoder.sharing(encode_text, encode_photo)
