"""Search, similar listings and recommendations, as tables."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd
from PIL import Image

from market.api.photos import Photo, photo_source
from market.core import paths
from market.core.errors import MarketError
from market.core.params import load_params
from market.core.torch_setup import set_up_torch
from market.data.histories import HISTORY_EVENTS, LoggedHistories
from market.data.images import UnusablePhoto, decode_limits, decode_photo
from market.search.encoders import CachedTextEncoder
from market.search.engine import Engine
from market.search.filters import Filters
from market.search.ranking import SearchResult

# The first columns of a result; the listing's other fields follow.
COLUMNS = [
    "product_id", "name", "price", "price_expected", "price_flag", "category", "location", "score",
    "distance_km",
]  # fmt: skip
NUMBERS = ["price", "price_expected", "score", "distance_km"]

History: TypeAlias = pd.DataFrame | Iterable[str]


class Search:
    """Searches the listings of the index, which is loaded once. Threads may share it.

    Each method returns a table, the best listing first: the fields of the listing, `score`,
    `distance_km` from the place `near` (missing without one) and `why`, the contribution of each
    feature to the score. `table.attrs` has `total`, the number of all matches; `corrected_query`,
    the query after spelling correction if that changed it, else None; and `currency` (ISO 4217).

    Every method takes the conditions of `market.search.filters.Filters` by name, such as price_max,
    category or near.

    Parameters
    ----------
    root
        The project's folder, in which `dvc repro` or `dvc pull` has put the index.

    Raises
    ------
    MarketError
        If an output of the pipeline is absent.

    Examples
    --------
    In a project whose index is built::

        search = Search()
        search("oak table", near="Leeds", price_max=100, limit=10)
        search.similar("1412")[["name", "price"]]
        search.recommend(["1412", "98"])
    """

    def __init__(self, root: str | Path = ".") -> None:
        self.root = Path(root).absolute()
        index, rank, embed, prices = required = [
            self.root / path
            for path in (
                paths.SEARCH_INDEX,
                paths.RANKER,
                paths.PHOTO_EMBEDDER,
                paths.EXPECTED_PRICES,
            )
        ]
        paths.require(*required)
        device = str(set_up_torch(seed=0))
        encode_text = CachedTextEncoder.load(index, device, self.root / paths.PRETRAINED)
        self.engine = Engine.load(
            index,
            rank,
            embed,
            prices,
            rules=self.root / paths.RULES,
            device=device,
            encode_text=encode_text,
        )

    def __call__(
        self,
        text: str = "",
        *,
        photo: Photo | None = None,
        history: History | None = None,
        limit: int = 20,
        offset: int = 0,
        sort: str = "relevance",
        collapse: bool = False,
        max_per_seller: int | None = None,
        **filters: Any,
    ) -> pd.DataFrame:
        """Search by words, by a photo, or by both.

        Parameters
        ----------
        text
            The query in words.
        photo
            A photo of the product to find: a path, the bytes of a file, or Pillow's image.
        history
            The user's events, which personalise the order; see `recommend`.
        limit, offset
            Return the results from `offset` on, at most `limit`.
        sort
            "relevance", "price", "price_desc", "newest" or "distance"; orders all results.
        collapse
            Whether to return only the first of the copies of one product.
        max_per_seller
            The largest number of results of one seller; None for no limit.
        **filters
            Strict conditions; see the class.

        Returns
        -------
        pd.DataFrame
            See the class.

        Raises
        ------
        MarketError
            If the photo cannot be used, the place `near` is unknown, or the order needs a place.
        """
        result = self.engine.search(
            text,
            photo=None if photo is None else self._decode(photo),
            history=self._events(history),
            filters=Filters(**filters),
            limit=limit,
            offset=offset,
            sort=sort,
            collapse=collapse,
            max_per_seller=max_per_seller,
        )
        return self._table(result)

    def similar(
        self,
        product_id: str,
        *,
        history: History | None = None,
        limit: int = 12,
        offset: int = 0,
        **filters: Any,
    ) -> pd.DataFrame:
        """Find listings that are similar to one, without copies of it.

        Parameters
        ----------
        product_id
            A listing of the index.
        history, limit, offset, **filters
            As for a search.

        Raises
        ------
        MarketError
            If there is no such listing.
        """
        try:
            result = self.engine.similar(
                str(product_id),
                history=self._events(history),
                filters=Filters(**filters),
                limit=limit,
                offset=offset,
            )
        except KeyError:
            raise MarketError(f"the index has no listing {str(product_id)!r}") from None
        return self._table(result)

    def recommend(
        self, history: History | None = None, *, limit: int = 20, offset: int = 0, **filters: Any
    ) -> pd.DataFrame:
        """Recommend listings to a user.

        Parameters
        ----------
        history
            Product ids, the latest last, which count as views; or a table of events: product_id
            and, optionally, event (view, save, message, buy) and timestamp. None is a new user.
        limit, offset, **filters
            As for a search.

        Raises
        ------
        MarketError
            If the history has no product ids.

        Warns
        -----
        UserWarning
            If the index knows no listing of the history.
        """
        result = self.engine.recommend(
            self._events(history), filters=Filters(**filters), limit=limit, offset=offset
        )
        return self._table(result)

    def history(self, user_id: str) -> pd.DataFrame:
        """Return the last events of a user in the log of interactions, at most 200.

        Parameters
        ----------
        user_id
            A user of the log; an unknown one has no events.

        Returns
        -------
        pd.DataFrame
            product_id, event and timestamp (UTC), in order of time, as `recommend` takes them.
        """
        return self._logged.history(str(user_id))

    @cached_property
    def _logged(self) -> LoggedHistories:
        log = self.root / paths.INTERACTIONS
        paths.require(log)
        return LoggedHistories.load(log, HISTORY_EVENTS)

    def _events(self, history: History | None) -> pd.DataFrame | None:
        """Return a history as the engine takes it: product_id, event and timestamp, in order."""
        if history is None:
            return None
        if isinstance(history, str):
            raise MarketError(
                f"history is the text {history!r}: pass a list of product ids, or "
                "search.history(user_id)"
            )
        events = history if isinstance(history, pd.DataFrame) else _views(history)
        if "product_id" not in events:
            raise MarketError(
                f"the history has no column 'product_id' (found: {', '.join(events)}): rename it"
            )
        events = pd.DataFrame(
            {
                "product_id": events["product_id"].astype("str"),
                "event": events.get("event", "view"),
                "timestamp": pd.to_datetime(
                    events.get("timestamp", pd.Series(pd.NaT, events.index)), utc=True
                ).dt.tz_localize(None),
            }
        ).sort_values("timestamp", kind="stable", ignore_index=True)
        positions = self.engine.catalogue.positions(events["product_id"])
        if len(events) and (positions < 0).all():
            warnings.warn(
                f"the index has no listing of the history (such as "
                f"{events['product_id'].iloc[0]!r})",
                stacklevel=3,
            )
        return events

    def _decode(self, photo: Photo) -> Image.Image:
        limits = decode_limits(load_params("clean", root=self.root))
        try:
            return decode_photo(photo_source(photo), **limits).picture
        except UnusablePhoto as error:
            raise MarketError(f"the photo cannot be used: {error}") from None

    def _table(self, result: SearchResult) -> pd.DataFrame:
        if result.unknown_place is not None:
            raise MarketError(
                f"near is {result.unknown_place!r}, which is no known place: name a town, such as "
                f"{next(iter(self.engine.places()), 'that of a listing')!r}"
            )
        if result.empty_place is not None:
            warnings.warn(f"no listing lies within reach of {result.empty_place!r}", stacklevel=3)
        rows = [
            {
                **self.engine.listing(hit.product_id),
                "score": hit.score,
                "distance_km": hit.distance_km,
                "why": hit.why,
            }
            for hit in result.hits
        ]
        first = self.engine.listings["product_id"].iloc[0]
        other = [name for name in self.engine.listing(first) if name not in (*COLUMNS, "photos")]
        table = pd.DataFrame(rows, columns=[*COLUMNS, *other, "why"])
        table.attrs = {
            "total": result.total,
            "corrected_query": result.corrected_query,
            "currency": self.engine.formats.currency,
        }
        return table.astype(dict.fromkeys(NUMBERS, float))


def _views(product_ids: Iterable[str]) -> pd.DataFrame:
    return pd.DataFrame({"product_id": [str(product_id) for product_id in product_ids]})
