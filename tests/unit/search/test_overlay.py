"""An engine with changes answers exactly like one that was built on the same rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from handmade import KINDS, LOCATIONS, WORDS, past, photo_of
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from overlaid import Shop, image, place_of

from market.search.engine import Engine
from market.search.filters import Filters
from market.search.ranking import SearchResult

ASKS: dict[str, Callable[[Engine], SearchResult]] = {
    "words": lambda engine: engine.search("lovely guitar or a red zither", limit=99),
    "typing error": lambda engine: engine.search("zitther guitaar", limit=99),
    "photo": lambda engine: engine.search(photo=photo_of(20), limit=99),
    "both": lambda engine: engine.search("old tent", photo=photo_of(50), limit=99),
    "brand": lambda engine: engine.search("sony nova", limit=99),
    "like": lambda engine: engine.search("red", like="p13", limit=99),
    "similar": lambda engine: engine.similar("p13", limit=99),
    "similar to a copy": lambda engine: engine.similar("p01", limit=99),
    "new user": lambda engine: engine.recommend(None, limit=99),
    "history": lambda engine: engine.recommend(past(1, 2, 52), limit=99),
    "everything": lambda engine: engine.search(
        "", filters=Filters(flagged=True, include_unavailable=True), limit=99
    ),
    "near": lambda engine: engine.search(
        "lamp", filters=Filters(near="Leeds", radius_km=50, price_max=80), limit=99
    ),
    "category": lambda engine: engine.search("", filters=Filters(category="New things"), limit=99),
    "seller": lambda engine: engine.search("", filters=Filters(seller_id="s9"), limit=99),
}


def assert_equal_results(overlaid: Engine, rebuilt: Engine) -> None:
    """Compare ids, scores and totals; listings whose scores are equal may change places."""
    for name, ask in ASKS.items():
        try:
            expected = ask(rebuilt)
        except KeyError:
            with pytest.raises(KeyError):
                ask(overlaid)
            continue
        result = ask(overlaid)
        assert result.total == expected.total, name
        assert result.corrected_query == expected.corrected_query, name
        scores, expected_scores = (
            {hit.product_id: hit.score for hit in page.hits} for page in (result, expected)
        )
        assert scores == pytest.approx(expected_scores, abs=1e-6), name
        assert [*scores.values()] == pytest.approx([*expected_scores.values()], abs=1e-6), name


def assert_equal_engines(shop: Shop, overlaid: Engine) -> None:
    rebuilt = shop.rebuilt(overlaid.catalogue.group)
    assert_equal_results(overlaid, rebuilt)
    assert overlaid.categories() == rebuilt.categories()
    assert sorted(overlaid.places()) == sorted(rebuilt.places())
    facets, expected_facets = (
        engine.search("", filters=Filters(near="Leeds"), facets=True).facets
        for engine in (overlaid, rebuilt)
    )
    assert facets == expected_facets
    for product_id in rebuilt.listings["product_id"]:
        own, other = overlaid.listing(product_id), rebuilt.listing(product_id)
        assert len(own.pop("photos")) == len(other.pop("photos"))
        assert repr(own) == repr(other), "NaN equals NaN"


IDS = st.sampled_from([f"p{number:02d}" for number in range(60)] + ["n1", "n2", "n3", "n4"])
NAMES = st.builds(
    " ".join,
    st.lists(st.sampled_from([*WORDS, *KINDS, "zither", "nova"]), min_size=1, max_size=4),
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "name": NAMES,
    "description": st.sampled_from(["", "a zither", "plays well", "Sony lamp, old and red"]),
    "price": st.sampled_from([5.0, 60.0, np.nan]),
    "category_levels": st.sampled_from([["Music"], ["New things", "Zithers"], []]),
    "created": st.sampled_from([pd.Timestamp("2022-02-27"), pd.Timestamp("2022-03-05"), pd.NaT]),
    "status": st.sampled_from(["live", "sold", None]),
    "seller_id": st.sampled_from(["s1", "s9", None]),
    "attribute_brand": st.sampled_from(["Sony", "Nova", None]),
    "attribute_width": st.sampled_from([0.5, np.nan]),
    "images": st.lists(st.integers(0, 5).map(image), max_size=2),
}
PUT = st.tuples(
    st.just("put"),
    IDS,
    st.fixed_dictionaries({}, optional=FIELDS),
    st.sampled_from([None, *LOCATIONS]),
)
DELETE: Any = st.tuples(st.just("delete"), IDS, st.just({}), st.none())


@pytest.fixture(scope="module")
def base() -> Shop:
    return Shop()


OPERATIONS = st.lists(st.one_of(PUT, PUT, DELETE), min_size=3, max_size=12)
MANY = settings(max_examples=150, deadline=None)
FEW = settings(
    max_examples=4, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate]
)


def check(base: Shop, operations: list[tuple[str, str, dict[str, Any], str | None]]) -> None:
    base.changed.clear()
    base.removed.clear()
    for kind, product_id, fields, location in operations:
        if kind == "delete":
            base.delete(product_id)
        else:
            base.put(product_id, **fields, **(place_of(location) if location else {}))
    assert_equal_engines(base, base.engine.with_changes(base.changes()))


@given(operations=OPERATIONS)
@FEW
def test_random_changes_rank_as_if_indexed_together(base: Shop, operations: list[Any]) -> None:
    check(base, operations)


@pytest.mark.campaign
@given(operations=OPERATIONS)
@MANY
def test_many_random_changes_rank_as_if_indexed_together(base: Shop, operations: list[Any]) -> None:
    check(base, operations)


@pytest.mark.parametrize("factory", ["IVF4,Flat", "HNSW16"])
def test_changes_are_laid_over_an_approximate_index(factory: str) -> None:
    shop = Shop(factory)
    shop.put("n1", name="red zither", images=[image(1)], status="live")
    shop.put("p13", name="blue zither", status="live")
    shop.delete("p14")
    engine = shop.engine.with_changes(shop.changes())
    found = [hit.product_id for hit in engine.search("zither", limit=99).hits]
    assert {*found[:2]} == {"n1", "p13"} and "p14" not in found
    assert engine.catalogue.group[-1] == shop.engine.catalogue.group[13], "its photos are the same"
    assert engine.similar("n1").total > 0


def test_later_changes_replace_earlier_ones(base: Shop) -> None:
    base.changed.clear()
    base.removed.clear()
    base.put("n1", name="zither", status="live")
    first = base.engine.with_changes(base.changes())
    base.changed.clear()
    base.put("n2", name="zither", status="live")
    second = first.with_changes(base.changes())
    assert [hit.product_id for hit in second.search("zither").hits][:1] == ["n2"]
    with pytest.raises(KeyError):
        second.listing("n1")
    assert first.listing("n1") and base.engine.search("zither").corrected_query is None


def test_an_id_must_not_stand_twice(base: Shop) -> None:
    base.changed.clear()
    base.removed.clear()
    base.put("n1", name="zither")
    changes = base.changes()
    twice = replace(changes, listings=pd.concat([changes.listings] * 2, ignore_index=True))
    with pytest.raises(ValueError, match="two changed listings have the id 'n1'"):
        base.engine.with_changes(twice)
