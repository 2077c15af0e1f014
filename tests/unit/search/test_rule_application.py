"""Rules in the engine: synonyms, pins, boosts, hidden listings and redirects."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from handmade import EACH, REQUESTS, Handmade, ids, limit_candidates, past
from overlaid import Shop

from market.search.engine import Engine
from market.search.filters import Filters
from market.search.ranking import SearchResult
from market.search.rules import Rules

DAY = date(2026, 3, 1)
ALL = 100


def ruled(shop: Engine, text: str, day: date = DAY) -> Engine:
    return shop.with_rules(Rules.parse(text), day)


def pages(engine: Engine, text: str, size: int, **options: object) -> list[str]:
    """Return the ids of all pages of a search, one after the other."""
    total = engine.search(text, limit=1, **options).total  # type: ignore[arg-type]
    return [
        product_id
        for start in range(0, total, size)
        for product_id in ids(engine.search(text, limit=size, offset=start, **options))  # type: ignore[arg-type]
    ]


@pytest.mark.parametrize("request_page", REQUESTS.values(), ids=REQUESTS.keys())
def test_without_rules_nothing_changes(shop: Engine, request_page: object) -> None:
    plain = request_page(shop, limit=ALL)  # type: ignore[operator]
    assert request_page(ruled(shop, "pins: []"), limit=ALL) == plain  # type: ignore[operator]
    other = "pins: [{name: a, listing: p51, place: 1, queries: [teapot]}]"
    assert request_page(ruled(shop, other), limit=ALL) == plain  # type: ignore[operator]


# --- Pins -----------------------------------------------------------------------------------------
PINS = """
pins:
- {name: third, listing: p55, place: 3, queries: [guitar]}
- {name: first, listing: p07, place: 1, queries: [guitar]}
"""


def test_pinned_listings_have_their_places_on_every_page(shop: Engine) -> None:
    plain, pinned = (
        shop.search("guitars", limit=ALL),
        ruled(shop, PINS).search("guitars", limit=ALL),
    )
    assert ids(pinned)[0] == "p07" and ids(pinned)[2] == "p55"
    others = [product_id for product_id in ids(plain) if product_id not in ("p07", "p55")]
    assert [each for each in ids(pinned) if each not in ("p07", "p55")] == others
    new = {"p07", "p55"} - set(ids(plain))
    assert pinned.total == plain.total + len(new) == len(set(ids(pinned)))
    for size in (1, 2, 7):
        assert pages(ruled(shop, PINS), "guitars", size) == ids(pinned)
    first, third = pinned.hits[0], pinned.hits[2]
    assert next(iter(first.why)) == "pin:first" and "pin:third" in third.why
    assert sum(first.why.values()) == pytest.approx(first.score)
    assert not any(name.startswith("pin:") for name in pinned.hits[1].why)


@pytest.mark.parametrize("text", ["Guitars", "a guitar", "giutar", "GUITAR"])
def test_queries_are_compared_after_correction_and_stemming(shop: Engine, text: str) -> None:
    assert ids(ruled(shop, PINS).search(text))[0] == "p07"


@pytest.mark.parametrize("text", ["", "red guitar", "tent", "🔥"])
def test_other_queries_have_no_pins(shop: Engine, text: str) -> None:
    assert ruled(shop, PINS).search(text, limit=ALL) == shop.search(text, limit=ALL)


def test_a_pinned_listing_must_pass_the_filters(shop: Engine) -> None:
    engine, cheap = ruled(shop, PINS), Filters(price_max=70)  # p07 costs 80, p55 costs 60
    result = engine.search("guitar", filters=cheap, limit=ALL)
    assert "p07" not in ids(result) and ids(result)[2] == "p55"


def test_a_place_behind_the_last_hit_is_the_last_one(shop: Engine) -> None:
    text = "pins: [{name: a, listing: p55, place: 100, queries: [guitar]}]"
    assert ids(ruled(shop, text).search("guitar", limit=ALL))[-1] == "p55"


def test_pins_of_a_category_need_a_search_without_words(shop: Engine) -> None:
    text = "pins: [{name: a, listing: p09, place: 2, categories: [%s]}]"
    for name in ("Guitars", "Music / Instruments / Guitars"):
        engine = ruled(shop, text % name)
        for category in ("guitars", "Instruments / Guitars", "Music / Instruments / Guitars"):
            within = Filters(category=category)
            assert ids(engine.search(filters=within))[1] == "p09"
            assert engine.search("red", filters=within) == shop.search("red", filters=within)
        wider = Filters(category="Music")
        assert engine.search(filters=wider) == shop.search(filters=wider)


def test_rules_apply_from_their_first_to_their_last_day(shop: Engine) -> None:
    text = "pins: [{name: a, listing: p55, place: 1, queries: [guitar], from: 2026-03-01, until: "
    text += "2026-03-02}]"
    for day, applies in ((28, False), (1, True), (2, True), (3, False)):
        engine = ruled(shop, text, date(2026, 2 if day == 28 else 3, day))
        assert (ids(engine.search("guitar"))[0] == "p55") == applies


def test_pages_with_few_candidates_have_each_match_once(
    handmade: Handmade, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_candidates(monkeypatch)
    engine = ruled(handmade.engine(), PINS.replace("place: 3", "place: 2"))
    found = pages(engine, "guitar", 3)
    assert found[:2] == ["p07", "p55"] and len(set(found)) == len(found)
    assert len(found) == engine.search("guitar").total


# --- Boosts ---------------------------------------------------------------------------------------
def score_of(result: SearchResult, product_id: str) -> float:
    return next(hit.score for hit in result.hits if hit.product_id == product_id)


def test_a_boost_multiplies_the_score_and_is_a_reason(shop: Engine) -> None:
    plain = shop.search("guitar", limit=ALL)
    last = ids(plain)[-1]
    text = f"boosts: [{{name: up, listings: {{ids: [{last}]}}, factor: 3}}]"
    result = ruled(shop, text).search("guitar", limit=ALL)
    assert score_of(result, last) == pytest.approx(3 * score_of(plain, last))
    hit = next(hit for hit in result.hits if hit.product_id == last)
    assert hit.why["boost:up"] == pytest.approx(2 * score_of(plain, last))
    assert sum(hit.why.values()) == pytest.approx(hit.score)
    assert ids(result).index(last) < len(ids(plain)) - 1
    assert set(ids(result)) == set(ids(plain)) and result.total == plain.total


def test_several_boosts_multiply(shop: Engine) -> None:
    text = "boosts: [{name: a, listings: {ids: [p05]}, factor: 0.5}, {name: b, listings: "
    text += "{categories: [Guitars]}, factor: 4}]"
    plain, result = shop.search("guitar", limit=ALL), ruled(shop, text).search("guitar", limit=ALL)
    assert score_of(result, "p05") == pytest.approx(2 * score_of(plain, "p05"))
    assert score_of(result, "p06") == pytest.approx(4 * score_of(plain, "p06"))


def test_a_boost_without_a_query_raises_recommendations(shop: Engine) -> None:
    text = "boosts: [{name: sofas, listings: {categories: [Furniture]}, factor: 50}]"
    first = ids(ruled(shop, text).recommend(past(1, 2)))[0]
    assert shop.catalogue.position(first) // EACH == 4
    scoped = text.replace("factor", "queries: [guitar], factor")
    assert ruled(shop, scoped).recommend(past(1, 2)) == shop.recommend(past(1, 2))


def test_a_boost_makes_candidates_of_matches(
    handmade: Handmade, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_candidates(monkeypatch, each=2)
    plain = handmade.engine().search("guitar", limit=ALL)
    last = ids(plain)[-1]
    text = f"boosts: [{{name: up, listings: {{ids: [{last}]}}, factor: 9}}]"
    result = ruled(handmade.engine(), text).search("guitar", limit=ALL)
    assert ids(result)[0] == last and set(ids(result)) == set(ids(plain))


# --- Hidden listings ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("selection", "hidden"),
    [
        ("ids: [p03, p12]", {"p03", "p12"}),
        ("categories: [Music]", {f"p{n:02d}" for n in range(20)}),
        ("categories: [Music], ids: [p03, p33]", {"p03"}),
    ],
)
def test_hidden_listings_are_in_no_answer(shop: Engine, selection: str, hidden: set[str]) -> None:
    engine = ruled(shop, f"hidden: [{{name: h, listings: {{{selection}}}}}]")
    for request_page in REQUESTS.values():
        plain = request_page(shop, limit=ALL)
        try:
            result = request_page(engine, limit=ALL)
        except KeyError as unknown:  # the request is about a hidden listing
            assert unknown.args[0] in hidden
            continue
        assert not set(ids(result)) & hidden
        if set(ids(plain)) & hidden:
            assert result.total < plain.total
    for product_id in hidden:
        with pytest.raises(KeyError):
            engine.listing(product_id)
    assert engine.daily_rules.hidden == hidden


def test_listings_hidden_for_a_query_show_elsewhere(shop: Engine) -> None:
    engine = ruled(shop, "hidden: [{name: h, listings: {ids: [p03]}, queries: [guitar]}]")
    assert "p03" not in ids(engine.search("guitars", limit=ALL))
    for text in ("red guitar", ""):
        assert engine.search(text, limit=ALL) == shop.search(text, limit=ALL)


def test_a_hidden_listing_of_a_category_is_not_pinned(shop: Engine) -> None:
    text = PINS + "hidden: [{name: h, listings: {categories: [Guitars]}}]"
    result = ruled(shop, text).search("guitar", limit=ALL)
    assert "p55" in ids(result) and not {f"p{n:02d}" for n in range(EACH)} & set(ids(result))


# --- Synonyms -------------------------------------------------------------------------------------
TWO_WAY = "synonyms: [{name: s, words: [settee, sofa]}]"


def bm25(engine: Engine, text: str) -> np.ndarray:
    scores = engine.build_query(text).bm25
    assert scores is not None
    return scores


def test_an_unknown_word_finds_as_its_synonym_does(shop: Engine) -> None:
    engine = ruled(shop, TWO_WAY)
    assert bm25(shop, "settee").max() == 0
    assert bm25(engine, "settees") == pytest.approx(bm25(shop, "sofa"))
    assert engine.search("settee").corrected_query is None
    assert engine.search("setee").corrected_query == "settee"


def test_a_synonym_counts_less_than_the_word(shop: Engine) -> None:
    engine = ruled(shop, "synonyms: [{name: s, words: [guitar, bagpipe]}]")
    guitars, bagpipes = slice(0, EACH), slice(EACH, 2 * EACH)
    scores, plain = bm25(engine, "guitar"), bm25(shop, "guitar")
    assert scores[guitars] == pytest.approx(plain[guitars])
    assert scores[bagpipes] == pytest.approx(0.7 * bm25(shop, "bagpipe")[bagpipes])
    assert scores[2 * EACH :].max() == 0 and scores.max() <= 1
    assert bm25(engine, "tent") == pytest.approx(bm25(shop, "tent"))


def test_one_way_synonyms_are_not_found_backwards(shop: Engine) -> None:
    engine = ruled(shop, "synonyms: [{name: s, words: [instrument], finds: [guitar, bagpipe]}]")
    assert (bm25(engine, "instruments")[: 2 * EACH] > 0).all()
    assert bm25(engine, "guitar") == pytest.approx(bm25(shop, "guitar"))


def test_phrases_are_replaced_as_a_whole(shop: Engine) -> None:
    engine = ruled(shop, "synonyms: [{name: s, words: [music bag, red bagpipe]}]")
    found = np.flatnonzero(bm25(engine, "music bag"))
    assert found.tolist() == [EACH], "of all listings, one has both words"
    assert bm25(engine, "music").max() == bm25(engine, "bag").max() == 0


def test_synonyms_of_a_category_apply_within_it(shop: Engine) -> None:
    engine = ruled(shop, TWO_WAY.replace("words", "categories: [Furniture], words"))
    assert engine.search("settee", filters=Filters(category="Furniture")).total == EACH - 1, (
        "one sofa is flagged"
    )
    assert not bm25(engine, "settee").any()


# --- Redirects and warnings -----------------------------------------------------------------------
def test_a_redirect_stands_beside_the_hits(shop: Engine) -> None:
    engine = ruled(shop, "redirects: [{name: r, queries: [cheap guitar], path: /sale}]")
    result = engine.search("Cheap guitars")
    assert result.redirect is not None and result.redirect.path == "/sale"
    assert ids(result) == ids(shop.search("Cheap guitars"))
    assert engine.search("guitar").redirect is None


def test_warnings_name_what_no_listing_has(shop: Engine) -> None:
    text = """
