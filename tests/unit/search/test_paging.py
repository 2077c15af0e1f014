"""Orders and pages: every match once, while the catalogue changes."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from handmade import Handmade, each_request, ids, limit_candidates, photo_of
from hypothesis import given, settings
from hypothesis import strategies as st
from random_catalogues import ROW, make_catalogue, make_table

from market.core.errors import MarketError
from market.search import match_order, paging
from market.search.cursor import Cursor, Floor
from market.search.engine import Engine
from market.search.filters import Filters
from market.search.match_order import SORTS, MatchOrder, best_first
from market.search.paging import PageRequest, take_page

LEEDS = Filters(near="Leeds")


def all_pages(engine: Engine, text: str, limit: int = 3, **options: Any) -> list[list[str]]:
    """Return the product ids of all pages by cursor."""
    pages, cursor = [], None
    while True:
        result = engine.search(text, limit=limit, cursor=cursor, **options)
        pages.append(ids(result))
        if result.next_cursor is None:
            return pages
        cursor = Cursor.decode(result.next_cursor.encode("search"), "search")


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("text", ["lovely guitar or a red sofa", ""], ids=["words", "browse"])
def test_a_sort_orders_all_matches_and_unknown_values_come_last(
    shop: Engine, sort: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_candidates(monkeypatch, each=5, browsed=12)
    by_relevance = ids(shop.search(text, filters=LEEDS, limit=100))
    table = shop.listings.set_index("product_id").loc[by_relevance].reset_index()
    table["distance"] = [
        hit.distance_km for hit in shop.search(text, filters=LEEDS, limit=100).hits
    ]
    column = {"price_desc": "price", "newest": "created"}.get(sort, sort)
    if sort != "relevance":
        table = table.sort_values(
            column, ascending=sort in ("price", "distance"), kind="stable", na_position="last"
        )
    result = shop.search(text, filters=LEEDS, limit=100, sort=sort)
    assert ids(result) == table["product_id"].tolist() and result.total == len(table)
    pages = all_pages(shop, text, filters=LEEDS, sort=sort)
    assert [*chain(*pages)] == ids(result), "pages by cursor are those by offset"
    third = shop.search(text, filters=LEEDS, limit=3, offset=6, sort=sort)
    assert ids(third) == pages[2] and third.next_cursor is not None


@pytest.mark.parametrize("sort", SORTS)
def test_a_cursor_continues_after_an_offset(shop: Engine, sort: str) -> None:
    whole = ids(shop.search("", filters=LEEDS, limit=100, sort=sort))
    page = shop.search("", filters=LEEDS, limit=5, offset=20, sort=sort)
    following = shop.search("", filters=LEEDS, limit=5, sort=sort, cursor=page.next_cursor)
    assert ids(following) == whole[25:30]


@pytest.mark.parametrize("few", [0, 100])
def test_equal_scores_are_in_order_of_id_wherever_the_listings_stand(
    few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(match_order, "FEW", few)
    table = make_table([dict(ROW_OF_NOTHING) for _ in range(4)], ["d", "a", "c", "b"])
    catalogue = make_catalogue(table)
    positions, scores = np.array([0, 1, 3, 2]), np.array([1.0, 1.0, 1.0, 2.0])
    order = positions[best_first(scores, positions, catalogue)]
    assert catalogue.ids(order) == ["c", "a", "b", "d"]


ROW_OF_NOTHING: dict[str, Any] = {
    "path": (), "price": np.nan, "flag": "", "town": (np.nan, np.nan), "brand": None,
    "width": np.nan, "day": pd.NaT, "group": 0, "seller": None, "status": "",
}  # fmt: skip


class ChangingMatches:
    """Matches whose listings, values, tiers and scores change between pages."""

    def __init__(self, keys: dict[str, tuple[float, int, float]]) -> None:
        self.keys = dict(keys)

    def order(self) -> tuple[MatchOrder, Any]:
        """Return the order, and what paging reads of a catalogue, which takes long to make."""
        names = list(self.keys)  # in order of their insertion, as later listings stand behind
        value, tier, score = np.array(list(self.keys.values()), float).T
        order = np.lexsort((names, -score, tier, value))
        catalogue = SimpleNamespace(ids=lambda positions: [names[place] for place in positions])
        return MatchOrder(order, value[order], tier[order], score[order]), catalogue


KEY = st.tuples(
    st.sampled_from([0.0, 1.0, 2.0, np.inf]),
    st.sampled_from([0, 1]),
    st.integers(0, 5).map(float),
)
NAMES = [f"p{number:02d}" for number in range(16)]
CHANGES = st.lists(
    st.dictionaries(st.sampled_from(NAMES), st.one_of(st.none(), KEY), max_size=5),
    min_size=1, max_size=8,
)  # fmt: skip


def page_through(
    keys: dict[str, tuple[float, int, float]],
    changes: list[dict[str, tuple[float, int, float] | None]],
    limit: int,
) -> tuple[Counter[str], list[dict[str, tuple[float, int, float]]]]:
    """Return how often each listing was shown, and the keys at the time of each page."""
    matches, shown, states = ChangingMatches(keys), Counter[str](), []
    cursor: Cursor | None = None
    for number in range(100):
        states.append(dict(matches.keys))
        order, catalogue = matches.order()
        request = PageRequest(limit, cursor=cursor)
        page = take_page(order, request, catalogue, len(order))
        shown.update(catalogue.ids(page.positions))
        if page.next_cursor is None:
            return shown, states
        cursor = Cursor.decode(page.next_cursor.encode(""), "")
        for name, key in (changes[number] if number < len(changes) else {}).items():
            matches.keys.pop(name, None)
            if key is not None:
                matches.keys[name] = key
        matches.keys.setdefault("always", (np.inf, 1, 0.0))
    raise AssertionError("the pages have no end")


@settings(max_examples=50, deadline=None, database=None)
@given(
    keys=st.dictionaries(st.sampled_from(NAMES), KEY, min_size=6),
    changes=CHANGES,
    limit=st.integers(1, 4),
)
def test_a_listing_that_stays_is_shown_once_however_relevance_shifts(
    keys: dict[str, tuple[float, int, float]],
    changes: list[dict[str, tuple[float, int, float] | None]],
    limit: int,
) -> None:
    shown, states = page_through(keys, changes, limit)
    for name in set.intersection(*(set(state) for state in states)):
        if len({state[name][0] for state in states}) == 1:
            assert shown[name] == 1, name
    for name, count in shown.items():
        values = [state[name][0] for state in states if name in state]
        assert count == 1 or len(set(values)) > 1 or len(values) < len(states)


@settings(max_examples=50, deadline=None, database=None)
@given(
    keys=st.dictionaries(st.sampled_from(NAMES), KEY, min_size=6),
    changes=CHANGES,
    limit=st.integers(1, 4),
)
def test_a_listing_whose_relevance_stays_is_shown_once_beyond_the_memory(
    keys: dict[str, tuple[float, int, float]],
    changes: list[dict[str, tuple[float, int, float] | None]],
    limit: int,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paging, "MEMORY", 2)
        shown, states = page_through(keys, changes, limit)
    for name in set.intersection(*(set(state) for state in states)):
        if len({state[name] for state in states}) == 1:
            assert shown[name] == 1, name


@settings(max_examples=15, deadline=None, database=None)
@given(
    rows=st.lists(ROW, min_size=1, max_size=12),
    scores=st.lists(st.integers(0, 4), min_size=12, max_size=12),
    collapse=st.booleans(),
    max_per_seller=st.sampled_from([None, 1, 2]),
)
def test_limits_on_copies_and_sellers_hold_on_all_pages(
    rows: list[dict], scores: list[int], collapse: bool, max_per_seller: int | None
) -> None:
    table = make_table(rows)
    catalogue = make_catalogue(table)
    score = np.array(scores[: len(rows)], float)
    best = np.lexsort((np.arange(len(rows)), -score))
    order = MatchOrder.of_tier(best, score[best], 0)
    left = table.iloc[best]
    if collapse:
        left = left.drop_duplicates("group")
    if max_per_seller is not None:
        known = left[left["seller_id"].notna()]
        surplus = known.index[known.groupby("seller_id").cumcount() >= max_per_seller]
        left = left.drop(surplus)
    request, hits = PageRequest(2, collapse=collapse, max_per_seller=max_per_seller), []
    while True:
        page = take_page(order, request, catalogue, len(order))
        assert page.total == len(left)
        hits += catalogue.ids(page.positions)
        if page.copies is not None:
            groups = table["group"].iloc[page.positions]
            assert (page.copies + 1).tolist() == [table["group"].eq(g).sum() for g in groups]
        if page.next_cursor is None:
            break
        request = PageRequest(
            2, collapse=collapse, max_per_seller=max_per_seller, cursor=page.next_cursor
        )
    assert hits == left["product_id"].tolist()


def test_a_product_is_shown_once_though_a_better_copy_appears(handmade: Handmade) -> None:
    first = ["a", "b", "c"]
    table = make_table([dict(ROW_OF_NOTHING, group=name) for name in first], first)
    page = take_page(
        MatchOrder.of_tier(np.arange(3), np.array([3.0, 2.0, 1.0]), 0),
        PageRequest(1, collapse=True), make_catalogue(table), 3,
    )  # fmt: skip
    grown = make_table([dict(ROW_OF_NOTHING, group=group) for group in "abca"], [*first, "d"])
    following = take_page(
        MatchOrder.of_tier(np.array([3, 0, 1, 2]), np.array([4.0, 3.0, 2.0, 1.0]), 0),
        PageRequest(5, collapse=True, cursor=page.next_cursor), make_catalogue(grown), 4,
    )  # fmt: skip
    assert following.positions.tolist() == [1, 2] and following.total == 3


@pytest.mark.parametrize("floor", [Floor(-np.inf, -1, np.inf, ""), Floor(9.5, 1, -2.25, "ö/ä")])
@pytest.mark.parametrize("count", [0, 1, 750])
def test_a_cursor_survives_its_text(floor: Floor, count: int) -> None:
    cursor = Cursor(floor, np.arange(count, dtype=np.uint64) << np.uint64(20))
    text = cursor.encode("a search")
    assert len(text) < 7000 and text.isascii()
    read = Cursor.decode(text, "a search")
    assert read.floor == floor and read.shown.tolist() == cursor.shown.tolist()
    with pytest.raises(MarketError, match="belongs to another search"):
        Cursor.decode(text, "another")


@pytest.mark.parametrize("text", ["", "x", "a" * 50, "🔥", "%00", "A" * 7000])
def test_a_text_that_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(MarketError, match="damaged or no cursor"):
        Cursor.decode(text, "")


def test_a_changed_cursor_is_refused() -> None:
    text = Cursor(Floor(1.0, 0, 2.0, "p1")).encode("search")
    for place in range(len(text)):
        changed = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
        if changed.rstrip("A") != text.rstrip("A"):
            with pytest.raises(MarketError):
                Cursor.decode(changed, "search")


def test_a_page_names_one_place() -> None:
    with pytest.raises(MarketError, match="cursor and offset both name a place"):
        PageRequest(offset=1, cursor=Cursor())


def test_an_order_by_distance_needs_a_place(shop: Engine) -> None:
    with pytest.raises(MarketError, match="sort=distance needs a place"):
        shop.search("guitar", sort="distance")
    with pytest.raises(MarketError, match="sort is 'cheapest': use one of relevance, price"):
        shop.search("guitar", sort="cheapest")


def test_coordinates_are_a_place(shop: Engine) -> None:
    by_name = shop.search("guitar", filters=Filters(near="York", radius_km=40))
    by_degrees = shop.search(
        "guitar", filters=Filters(latitude=53.96, longitude=-1.08, radius_km=40)
    )
    assert by_name == by_degrees and by_name.total > 1


@each_request
def test_excluded_listings_are_in_no_result(shop: Engine, request_page: Any) -> None:
    every = ids(request_page(shop, limit=100))
    left = ids(request_page(shop, limit=100, filters=Filters(exclude=(every[0], "unknown"))))
    assert every[0] not in left and len(left) >= len(every) - 1


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"near": "Leeds", "latitude": 1.0, "longitude": 2.0}, "both name a place"),
        ({"latitude": 1.0}, "latitude and longitude belong together"),
        ({"longitude": 1.0, "near": "Leeds"}, "latitude and longitude belong together"),
        ({"radius_km": 5.0}, "radius_km needs near"),
        ({"exclude": "p01"}, "exclude is a text: give a list of ids"),
        ({"exclude_seller": "s1"}, "exclude_seller is a text"),
    ],
)
def test_filters_that_mean_nothing_are_refused(filters: dict[str, Any], message: str) -> None:
    with pytest.raises(MarketError, match=message):
        Filters(**filters)


def test_a_photo_search_pages_by_cursor(shop: Engine) -> None:
    whole = shop.search(photo=photo_of(20), limit=100)
    first = shop.search(photo=photo_of(20), limit=3)
    second = shop.search(photo=photo_of(20), limit=100, cursor=first.next_cursor)
    assert ids(first) + ids(second) == ids(whole)
