"""The search engine: strict filters, sensible answers, and pages that fit together.

Most tests search in handmade listings, whose vectors say what they mean and look like; the last in
the sample, with the real networks.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import Stemmer
from PIL import Image
from sklearn.preprocessing import normalize

import market.search.engine
import market.search.vectors
from market.data.photo_store import PhotoStore
from market.search.collaborative import COLLABORATIVE_FEATURES, SHARED_FEATURES, CollaborativeModel
from market.search.engine import (
    LEAST_MEANING,
    MIN_IMAGE_SIMILARITY,
    MIN_TEXT_SIMILARITY,
    SAME_LOOK,
    Answer,
    Engine,
    Filters,
    Query,
    TextReader,
)
from market.search.lexical import LexicalIndex, split_words
from market.search.ranker import FEATURE_TEXTS, QUERY_FEATURES, Ranker
from market.search.vectors import VectorIndex
from stages.index import find_alike

KINDS = {
    "guitar": ("Music", "Instruments", "Guitars"),
    "bagpipe": ("Music", "Instruments", "Other"),
    "bicycle": ("Sports", "Cycling", "Bicycles"),
    "tent": ("Sports", "Camping", "Other"),
    "sofa": ("Home & Garden", "Furniture"),
    "lamp": ("Home & Garden", "Lighting"),
}
EACH = 10  # listings of a kind
WORDS = ["red", "blue", "old", "new", "large", "small", "lovely", "broken", "vintage", "cheap"]
LOCATIONS = {
    "Leeds, West Yorkshire": (53.80, -1.55),
    "York, North Yorkshire": (53.96, -1.08),
    "London": (51.51, -0.13),
    "Ambridge, Borsetshire": (np.nan, np.nan),
}
PLACES = pd.DataFrame(
    [(name, *LOCATIONS[full]) for name, full in (
        ("leeds west yorkshire", "Leeds, West Yorkshire"), ("leeds", "Leeds, West Yorkshire"),
        ("york", "York, North Yorkshire"), ("london", "London"),
    )],
    columns=["name", "latitude", "longitude"],
)  # fmt: skip
# Of the listings, by their number: what is special about them.
COPY = {1: 0}  # a second listing of the same product
SAME_PHOTO = {13: 12}  # another product in the same picture
NO_PHOTO, NO_TEXT, NO_PRICE, NO_DATE = 22, 23, 24, 25
FLAGGED = {30: "placeholder", 41: "far above"}


def make_listings() -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for number in range(EACH * len(KINDS)):
        kind, path = list(KINDS.items())[number // EACH]
        word = WORDS[number % EACH]
        location = list(LOCATIONS)[number % 4]
        rows.append(
            {
                "product_id": f"p{number:02d}",
                "name": f"{word} {kind}",
                "description": f"a {kind} in {word}",
                "location": location,
                "category_levels": list(path),
                "price": 10.0 * (number % EACH + 1),
                "group": COPY.get(number, number),
                "price_expected": 50.0,
                "price_flag": FLAGGED.get(number, ""),
                "created": pd.Timestamp("2022-03-01") - pd.Timedelta(days=number % 7),
                "latitude": LOCATIONS[location][0],
                "longitude": LOCATIONS[location][1],
            }
        )
    table = pd.DataFrame(rows)
    table.loc[NO_TEXT, ["name", "description"]] = ""
    table.loc[NO_PRICE, "price"] = np.nan
    table.loc[NO_DATE, "created"] = pd.NaT
    return table


def vectors_of(numbers: np.ndarray, seed: int) -> np.ndarray:
    """A unit vector for each listing: its kind, and a little that is its own."""
    own = np.random.default_rng(seed).normal(size=(EACH * len(KINDS), 16))[numbers]
    kinds = np.eye(len(KINDS), 16)[numbers // EACH]
    return normalize(kinds + 0.1 * own).astype(np.float32)


def read_text(text: str) -> np.ndarray:
    named = [kind in text for kind in KINDS]
    vector = np.zeros(16, np.float32)
    vector[: len(KINDS)] = named
    vector[-1] = 0.01  # so that it has a length, whatever the text
    return vector / np.linalg.norm(vector)


def photo_of(row: int) -> Image.Image:
    return Image.new("RGB", (4, 4), (row, 0, 0))


class Handmade:
    """The handmade listings, whose photos are known by the red of their first pixel."""

    factory = "Flat"

    def __init__(self) -> None:
        self.listings = make_listings()
        numbers = np.arange(len(self.listings))
        # One photo for even numbers, two for odd ones.
        owner = np.repeat(numbers, np.where(numbers == NO_PHOTO, 0, 1 + numbers % 2))
        self.shown = pd.DataFrame({"owner": owner, "number": np.arange(len(owner))[::-1]})
        self.looks = vectors_of(owner, 2) + 0.02 * np.random.default_rng(3).normal(
            size=(len(owner), 16)
        )
        first = {int(number): int(np.flatnonzero(owner == number)[0]) for number in set(owner)}
        for number, other in (SAME_PHOTO | COPY).items():
            self.looks[first[number]] = self.looks[first[other]]
        self.looks = normalize(self.looks).astype(np.float32)
        self.first_photo = first

    def engine(
        self, keep: np.ndarray | slice = slice(None), crowd: CollaborativeModel | None = None
    ) -> Engine:
        listings = self.listings.iloc[keep].reset_index(drop=True)
        numbers = np.arange(len(self.listings))[keep]
        place = pd.Series(np.arange(len(numbers)), numbers)
        shown = self.shown[self.shown["owner"].isin(numbers)]
        words = LexicalIndex.build(
            listings["name"].tolist(), listings["description"].tolist(), ["reds", "guitars", "wise"]
        )
        texts = VectorIndex.build(vectors_of(numbers, 1), self.factory, 1)
        return Engine(
            listings,
            PLACES,
            words,
            texts,
            VectorIndex.build(self.looks[shown.index], self.factory, 1),
            shown.assign(owner=place[shown["owner"]].to_numpy()),
            find_alike(texts, texts.vectors(np.arange(len(texts)))),
            Ranker.prior(),
            crowd,
            read_text,
            lambda photo: self.looks[np.asarray(photo)[0, 0, 0]],
        )


@pytest.fixture(scope="module")
def handmade() -> Handmade:
    return Handmade()


@pytest.fixture(scope="module")
def shop(handmade: Handmade) -> Engine:
    return handmade.engine()


def ids(answer: Answer) -> list[str]:
    return [hit.product_id for hit in answer.hits]


def past(*numbers: int, event: str = "view") -> pd.DataFrame:
    """A history of these listings, an hour apart."""
    times = pd.Timestamp("2022-03-02") + pd.to_timedelta(np.arange(len(numbers)), unit="h")
    return pd.DataFrame(
        {"product_id": [f"p{n:02d}" for n in numbers], "event": event, "timestamp": times}
    )


NOBODY = past()
SEARCHES: dict[str, Callable[..., Answer]] = {
    "words": lambda engine, **options: engine.search("lovely guitar or a red sofa", **options),
    "photo": lambda engine, **options: engine.search(photo=photo_of(20), **options),
    "both": lambda engine, **options: engine.search("old tent", photo=photo_of(50), **options),
    "like": lambda engine, **options: engine.search("red", like="p05", **options),
    "nothing": lambda engine, **options: engine.search("", **options),
    "personal": lambda engine, **options: engine.search("red", history=past(3, 33), **options),
    "similar": lambda engine, **options: engine.similar("p12", **options),
    "new": lambda engine, **options: engine.recommend(None, **options),
    "recommend": lambda engine, **options: engine.recommend(past(1, 2, 52), **options),
}
each_search = pytest.mark.parametrize("ask", SEARCHES.values(), ids=SEARCHES.keys())


# --- Strict filters -------------------------------------------------------------------------------
def in_category(path: list[str], *wanted: str) -> bool:
    joined = "|".join(["", *path, ""])
    return "|".join(["", *wanted, ""]) in joined


@each_search
@pytest.mark.parametrize(
    ("filters", "right"),
    [
        (Filters(price_min=50), lambda row: row["price"] >= 50),
        (Filters(price_max=50), lambda row: row["price"] <= 50),
        (Filters(price_min=30, price_max=30), lambda row: row["price"] == 30),
        (Filters(price_min=31, price_max=29), lambda row: False),
        (Filters(category="Music"), lambda row: in_category(row["category_levels"], "Music")),
        (
            Filters(category=" home & garden "),
            lambda row: in_category(row["category_levels"], "Home & Garden"),
        ),
        (Filters(category="Other"), lambda row: in_category(row["category_levels"], "Other")),
        (
            Filters(category="Camping / Other"),
            lambda row: in_category(row["category_levels"], "Camping", "Other"),
        ),
        (
            Filters(category="Sports / Cycling / Bicycles"),
            lambda row: in_category(row["category_levels"], "Bicycles"),
        ),
        (Filters(category="Sports / Other"), lambda row: False),
        (Filters(category="Instrument"), lambda row: False),
        (Filters(near="Leeds", radius_km=1), lambda row: row["location"].startswith("Leeds")),
        (Filters(near="leeds,  WEST yorkshire", radius_km=50),
         lambda row: "Yorkshire" in row["location"]),
        (Filters(near="London", radius_km=500), lambda row: "Ambridge" not in row["location"]),
        (Filters(near="London", radius_km=0), lambda row: row["location"] == "London"),
        (Filters(), lambda row: True),
    ],
)  # fmt: skip
def test_nothing_passes_a_filter_that_does_not_satisfy_it(
    shop: Engine, ask: Callable, filters: Filters, right: Callable[[pd.Series], bool]
) -> None:
    allowed = shop.listings[shop.listings.apply(right, axis=1) & shop.listings["price_flag"].eq("")]
    found = ids(ask(shop, filters=filters, limit=100))
    assert set(found) <= set(allowed["product_id"])
    if ask is SEARCHES["nothing"]:
        assert set(found) == set(allowed["product_id"]), "and all that does is found"


@each_search
def test_flagged_prices_are_shown_only_where_wanted(shop: Engine, ask: Callable) -> None:
    flagged = {f"p{number}" for number in FLAGGED}
    assert not flagged & set(ids(ask(shop, limit=100)))
    if ask not in (SEARCHES["similar"], SEARCHES["photo"]):
        assert flagged & set(ids(ask(shop, filters=Filters(flagged=True), limit=100)))


@each_search
@pytest.mark.parametrize("near", ["Atlantis", "🔥", " ", "Ambridge", "'; DROP TABLE"])
def test_a_place_that_is_not_known_is_said(shop: Engine, ask: Callable, near: str) -> None:
    answer = ask(shop, filters=Filters(near=near, radius_km=10_000))
    assert (answer.hits, answer.total, answer.unplaced) == ([], 0, near)


def test_distances_are_from_the_place_asked_for(shop: Engine) -> None:
    answer = shop.search("guitar", filters=Filters(near="York"), limit=100)
    assert answer.unplaced is None and len(answer.hits) > 5
    for hit in answer.hits:
        location = shop.listing(hit.product_id)["location"]
        wanted = {"Leeds": 35.6, "York": 0, "London": 279.2}.get(location.partition(",")[0])
        assert hit.distance_km == (None if wanted is None else pytest.approx(wanted, abs=1))
    assert all(hit.distance_km is None for hit in shop.search("guitar").hits)


def test_near_without_a_radius_puts_the_near_first(shop: Engine) -> None:
    for town in ("Leeds", "London"):
        found = shop.search(filters=Filters(near=town, category="Lighting")).hits
        assert shop.listing(found[0].product_id)["location"].startswith(town)


# --- Words ----------------------------------------------------------------------------------------
def test_words_find_what_has_them(shop: Engine) -> None:
    assert ids(shop.search("vintage tent"))[0] == "p38"
    assert ids(shop.search("RED Guitars!"))[0] == "p00"


def test_a_slip_is_mended_and_said(shop: Engine) -> None:
    answer = shop.search("vintgae tnet")
    assert answer.understood == "vintage tent" and ids(answer)[0] == "p38"
    assert ids(answer) == ids(shop.search("vintage tent"))
    assert shop.search("vintage tent").understood is None


@pytest.mark.parametrize("text", ["qwxzkj", "qwxzkj 🚲 the", "'; DROP TABLE listings; --", "%s"])
def test_what_means_nothing_finds_nothing(shop: Engine, text: str) -> None:
    answer = shop.search(text)
    assert answer.total == 0 and answer.hits == []


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
def test_odd_texts_are_words_and_nothing_else(shop: Engine, text: str) -> None:
    found = ids(shop.search(text, limit=5))
    assert len(found) == 5 and all(int(id_[1:]) < EACH for id_ in found)


@pytest.mark.parametrize("text", ["🚲", "the", "of the and", "?!", "\x00", "🔥" * 300])
def test_what_has_no_words_is_no_question_and_said(shop: Engine, text: str) -> None:
    answer = shop.search(text, limit=7)
    assert answer.understood == "" and answer.hits == shop.search("", limit=7).hits
    assert answer.total == len(shop.listings) - len(FLAGGED)
    shown = shop.search(text, photo=photo_of(2), limit=7)
    assert shown.understood == "" and shown.hits == shop.search(photo=photo_of(2), limit=7).hits


@pytest.mark.parametrize("text", ["Instruments", "cycling", "furniture"])
def test_a_category_is_no_word_to_search_for(shop: Engine, text: str) -> None:
    assert shop.search(text).total == 0


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_nothing_asked_for_is_all_there_is(shop: Engine, text: str) -> None:
    answer = shop.search(text, limit=100)
    assert answer.total == len(answer.hits) == len(shop.listings) - len(FLAGGED)


def test_a_taste_decides_between_what_answers_alike(shop: Engine) -> None:
    query = "lovely vintage, broken or cheap"  # things of every kind
    for kind in (2, 4):
        bought = past(EACH * kind + 2, EACH * kind + 3, event="buy")
        places = []
        for history in (None, bought):
            found = ids(shop.search(query, history=history, limit=100))
            places.append(
                np.mean([n for n, id_ in enumerate(found) if int(id_[1:]) // EACH == kind])
            )
        assert places[1] < places[0]


def test_a_photo_finds_its_own_listing(handmade: Handmade, shop: Engine) -> None:
    for number in (0, 13, 27, 59):
        for row in np.flatnonzero(handmade.shown["owner"] == number).tolist():
            found = ids(shop.search(photo=photo_of(row), limit=2))
            same = {number, *(COPY | SAME_PHOTO).values(), *COPY, *SAME_PHOTO}
            assert f"p{number:02d}" in found and {int(id_[1:]) for id_ in found[:1]} <= same


@pytest.mark.parametrize("heavy", QUERY_FEATURES)
def test_a_photo_counts_however_texts_are_weighed(
    handmade: Handmade, heavy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = handmade.engine()
    weights = dict.fromkeys(QUERY_FEATURES, 0.0) | {heavy: 18.0}
    monkeypatch.setattr(engine, "ranker", engine.ranker.with_weights(weights))
    history = past(45, 46, 47, event="buy")
    row = int(np.flatnonzero(handmade.shown["owner"] == 27)[0])
    first = engine.search(photo=photo_of(row), history=history, limit=1).hits[0]
    assert first.product_id == "p27" and first.why["image_similarity"] == pytest.approx(18)
    both = engine.search("broken", photo=photo_of(row), history=history, limit=1).hits[0]
    assert 20 <= int(both.product_id[1:]) < 30 and both.why["image_similarity"] > 7
    assert all(20 <= int(id_[1:]) < 30 for id_ in ids(engine.similar("p27", limit=3)))


def test_like_finds_its_kind_and_not_itself(shop: Engine) -> None:
    found = ids(shop.search(like="p27", limit=5))
    assert "p27" not in found and all(20 <= int(id_[1:]) < 30 for id_ in found)


@pytest.mark.parametrize("number", range(60))
def test_similar_is_never_itself_a_copy_or_the_same_picture(shop: Engine, number: int) -> None:
    answer = shop.similar(f"p{number:02d}", limit=100)
    found = {int(id_[1:]) for id_ in ids(answer)}
    pairs = COPY | SAME_PHOTO
    same = {number, pairs.get(number), *(one for one, other in pairs.items() if other == number)}
    assert found and not found & same
    assert not {0, 1} <= found, "nor two of one product"
    first = [int(id_[1:]) for id_ in ids(answer)[:3]]
    assert all(other // EACH == number // EACH for other in first)


def test_similar_works_without_a_photo_and_without_text(shop: Engine) -> None:
    for number in (NO_PHOTO, NO_TEXT):
        found = ids(shop.similar(f"p{number}", limit=4))
        assert all(20 <= int(id_[1:]) < 30 for id_ in found)


def test_unknown_ids_are_key_errors(shop: Engine) -> None:
    for ask in (
        lambda: shop.similar("nowhere"),
        lambda: shop.search(like="nowhere"),
        lambda: shop.listing("nowhere"),
    ):
        with pytest.raises(KeyError):
            ask()


# --- Recommendations ------------------------------------------------------------------------------
def test_what_was_met_is_not_recommended_nor_are_its_copies(shop: Engine) -> None:
    found = ids(shop.recommend(past(0, 5, 55), limit=100))
    assert not {"p00", "p01", "p05", "p55"} & set(found)
    assert len(found) == len(shop.listings) - len(FLAGGED) - 4


def test_recommendations_follow_what_was_looked_at(shop: Engine) -> None:
    before = ids(shop.recommend(past(25), limit=6))
    after = ids(shop.recommend(past(25, 46, 47), limit=6))
    assert all(20 <= int(id_[1:]) < 30 for id_ in before[:2])
    assert sum(40 <= int(id_[1:]) < 50 for id_ in after) > sum(
        40 <= int(id_[1:]) < 50 for id_ in before
    )
    bought = ids(shop.recommend(pd.concat([past(46, event="buy"), past(25)]), limit=1))
    assert bought != ids(shop.recommend(past(46, 25), limit=1)), "what is bought says more"


@pytest.mark.parametrize("history", [None, NOBODY, past(99)], ids=["none", "empty", "unknown"])
def test_a_new_shopper_gets_a_mix(shop: Engine, history: pd.DataFrame | None) -> None:
    answer = shop.recommend(history, limit=10)
    kinds = {int(id_[1:]) // EACH for id_ in ids(answer)}
    assert len(answer.hits) == 10 and len(kinds) >= 4
    personal = {
        "user_category",
        "user_price",
        "user_text_similarity",
        "user_image_similarity",
        "proximity",
        "co_occurrence",
        "next_item",
    }
    assert not any(personal & hit.why.keys() for hit in answer.hits)


@pytest.mark.parametrize("history", [None, NOBODY, past(99)], ids=["none", "empty", "unknown"])
def test_of_a_new_shopper_the_crowd_says_nothing(
    handmade: Handmade, history: pd.DataFrame | None
) -> None:
    """Not 0, which is "unlike all that they did", for trees tell the two apart."""
    log = pd.concat([past(*range(start, start + 4)).assign(user_id=start) for start in range(40)])
    engine = handmade.engine(crowd=CollaborativeModel.fit(log))
    everything = np.ones(len(engine.listings), bool)
    new = [f"{name}.new_user" for name in SHARED_FEATURES]
    _, features = engine.candidates(Query(), everything, history)
    assert not set(COLLABORATIVE_FEATURES) & set(features), (
        "but for what is everybody's, weighed apart"
    )
    assert features[new].notna().any().all()
    _, known = engine.candidates(Query(), everything, past(3))
    assert known[COLLABORATIVE_FEATURES].notna().any().all() and not set(new) & set(known)
    _, asked = engine.candidates(engine.build_query("guitar"), everything, history)
    assert set(SHARED_FEATURES) <= set(asked), "a search weighs them as everybody's"


@pytest.mark.parametrize("days", [0, 2, 30])
def test_an_answer_as_of_a_time_knows_nothing_later(handmade: Handmade, days: int) -> None:
    newest = handmade.listings["created"].max()
    as_of = newest - pd.Timedelta(days=days)
    log = pd.concat(
        [past(start).assign(user_id=start, timestamp=as_of + pd.Timedelta(days=start - 5))
         for start in range(10)]
    )  # fmt: skip
    engine = handmade.engine(crowd=CollaborativeModel.fit(log))
    history = past(0)
    candidates, features = engine.candidates(
        Query(), np.ones(len(engine.listings), bool), history, as_of=as_of
    )
    created = engine.listings["created"].iloc[candidates]
    early = set(log.loc[log["timestamp"] < as_of, "product_id"])
    known = engine.listings["product_id"].iloc[candidates].isin(early)
    assert (created.isna() | (created <= as_of) | known).all()
    on_offer = engine.listings["created"].le(as_of) | engine.listings["created"].isna()
    on_offer |= engine.listings["product_id"].isin(early)
    assert len(candidates) == on_offer.sum() > 0
    age = ((as_of - created) / pd.Timedelta(days=1)).clip(lower=0).to_numpy()
    np.testing.assert_allclose(features["recency"], 0.5 ** (age / market.search.engine.FRESH_DAYS))
    late = [f"p{start:02d}" for start in range(6, 10)]
    trend = features.set_index(engine.listings["product_id"].iloc[candidates])["trending"]
    assert (trend[trend.index.isin(late)] == 0).all()
    found = engine.recommend(history, limit=100, as_of=as_of).hits
    assert {hit.product_id for hit in found} <= set(engine.listings["product_id"][on_offer])


def test_without_a_time_the_newest_that_is_known_counts(handmade: Handmade) -> None:
    everything = np.ones(len(handmade.listings), bool)
    newest = handmade.listings["created"].max()
    log = past(1, 2).assign(user_id=1, timestamp=newest + pd.Timedelta(days=14))
    alone = handmade.engine().candidates(Query(), everything)[1]["recency"].max()
    later = handmade.engine(crowd=CollaborativeModel.fit(log))
    assert alone == 1
    assert later.candidates(Query(), everything)[1]["recency"].max() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("with_log", [False, True])
def test_listings_without_dates_are_recommended(with_log: bool) -> None:
    undated = Handmade()
    undated.listings["created"] = pd.Series(pd.NaT, undated.listings.index, dtype="datetime64[s]")
    log = past(1, 2).assign(user_id=1)
    engine = undated.engine(crowd=CollaborativeModel.fit(log) if with_log else None)
    for as_of in (None, pd.Timestamp("2022-03-01")):
        _, features = engine.candidates(Query(), np.ones(len(engine.listings), bool), as_of=as_of)
        assert features["recency"].isna().all()
        assert engine.recommend(past(0), as_of=as_of).hits


@pytest.mark.parametrize("heavy", QUERY_FEATURES)
def test_features_of_a_query_do_not_depend_on_the_chosen_weights(
    handmade: Handmade, heavy: str
) -> None:
    engine = handmade.engine()
    everything = np.ones(len(engine.listings), bool)
    for query in (
        engine.build_query("lovely guitar or sofa"),
        engine.build_query("red", photo=photo_of(3)),
    ):
        _, before = engine.candidates(query, everything)
        engine.ranker = Ranker.prior().with_weights(
            dict.fromkeys(QUERY_FEATURES, 0.0) | {heavy: 18.0}
        )
        _, after = engine.candidates(query, everything)
        pd.testing.assert_frame_equal(before, after)
        engine.ranker = Ranker.prior()


def test_variety_costs_little_and_shows(shop: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    history = past(25, 35)
    varied = ids(shop.recommend(history, limit=12))
    monkeypatch.setattr(market.search.engine, "VARIETY", 0.0)
    plain = shop.recommend(history, limit=12)
    assert varied[0] == ids(plain)[0] and varied != ids(plain)
    scores = [hit.score for hit in plain.hits]
    assert scores == sorted(scores, reverse=True)


def test_a_new_listing_is_recommended_as_soon_as_it_is_indexed(handmade: Handmade) -> None:
    log = pd.concat([past(*range(start, start + 4)).assign(user_id=start) for start in range(40)])
    crowd = CollaborativeModel.fit(log[log["product_id"].ne("p27")])
    before = handmade.engine(np.array([n for n in range(60) if n != 27]), crowd)
    after = handmade.engine(crowd=crowd)
    history = past(20, 21, 22)
    assert "p27" not in ids(before.recommend(history, limit=100))
    found = ids(after.recommend(history, limit=100))
    assert found.index("p27") < len(found) / 2, "though the crowd knows nothing of it"
    assert "p27" in ids(handmade.engine().recommend(history, limit=9))
    assert "p27" in ids(after.search("broken bicycle", limit=1))


# --- Answers --------------------------------------------------------------------------------------
@each_search
@pytest.mark.parametrize("few", [False, True], ids=["all", "few candidates"])
def test_pages_do_not_overlap_and_make_up_the_long_answer(
    shop: Engine, ask: Callable, few: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if few:  # as if there were many more listings than candidates
        for name, value in {"DEPTH": 9, "BROWSED": 30, "POOL": 12}.items():
            monkeypatch.setattr(market.search.engine, name, value)
    whole = ask(shop, limit=1000)
    assert len(whole.hits) == whole.total > 5
    pages: list[Any] = []
    for offset in range(0, whole.total + 4, 4):
        page = ask(shop, limit=4, offset=offset)
        assert page.total == whole.total
        pages += page.hits
    assert pages == whole.hits
    assert len({hit.product_id for hit in pages}) == len(pages)


def matches_of(handmade: Handmade, **query: Any) -> set[int]:
    """The numbers of the listings that match, one by one, as the contract of `search` reads."""
    text, photo, like = (query.get(name) for name in ("text", "photo", "like"))
    numbers = np.arange(len(handmade.listings))
    owner = handmade.shown["owner"].to_numpy()
    texts = vectors_of(numbers, 1)
    meaning = None if text is None else read_text(text)
    looks = None if photo is None else handmade.looks[photo]
    if like is not None:
        meaning = texts[like] if meaning is None else normalize((texts[like] + meaning)[None])[0]
        looks = normalize(handmade.looks[owner == like].sum(axis=0)[None])[0]
    min_meaning = MIN_TEXT_SIMILARITY if text is None else LEAST_MEANING
    stem = Stemmer.Stemmer("english").stemWord
    wanted = {stem(word) for word in split_words(text or "")}
    found = set()
    for number, row in handmade.listings.iterrows():
        words = {stem(word) for word in split_words(f"{row['name']} {row['description']}")}
        shown = handmade.looks[owner == number]
        if (
            wanted & words
            or (meaning is not None and texts[number] @ meaning >= min_meaning)
            or (looks is not None and (shown @ looks >= MIN_IMAGE_SIMILARITY).any())
            or (text is None and meaning is None and looks is None)
        ):
            found.add(int(number))
    if like is not None:
        own = handmade.looks[owner == like]
        group = handmade.listings["group"]
        for number in list(found):
            shown = handmade.looks[owner == number]
            if group[number] == group[like] or (own @ shown.T >= SAME_LOOK).any():
                found.discard(number)
    return found


NARROWED = {
    "no filter": (Filters(), lambda row: True),
    "price": (Filters(price_max=60), lambda row: row["price"] <= 60),
    "category": (Filters(category="Music"), lambda row: "Music" in row["category_levels"]),
    "near": (
        Filters(near="York", radius_km=50),
        lambda row: "Yorkshire" in row["location"],
    ),
}
ASKED: dict[str, tuple[dict[str, Any], Callable[..., Answer]]] = {
    "words": (
        {"text": "lovely guitar or a red sofa"},
        lambda engine, **page: engine.search("lovely guitar or a red sofa", **page),
    ),
    "one word": ({"text": "reds"}, lambda engine, **page: engine.search("reds", **page)),
    "slip": ({"text": "vintage"}, lambda engine, **page: engine.search("vintgae", **page)),
    "browse": ({}, lambda engine, **page: engine.search("", history=past(25), **page)),
    "photo": ({"photo": 20}, lambda engine, **page: engine.search(photo=photo_of(20), **page)),
    "words and photo": (
        {"text": "old tent", "photo": 50},
        lambda engine, **page: engine.search("old tent", photo=photo_of(50), **page),
    ),
    "similar": ({"like": 12}, lambda engine, **page: engine.similar("p12", **page)),
    "similar to a copy": ({"like": 0}, lambda engine, **page: engine.similar("p00", **page)),
    "recommend": ({}, lambda engine, **page: engine.recommend(past(45, 52), **page)),
}


@pytest.mark.parametrize("limit", [4, 100])
@pytest.mark.parametrize("narrowed", NARROWED.values(), ids=NARROWED.keys())
@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED.keys())
def test_total_counts_all_matches_and_pages_show_each_once(
    handmade: Handmade, shop: Engine, asked: Any, narrowed: Any, limit: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for name, value in {"DEPTH": 3, "BROWSED": 12, "POOL": 5}.items():  # as if there were many
        monkeypatch.setattr(market.search.engine, name, value)
    (query, ask), (filters, passes) = asked, narrowed
    listings = handmade.listings
    passing = listings.apply(passes, axis=1) & listings["price_flag"].eq("")
    wanted = matches_of(handmade, **query) & set(listings.index[passing])
    one_of_each = "like" in query or ask is ASKED["recommend"][1]
    if ask is ASKED["recommend"][1]:
        wanted -= {45, 52}
    groups = listings["group"][sorted(wanted)]
    expected = groups.nunique() if one_of_each else len(wanted)

    shown: list[int] = []
    for offset in range(0, expected + limit, limit):
        answer = ask(shop, filters=filters, limit=limit, offset=offset)
        assert answer.total == expected
        shown += [int(id_[1:]) for id_ in ids(answer)]
    assert len(set(shown)) == len(shown) == expected
    assert set(shown) <= wanted
    if not one_of_each:
        assert set(shown) == wanted
    else:
        assert set(listings["group"][shown]) == set(groups)


def test_matches_that_are_not_ranked_come_after_those_that_are(
    handmade: Handmade, shop: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head is as the ranker has it; then follows the order that Answer describes."""
    for name, value in {"DEPTH": 3, "BROWSED": 12}.items():
        monkeypatch.setattr(market.search.engine, name, value)
    text = "lovely guitar or a red sofa"
    candidates, features = shop.candidates(shop.build_query(text), shop.allowed(Filters()))
    scores, _ = shop.ranker.score(features)
    best_first = candidates[np.argsort(-scores, kind="stable")]
    answer = shop.search(text, limit=100)
    head, tail = answer.hits[: len(candidates)], answer.hits[len(candidates) :]
    assert [hit.product_id for hit in head] == [f"p{number:02d}" for number in best_first]
    assert len(tail) > 10
    assert [hit.score for hit in tail] == sorted((hit.score for hit in tail), reverse=True)
    assert all(
        hit.why and hit.why.keys() <= {"bm25", "text_similarity", "image_similarity"}
        for hit in tail
    )

    browsed = shop.search("", limit=100).hits
    newest = handmade.listings.set_index("product_id")["created"]
    dates = [newest[hit.product_id] for hit in browsed[12:]]
    known = [date for date in dates if not pd.isna(date)]
    assert known == sorted(known, reverse=True)
    assert all(pd.isna(date) for date in dates[len(known) :]), "the undated come last"


