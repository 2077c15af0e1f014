"""A query is compared with an index once, and its cosines are those that the index finds."""

from __future__ import annotations

import numpy as np
import pytest
from handmade import ids
from sklearn.preprocessing import normalize

from market.search.comparison import Comparison
from market.search.engine import Engine
from market.search.filters import Filters
from market.search.overlaid_vectors import OverlaidVectors, Vectors
from market.search.relevance import KEEP_ALL, WORD_FEATURES, Cutoff, Relevance
from market.search.vectors import VectorIndex


def vectors_and_query(*, factory: str = "Flat", added: int = 0) -> tuple[Vectors, np.ndarray]:
    rng = np.random.default_rng(5)
    rows = normalize(rng.normal(size=(400, 24)).astype(np.float32))
    query = normalize(rows[:1] + rows[1:2])[0]
    base = VectorIndex.build(rows[added:], factory, 4)
    return (OverlaidVectors(base, rows[:added]) if added else base), query


@pytest.mark.parametrize("options", [{}, {"factory": "IVF4,Flat"}, {"added": 30}])
def test_a_comparison_finds_what_the_index_finds(options: dict[str, int | str]) -> None:
    index, query = vectors_and_query(**options)  # type: ignore[arg-type]
    comparison = Comparison(query, index)
    allowed = np.arange(400) % 3 > 0
    positions, cosines = comparison.within(0.1, allowed, min_search_effort=1)
    expected, expected_cosines = index.within(query[None], 0.1, allowed)
    assert positions.tolist() == expected.tolist() and len(positions) > 20
    np.testing.assert_allclose(
        cosines, expected_cosines, atol=0 if "added" not in options else 1e-6
    )
    nearest = float(index.search(query[None], 1)[0][0, 0])
    assert comparison.similarities.best == pytest.approx(nearest, abs=1e-6)


def test_an_index_without_vectors_is_not_compared() -> None:
    empty = VectorIndex.build(np.empty((0, 24), np.float32), "Flat", 1)
    assert Comparison.of(np.ones(24, np.float32), empty) is None
    assert empty.all_cosines(np.ones(24, np.float32)).shape == (0,)  # type: ignore[union-attr]


def test_a_search_compares_its_words_with_all_listings_once(
    shop: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    cutoff = Cutoff(dict.fromkeys(WORD_FEATURES, 1.0), -1.0, 0.5, 0.2)
    ended = shop.with_relevance(Relevance(cutoff, None))
    calls: list[str] = []
    for name in ("all_cosines", "within", "search"):
        method = getattr(VectorIndex, name)

        def counted(self, *arguments, _name=name, _method=method, **options):  # type: ignore[no-untyped-def]
            calls.append(_name)
            return _method(self, *arguments, **options)

        monkeypatch.setattr(VectorIndex, name, counted)
    assert ids(ended.search("red guitar", filters=Filters(price_max=60)))
    assert calls == ["all_cosines"]
    calls.clear()
    assert ids(shop.with_relevance(KEEP_ALL).search("red guitar"))
    assert calls == ["all_cosines"]
