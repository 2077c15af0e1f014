"""The catalogue: look-ups of listings, categories, places and prices."""

from __future__ import annotations

import pytest
from handmade import EACH, LOCATIONS, NO_DATE, NO_PHOTO, Handmade, make_prices

from market.core.errors import MarketError
from market.search.catalogue import join_prices
from market.search.engine import Engine
from market.search.filters import Filters


def test_a_listing_has_all_fields_of_its_card(handmade: Handmade, shop: Engine) -> None:
    assert shop.listing("p41") == {
        "product_id": "p41",
        "name": "blue sofa",
        "description": "a sofa in blue",
        "location": "York, North Yorkshire",
        "price_flag": "far above",
        "category": ["Home & Garden", "Furniture"],
        "price": 20.0,
        "price_expected": 50.0,
        "photos": handmade.photos.loc[handmade.photos["position"] == 41, "photo_index"].tolist(),
        "created": "2022-02-23",
        "attributes": {},
        "available": True,
        "seller_id": None,
    }
    assert len(shop.listing("p41")["photos"]) == 2
    assert shop.listing(f"p{NO_PHOTO}")["photos"] == []
    assert shop.listing(f"p{NO_DATE}")["created"] is None


def test_categories_are_counted_at_every_depth(shop: Engine) -> None:
    counts = dict(shop.categories())
    assert counts["Music"] == 20 and counts["Music / Instruments / Other"] == EACH
    assert counts["Home & Garden / Furniture"] == EACH - 1, "one price is implausible"
    assert list(counts) == sorted(counts) and len(counts) == 12
    for path, count in counts.items():
        assert shop.allowed(Filters(category=path)).sum() == count


def test_categories_may_have_one_level(handmade: Handmade) -> None:
    flat = Handmade()
    flat.listings["category_levels"] = [path[:1] for path in handmade.listings["category_levels"]]
    assert dict(flat.engine().categories()) == {"Music": 20, "Sports": 19, "Home & Garden": 19}


def test_only_known_locations_are_listed(shop: Engine) -> None:
    assert set(shop.places()) == {name for name in LOCATIONS if "Ambridge" not in name}


def test_prices_are_joined_by_product_id_in_any_order(handmade: Handmade, shop: Engine) -> None:
    prices = make_prices(handmade.listings)
    shuffled = join_prices(handmade.listings, prices.sample(frac=1, random_state=1))
    assert shuffled["price_flag"].tolist() == prices["price_flag"].tolist()
    assert shop.listings["price_flag"].tolist() == prices["price_flag"].tolist()


def test_a_listing_without_an_expected_price_is_an_error(handmade: Handmade) -> None:
    prices = make_prices(handmade.listings)[3:]
    with pytest.raises(MarketError, match=r"3 listings .* no expected price .*'p00'.*dvc repro"):
        join_prices(handmade.listings, prices)