@pytest.mark.parametrize("factory", ["IVF4,Flat", "HNSW16"])
def test_pages_fit_together_where_vectors_are_searched_approximately(
    handmade: Handmade, factory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"DEPTH": 3, "BROWSED": 12, "POOL": 5}.items():
        monkeypatch.setattr(market.search.engine, name, value)
    monkeypatch.setattr(market.search.vectors, "EXACT_UP_TO", 0)
    monkeypatch.setattr(handmade, "factory", factory)
    engine = handmade.engine()
    for _, ask in ASKED.values():
        whole = ids(ask(engine, limit=100))
        pages = [ask(engine, limit=4, offset=offset) for offset in range(0, len(whole) + 4, 4)]
        assert [id_ for page in pages for id_ in ids(page)] == whole
        assert {page.total for page in pages} == {len(whole)} == {len(set(whole))}


@each_search
def test_reasons_add_up_to_the_score_the_largest_first(shop: Engine, ask: Callable) -> None:
    for hit in ask(shop, limit=100, filters=Filters(near="Leeds")).hits:
        assert set(hit.why) <= set(FEATURE_TEXTS)
        parts = list(hit.why.values())
        assert np.isfinite(hit.score) and sum(parts) == pytest.approx(hit.score)
        assert all(parts) and [abs(p) for p in parts] == sorted(map(abs, parts), reverse=True)


