"""The engine over handmade listings: search, similar listings and recommendations."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError

import numpy as np
import pandas as pd
import pytest
from handmade import (
    COPY,
    EACH,
    FLAGGED,
    NO_EVENTS,
    NO_PHOTO,
    NO_TEXT,
    PLACES,
    SAME_PHOTO,
    Handmade,
    each_request,
    encode_text,
    ids,
    limit_candidates,
    make_prices,
    past,
    photo_of,
    text_vectors,
)

from market.search.catalogue import Catalogue
from market.search.collaborative import CollaborativeModel
from market.search.engine import Engine
from market.search.lexical import LexicalIndex
from market.search.listing_vectors import ListingVectors
from market.search.ranker import Ranker
from market.search.vectors import VectorIndex


def test_words_find_the_listings_that_contain_them(shop: Engine) -> None:
    assert ids(shop.search("vintage tent"))[0] == "p38"
    assert ids(shop.search("RED Guitars!"))[0] == "p00"


def test_a_typing_error_is_corrected_and_reported(shop: Engine) -> None:
    result = shop.search("vintgae tnet")
    assert result.corrected_query == "vintage tent" and ids(result)[0] == "p38"
    assert ids(result) == ids(shop.search("vintage tent"))
    assert shop.search("vintage tent").corrected_query is None


@pytest.mark.parametrize("text", ["qwxzkj", "qwxzkj 🚲 the", "'; DROP TABLE listings; --", "%s"])
def test_unknown_words_find_nothing(shop: Engine, text: str) -> None:
    result = shop.search(text)
    assert result.total == 0 and result.hits == []


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert('guitar')</script>",
        "guitar' OR '1'='1",
        '"guitar" AND NOT (sofa*) ^~ [x]',
        "guitar\x00\n\t\u202e",
        "guitar " * 1500,
        "guitar " + "x" * 10_000,
        "guitar 🎸",
    ],
)
def test_markup_and_control_characters_are_ignored(shop: Engine, text: str) -> None:
    found_ids = ids(shop.search(text, limit=5))
    assert len(found_ids) == 5 and all(int(id_[1:]) < EACH for id_ in found_ids)


@pytest.mark.parametrize("text", ["🚲", "the", "of the and", "?!", "\x00", "🔥" * 300])
def test_a_query_without_words_is_answered_like_an_empty_one(shop: Engine, text: str) -> None:
    result = shop.search(text, limit=7)
    assert result.corrected_query == "" and result.hits == shop.search("", limit=7).hits
    assert result.total == len(shop.listings) - len(FLAGGED)
    with_photo = shop.search(text, photo=photo_of(2), limit=7)
    assert with_photo.corrected_query == ""
    assert with_photo.hits == shop.search(photo=photo_of(2), limit=7).hits


@pytest.mark.parametrize("text", ["Instruments", "cycling", "furniture"])
def test_category_names_are_not_searched(shop: Engine, text: str) -> None:
    assert shop.search(text).total == 0


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_an_empty_query_finds_all_listings(shop: Engine, text: str) -> None:
    result = shop.search(text, limit=100)
    assert result.total == len(result.hits) == len(shop.listings) - len(FLAGGED)


def test_a_history_decides_between_equally_good_matches(shop: Engine) -> None:
    query = "lovely vintage, broken or cheap"  # words in listings of every kind
    for kind in (2, 4):
        bought = past(EACH * kind + 2, EACH * kind + 3, event="buy")
        mean_places = []
        for history in (None, bought):
            found_ids = ids(shop.search(query, history=history, limit=100))
            mean_places.append(
                np.mean(
                    [place for place, id_ in enumerate(found_ids) if int(id_[1:]) // EACH == kind]
                )
            )
        assert mean_places[1] < mean_places[0]


def test_a_photo_finds_its_own_listing(handmade: Handmade, shop: Engine) -> None:
    for number in (0, 13, 27, 59):
        for row in np.flatnonzero(handmade.photos["position"] == number).tolist():
            found_ids = ids(shop.search(photo=photo_of(row), limit=2))
            same = {number, *(COPY | SAME_PHOTO).values(), *COPY, *SAME_PHOTO}
            assert f"p{number:02d}" in found_ids and {int(id_[1:]) for id_ in found_ids[:1]} <= same


def test_like_finds_listings_of_its_kind_and_not_itself(shop: Engine) -> None:
    found_ids = ids(shop.search(like="p27", limit=5))
    assert "p27" not in found_ids and all(20 <= int(id_[1:]) < 30 for id_ in found_ids)


@pytest.mark.parametrize("number", range(60))
def test_similar_listings_exclude_itself_copies_and_the_same_photo(
    shop: Engine, number: int
) -> None:
    result = shop.similar(f"p{number:02d}", limit=100)
    numbers = [int(id_[1:]) for id_ in ids(result)]
    pairs = COPY | SAME_PHOTO
    same = {number, pairs.get(number), *(one for one, other in pairs.items() if other == number)}
    assert numbers and not set(numbers) & same
    assert not {0, 1} <= set(numbers), "no two copies of one product"
    first = numbers[:3]
    assert all(other // EACH == number // EACH for other in first)


def test_similar_listings_are_found_without_a_photo_or_text(shop: Engine) -> None:
    for number in (NO_PHOTO, NO_TEXT):
        found_ids = ids(shop.similar(f"p{number}", limit=4))
        assert all(20 <= int(id_[1:]) < 30 for id_ in found_ids)


def test_an_unknown_id_raises_key_error(shop: Engine) -> None:
    for look_up in (
        lambda: shop.similar("nowhere"),
        lambda: shop.search(like="nowhere"),
        lambda: shop.listing("nowhere"),
    ):
        with pytest.raises(KeyError):
            look_up()


def test_an_engine_with_another_ranker_is_another_engine(shop: Engine) -> None:
    ranker = Ranker.prior().with_weights({"bm25": 0.0})
    other = shop.with_ranker(ranker)
    assert other.ranker is ranker and shop.ranker is not ranker
    assert other.catalogue is shop.catalogue
    with pytest.raises(FrozenInstanceError):
        shop.ranker = ranker  # type: ignore[misc]


def test_seen_listings_and_their_copies_are_not_recommended(shop: Engine) -> None:
    found_ids = ids(shop.recommend(past(0, 5, 55), limit=100))
    assert not {"p00", "p01", "p05", "p55"} & set(found_ids)
    assert len(found_ids) == len(shop.listings) - len(FLAGGED) - 4


def test_recommendations_follow_the_history(shop: Engine) -> None:
    before = ids(shop.recommend(past(25), limit=6))
    after = ids(shop.recommend(past(25, 46, 47), limit=6))
    assert all(20 <= int(id_[1:]) < 30 for id_ in before[:2])
    assert sum(40 <= int(id_[1:]) < 50 for id_ in after) > sum(
        40 <= int(id_[1:]) < 50 for id_ in before
    )
    bought = ids(shop.recommend(pd.concat([past(46, event="buy"), past(25)]), limit=1))
    assert bought != ids(shop.recommend(past(46, 25), limit=1)), (
        "a purchase counts more than a view"
    )


@pytest.mark.parametrize("history", [None, NO_EVENTS, past(99)], ids=["none", "empty", "unknown"])
def test_a_new_user_gets_a_mix_of_kinds(shop: Engine, history: pd.DataFrame | None) -> None:
    result = shop.recommend(history, limit=10)
    kinds = {int(id_[1:]) // EACH for id_ in ids(result)}
    assert len(result.hits) == 10 and len(kinds) >= 4
    personal = {
        "user_category",
        "user_price",
        "user_text_similarity",
        "user_image_similarity",
        "proximity",
        "co_occurrence",
        "next_item",
    }
    assert not any(personal & hit.why.keys() for hit in result.hits)


def test_a_new_listing_is_recommended_once_it_is_indexed(handmade: Handmade) -> None:
    log = pd.concat([past(*range(start, start + 4)).assign(user_id=start) for start in range(40)])
    collaborative = CollaborativeModel.fit(log[log["product_id"].ne("p27")])
    before = handmade.engine(
        np.array([number for number in range(60) if number != 27]), collaborative
    )
    after = handmade.engine(collaborative=collaborative)
    history = past(20, 21, 22)
    assert "p27" not in ids(before.recommend(history, limit=100))
    found_ids = ids(after.recommend(history, limit=100))
    assert found_ids.index("p27") < len(found_ids) / 2, "although no user has seen it"
    assert "p27" in ids(handmade.engine().recommend(history, limit=9))
    assert "p27" in ids(after.search("broken bicycle", limit=1))


@pytest.mark.parametrize("browsed", [2000, 8])
def test_listings_without_any_photo_can_be_searched(
    handmade: Handmade, browsed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_candidates(monkeypatch, each=200, browsed=browsed, pool=250)
    listing = handmade.listings.iloc[[NO_PHOTO]]
    for copies in (1, 20):
        listings = pd.concat([listing] * copies, ignore_index=True)
        listings["product_id"] = [f"p{NO_PHOTO + copy}" for copy in range(copies)]
        listings["group"] = range(copies)
        no_photos = pd.DataFrame({"position": [], "photo_index": []})
        catalogue = Catalogue.build(
            listings, no_photos, PLACES, make_prices(listings).assign(price_flag="")
        )
        vectors = ListingVectors(
            VectorIndex.build(text_vectors(np.full(copies, NO_PHOTO)), "Flat", 1),
            VectorIndex.build(np.empty((0, 16), np.float32), "Flat", 1),
            np.empty((copies, 0), np.int32),
            catalogue.photos,
        )
        lexical = LexicalIndex.build(listings["name"], listings["description"], [])
        bare = Engine(
            catalogue,
            lexical,
            vectors,
            Ranker.prior(),
            None,
            encode_text,
            lambda photo: np.ones(16, np.float32) / 4,
        )
        assert bare.search("bicycle").total == copies
        assert bare.search(photo=photo_of(1)).hits == []
        assert len(bare.recommend(past(22), limit=100).hits) == copies - 1
        assert bare.similar("p22").total == copies - 1
        assert bare.listing("p22")["photos"] == []


@each_request
def test_threads_get_the_same_results(shop: Engine, request_page: Callable) -> None:
    expected = request_page(shop, limit=100)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: request_page(shop, limit=100), range(16)))
    assert all(result == expected for result in results)


def test_photo_vectors_are_by_the_position_among_packed_photos(
    handmade: Handmade, shop: Engine
) -> None:
    photo_indices = handmade.photos["photo_index"].to_numpy()[[3, 0, 40]]
    np.testing.assert_array_equal(shop.photo_vectors(photo_indices), handmade.images[[3, 0, 40]])
