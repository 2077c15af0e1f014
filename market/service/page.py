"""The pages that the service renders: the first page of results, and a listing.

They show what the API answers, through the same functions, so they need no JavaScript. The scripts
of the page then add suggestions, filters without a reload, more results, and what the user saved.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import jinja2

from market.service import schemas
from market.service.active_filters import chips, heading, link, price_links, understood_chips
from market.service.page_texts import PageTexts, badge, listing_url, marked, search_url
from market.service.state import ServiceState

PAGE_SIZE = 24  # rows of 2, 3, 4, 6 and 8 cards end evenly
MAX_TILES = 12
SORTS = {
    "relevance": "Best match",
    "price": "Lowest price",
    "price_desc": "Highest price",
    "newest": "Newest",
    "distance": "Nearest",
}
RADII = {"km": (5, 10, 25, 50, 100), "mi": (3, 5, 15, 30, 60)}  # in their own unit
DEFAULT_RADIUS = {"km": 25, "mi": 15}

_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,  # strangers write the listings
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.globals.update(
    badge=badge,
    chips=chips,
    heading=heading,
    link=link,
    listing_url=listing_url,
    marked=marked,
    price_links=price_links,
    search_url=search_url,
    sorts=SORTS,
    understood_chips=understood_chips,
)


def given_parameters(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return the parameters of an address that are not empty, as a plain form sends some.

    A form without scripts also sends a distance where it has no place.
    """
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        if value.strip():
            given.setdefault(name, []).append(value.strip())
    if "near" not in given:
        given.pop("radius_km", None)
    return given


def render_search(
    state: ServiceState | None,
    settings: schemas.MarketplaceSettings | None,
    given: dict[str, list[str]],
    results: schemas.SearchResults | None,
    error: str = "",
) -> str:
    """Return the start page, or the first page of results.

    Parameters
    ----------
    state, settings
        None where the API needs a key, which a browser sends with scripts only.
    given
        The parameters of the address.
    results
        The answer to the search; None with an error, and where the API needs a key.
    error
        What is wrong with the search.
    """
    query = defaultdict(str, {name: values[0] for name, values in given.items()})
    return _templates.get_template("search.html.j2").render(
        root="",
        settings=settings,
        texts=PageTexts(state.engine.formats) if state else None,
        given=given,
        query=query,
        is_start=not given,
        results=results,
        error=error,
        tiles=_tiles(state) if state and not given else [],
        categories=_categories(state, results) if state else [],
        radii=_radii(state) if state else [],
        title=query.get("q", ""),
    )


def render_listing(
    state: ServiceState | None,
    settings: schemas.MarketplaceSettings | None,
    product_id: str,
    listing: schemas.Product | None,
    *,
    root: str,
    base_url: str,
    similar: schemas.SearchResults | None = None,
) -> str:
    """Return the page of a listing.

    Parameters
    ----------
    state, settings
        As in `render_search`.
    product_id
        Its id.
    listing
        The listing; None if there is none, and where the API needs a key.
    root
        The root of the service, relative to the page.
    base_url
        The root of the service as a whole URL, for other sites that show the page's photo.
    similar
        Similar listings, if they are known.
    """
    return _templates.get_template("listing.html.j2").render(
        root=root,
        base_url=base_url,
        settings=settings,
        texts=PageTexts(state.engine.formats) if state else None,
        product_id=product_id,
        listing=listing,
        similar=similar,
        query=defaultdict(str),
        title=listing.name if listing else "",
    )


def _tiles(state: ServiceState) -> list[tuple[str, int]]:
    """Return the largest categories of the top level with their numbers of listings."""
    tops = [(path, count) for path, count in state.engine.categories() if " / " not in path]
    return sorted(tops, key=lambda top: -top[1])[:MAX_TILES]


def _categories(
    state: ServiceState, results: schemas.SearchResults | None
) -> list[tuple[str, int]]:
    """Return the categories of the top level with their counts among the results, or of all."""
    counts = state.engine.categories()
    if results is not None and results.facets is not None:
        counts = [(row.value, row.count) for row in results.facets.categories]
    tops = [(path, count) for path, count in counts if count and " / " not in path]
    return sorted(tops, key=lambda top: (-top[1], top[0]))


def _radii(state: ServiceState) -> list[tuple[str, str, bool]]:
    """Return the distances to choose from: kilometres, text, and whether it is the default."""
    unit = state.engine.formats.distance_unit
    in_km = 1.609344 if unit == "mi" else 1.0
    return [
        (f"{radius * in_km:.2f}".rstrip("0").rstrip("."), f"{radius} {unit}",
         radius == DEFAULT_RADIUS[unit])
        for radius in RADII[unit]
    ]  # fmt: skip