def test_listings_that_are_alike_speak_for_one_another(handmade: Handmade) -> None:
    engine = handmade.engine()
    silent = NO_TEXT // EACH  # the kind of the listing that has no words
    asked = engine.build_query(list(KINDS)[silent])
    candidates, signals = engine.candidates(asked, engine.allowed(Filters()))
    signals = signals.set_index(candidates)
    own = signals.loc[NO_TEXT]
    assert own["bm25"] == 0 and own["text_similarity.neighbours"] > 0.5
    others = signals.loc[signals.index // EACH != silent, "text_similarity.neighbours"]
    assert others.empty or others.max() < own["text_similarity.neighbours"]
    photo = engine.candidates(Query(looks=handmade.looks[0]), engine.allowed(Filters()))[1]
    assert "text_similarity.neighbours" not in photo, "no words were asked for"


def test_queries_are_read_once_and_together(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[list[str]] = []

    def encode(reader: TextReader, texts: list[str]) -> np.ndarray:
        read.append(texts)
        return np.array([[len(text)] for text in texts])

    monkeypatch.setattr(TextReader, "_encode", encode)
    monkeypatch.setattr(market.search.engine, "REMEMBERED", 3)
    reader = TextReader(object)
    reader.read_ahead(["a", " bb", "a"])
    reader.read_ahead([])
    assert [reader(text)[0] for text in ("a", "bb ", "ccc", "a")] == [1, 2, 3, 1]
    assert reader("dddd")[0] == 4, "which forgets the one that was asked for longest ago"
    assert reader("a")[0] == 1 and reader("bb")[0] == 2
    assert [texts for texts in read if texts] == [["a", "bb"], ["ccc"], ["dddd"], ["bb"]]


def test_found_by_words_best_first(shop: Engine) -> None:
    scores = [hit.score for hit in shop.search("red guitar", limit=100).hits]
    assert scores == sorted(scores, reverse=True)


def test_browsing_many_listings_keeps_what_matters(
    handmade: Handmade, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(market.search.engine, "BROWSED", 12)
    log = pd.concat([past(50, 51).assign(user_id=user) for user in range(5)])
    crowd = CollaborativeModel.fit(log)
    for engine in (handmade.engine(), handmade.engine(crowd=crowd)):
        for history in (None, past(25)):
            allowed = engine.allowed(Filters()) & ~engine.already_seen(history)
            found = set(engine.candidates(Query(), allowed, history)[0].tolist())
            assert 8 <= len(found) <= 15
            if history is not None:
                assert any(20 <= number < 30 for number in found), "near what was met"
            if engine.collaborative is not None:
                assert {50, 51} <= found, "what the crowd likes"
            fresh = engine.listings["created"].max()
            newest = engine.listings.index[engine.listings["created"] == fresh]
            assert found & set(newest)


@each_search
def test_nothing_to_search_in_is_no_fault(shop: Engine, ask: Callable) -> None:
    answer = ask(shop, filters=Filters(price_min=1e9))
    assert (answer.hits, answer.total) == ([], 0)


@pytest.mark.parametrize("browsed", [2000, 8])
def test_listings_without_any_photo_can_be_searched(
    handmade: Handmade, browsed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(market.search.engine, "BROWSED", browsed)
    engine = handmade.engine(np.array([NO_PHOTO]))
    for copies in (1, 20):
        listings = pd.concat([engine.listings] * copies, ignore_index=True)
        listings["product_id"] = [f"p{22 + n}" for n in range(copies)]
        listings["group"] = range(copies)
        bare = Engine(
            listings, PLACES, LexicalIndex.build(listings["name"], listings["description"], []),
            VectorIndex.build(vectors_of(np.full(copies, NO_PHOTO), 1), "Flat", 1),
            VectorIndex.build(np.empty((0, 16), np.float32), "Flat", 1),
            pd.DataFrame({"owner": [], "number": []}), np.empty((copies, 0), np.int32),
            Ranker.prior(), None, read_text,
            lambda photo: np.ones(16, np.float32) / 4,
        )  # fmt: skip
        assert bare.search("bicycle").total == copies
        assert bare.search(photo=photo_of(1)).hits == []
        assert len(bare.recommend(past(22), limit=100).hits) == copies - 1
        assert bare.similar("p22").total == copies - 1
        assert bare.listing("p22")["photos"] == []


@each_search
def test_threads_get_the_same_answers(shop: Engine, ask: Callable) -> None:
    wanted = ask(shop, limit=100)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask(shop, limit=100), range(16)))
    assert all(answer == wanted for answer in answers)


# --- Looking up -----------------------------------------------------------------------------------
def test_a_listing_shows_all_its_fields(handmade: Handmade, shop: Engine) -> None:
    assert shop.listing("p41") == {
        "product_id": "p41",
        "name": "blue sofa",
        "description": "a sofa in blue",
        "location": "York, North Yorkshire",
        "price_flag": "far above",
        "category": ["Home & Garden", "Furniture"],
        "price": 20.0,
        "price_expected": 50.0,
        "photos": handmade.shown.loc[handmade.shown["owner"] == 41, "number"].tolist(),
        "created": "2022-02-23",
    }
    assert len(shop.listing("p41")["photos"]) == 2
    assert shop.listing(f"p{NO_PHOTO}")["photos"] == []
    assert shop.listing(f"p{NO_DATE}")["created"] is None


def test_categories_are_counted_at_every_depth(shop: Engine) -> None:
    counts = dict(shop.categories())
    assert counts["Music"] == 20 and counts["Music / Instruments / Other"] == EACH
    assert counts["Home & Garden / Furniture"] == EACH
    assert list(counts) == sorted(counts) and len(counts) == 12
    for path, count in counts.items():
        filters = Filters(category=path, flagged=True)
        assert shop.allowed(filters).sum() == count


def test_categories_may_have_one_level(handmade: Handmade) -> None:
    flat = Handmade()
    flat.listings["category_levels"] = [path[:1] for path in handmade.listings["category_levels"]]
    assert dict(flat.engine().categories()) == {"Music": 20, "Sports": 20, "Home & Garden": 20}


def test_places_are_those_that_are_known(shop: Engine) -> None:
    assert set(shop.places()) == {name for name in LOCATIONS if "Ambridge" not in name}


def test_photo_vectors_are_by_the_photos_number(handmade: Handmade, shop: Engine) -> None:
    numbers = handmade.shown["number"].to_numpy()[[3, 0, 40]]
    np.testing.assert_array_equal(shop.photo_vectors(numbers), handmade.looks[[3, 0, 40]])


# --- The sample, with the real networks -----------------------------------------------------------
def test_a_name_finds_its_listing(engine: Engine) -> None:
    listings = engine.listings[engine.listings["name"].str.split().str.len() > 2]
    found = [
        id_ in ids(engine.search(name, filters=Filters(flagged=True), limit=3))
        for id_, name in zip(listings["product_id"], listings["name"], strict=True)
    ][:20]
    assert np.mean(found) > 0.9


def test_a_packed_photo_finds_its_own_listing(ran: Path, engine: Engine) -> None:
    photos = PhotoStore(ran / "data/clean/photos")
    for id_ in engine.listings["product_id"][::9]:
        for number in engine.listing(id_)["photos"]:
            photo = Image.open(io.BytesIO(photos[number]))
            found = ids(engine.search(photo=photo, filters=Filters(flagged=True), limit=10))
            hit = found.index(id_)
            others = [n for other in found[:hit] for n in engine.listing(other)["photos"]]
            own = engine.photo_vectors(np.array([number]))[0]
            assert hit == 0 or (engine.photo_vectors(np.array(others)) @ own).max() > 0.97


@pytest.mark.parametrize("size", [(1, 1), (3, 400)])
@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_any_picture_can_be_asked_with(engine: Engine, mode: str, size: tuple[int, int]) -> None:
    assert engine.search(photo=Image.new(mode, size, 7), limit=3).hits


def test_threads_share_the_networks(ran: Path, engine: Engine) -> None:
    fresh = Engine.load(*(ran / f"models/{name}" for name in ("index", "rank", "embed")))
    picture = Image.new("RGB", (9, 9), "red")

    def ask(number: int) -> list[str]:
        return ids(fresh.search(f"a chair {number % 4}", photo=picture if number % 2 else None))

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(16)))
    assert answers == [ask(number) for number in range(16)]


def test_the_history_of_a_shopper_changes_the_next_answer(ran: Path, engine: Engine) -> None:
    log = pd.read_parquet(ran / "data/clean/interactions.parquet")
    user = log["user_id"].value_counts().index[0]
    history = log.loc[log["user_id"] == user, ["product_id", "event", "timestamp"]]
    answers = [ids(engine.recommend(history.iloc[:n], limit=10)) for n in (0, 1, len(history))]
    assert answers[0] != answers[1] != answers[2]
    for answer, count in zip(answers, (0, 1, len(history)), strict=True):
        assert not set(answer) & set(history["product_id"].iloc[:count])