pins: [{name: a, listing: nope, place: 1, queries: [guitar], categories: [Nowhere]}]
boosts: [{name: b, listings: {ids: [p01, absent], sellers: [s9]}, factor: 2}]
hidden: [{name: c, listings: {attributes: {brand: [Sony]}}}]
"""
    engine = ruled(shop, text)
    warnings = " ".join(engine.daily_rules.warnings)
    for part in ("‘a’: there is no listing 'nope'", "'Nowhere'", "'absent'", "'s9'", "brand"):
        assert part in warnings
    assert "p01" not in warnings and not engine.daily_rules.hidden
    assert ids(engine.search("guitar")) == ids(shop.search("guitar"))


# --- Changed listings -----------------------------------------------------------------------------
def test_rules_hold_for_changed_listings_too() -> None:
    shop = Shop()
    rules = Rules.parse(
        "pins: [{name: a, listing: n1, place: 1, queries: [guitar]}]\n"
        "hidden: [{name: h, listings: {sellers: [s9]}}]\n" + TWO_WAY
    )
    shop.put("n1", name="new thing", price=5.0)
    shop.put("n2", name="guitar", seller_id="s9", price=5.0)
    changed = shop.changes()
    for engine in (
        shop.engine.with_rules(rules, DAY).with_changes(changed),
        shop.engine.with_changes(changed).with_rules(rules, DAY),
        shop.engine.with_changes(changed).with_rules(rules, DAY).with_changes(changed),
    ):
        result = engine.search("guitar", limit=ALL)
        assert ids(result)[0] == "n1" and "n2" not in ids(result)
        with pytest.raises(KeyError):
            engine.listing("n2")
        assert engine.search("settee").total >= EACH - 2
        assert engine.search("setee").corrected_query == "settee"
