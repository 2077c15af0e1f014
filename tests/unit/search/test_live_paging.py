"""Pages by cursor over an engine whose listings change between them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from handmade import ids
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from overlaid import Shop

from market.search.cursor import Cursor
from market.search.filters import Filters
from market.search.match_order import SORTS

OTHERS = [f"p{number:02d}" for number in range(0, 60, 3)] + ["n1", "n2", "n3"]
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "price": st.sampled_from([5.0, 40.0, 60.0, np.nan]),
        "name": st.sampled_from(["old guitar", "lovely red sofa", "red red red lamp"]),
        "seller_id": st.sampled_from(["s0", "s1"]),
    },
)
CHANGE: st.SearchStrategy[Any] = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(OTHERS), FIELDS),
    st.tuples(st.just("delete"), st.sampled_from(OTHERS), st.just({})),
)
ROUNDS = st.lists(st.lists(CHANGE, max_size=4), min_size=2, max_size=6)
MANY = settings(max_examples=50, deadline=None)
FEW = settings(
    max_examples=1, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate]
)


@pytest.fixture(scope="module")
def base() -> Shop:
    return Shop()


def check(base: Shop, rounds: list[list[Any]], text: str, sort: str, collapse: bool) -> None:
    """Page through a search while other listings change; those that stay are shown once."""
    base.changed.clear()
    base.removed.clear()
    engine, cursor, shown = base.engine, None, Counter[str]()
    results: list[set[str]] = []
    options: dict[str, Any] = {
        "text": text, "sort": sort, "collapse": collapse, "filters": Filters(near="Leeds"),
    }  # fmt: skip
    for number in range(60):
        results.append(set(ids(engine.search(**options, limit=1000))))
        page = engine.search(**options, limit=5, cursor=cursor)
        shown.update(ids(page))
        if page.next_cursor is None:
            break
        cursor = Cursor.decode(page.next_cursor.encode(text), text)
        for kind, product_id, fields in rounds[number] if number < len(rounds) else []:
            base.delete(product_id) if kind == "delete" else base.put(product_id, **fields)
        engine = base.engine.with_changes(base.changes())
    stayed = set.intersection(*results) - set(OTHERS)
    assert stayed and {shown[product_id] for product_id in stayed} == {1}


@pytest.mark.parametrize(("text", "sort"), [("", "price"), ("old guitar or sofa", "relevance")])
@given(rounds=ROUNDS, collapse=st.booleans())
@FEW
def test_listings_that_stay_are_shown_once(
    base: Shop, text: str, sort: str, rounds: list[list[Any]], collapse: bool
) -> None:
    check(base, rounds, text, sort, collapse)


@pytest.mark.campaign
@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("text", ["", "lovely guitar or a red sofa"], ids=["browse", "words"])
@given(rounds=ROUNDS, collapse=st.booleans())
@MANY
def test_listings_that_stay_are_shown_once_in_many_runs(
    base: Shop, text: str, sort: str, rounds: list[list[Any]], collapse: bool
) -> None:
    check(base, rounds, text, sort, collapse)
