"""rules.yaml: what is accepted, and the line about what is not."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from repository import REPO

from market.core.errors import MarketError
from market.search.rules import NO_RULES, Rules

PIN = "{name: a, listing: p1, place: 1, queries: [tent]}"


def test_the_file_of_the_project_has_no_rules() -> None:
    assert Rules.load(REPO / "rules.yaml") == NO_RULES


@pytest.mark.parametrize("text", ["", "# nothing", "{}", "pins:\nboosts: []", "pins: ~"])
def test_empty_files_have_no_rules(text: str) -> None:
    assert Rules.parse(text) == NO_RULES


def test_ids_stay_as_they_are_written() -> None:
    text = "pins: [{name: on, listing: 0123, place: 2, queries: [0x1, 1e3], from: 2026-02-01}]"
    pin = Rules.parse(text).pins[0]
    assert (pin.name, pin.listing, pin.place) == ("on", "0123", 2)
    assert pin.queries == ("0x1", "1e3") and pin.first_day == date(2026, 2, 1)


def test_the_examples_in_the_comments_are_valid() -> None:
    lines = (REPO / "rules.yaml").read_text(encoding="utf-8").splitlines()
    examples: list[str] = []
    filled = []
    for line in lines:
        if line.startswith("#   "):
            examples.append(line[1:])
        elif line.endswith(": []"):  # the list, which stands below its examples
            filled += [line.removesuffix(" []"), *examples]
            examples = []
    rules = Rules.parse("\n".join(filled))
    assert all((rules.synonyms, rules.pins, rules.boosts, rules.hidden, rules.redirects))
    assert rules.pins[0].place == 1 and rules.boosts[0].factor == 1.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pin: []", "rules.yaml, line 1: pin is unknown: did you mean pins?"),
        ("- a", "is no mapping"),
        ("a: [", "is not valid YAML"),
        ("pins: []\npins: []", "line 2: 'pins' stands twice"),
        ("pins: 3", "line 1: pins is '3', must be a list"),
        ("pins:\n- 3", "line 2, pins: entry 1: it is '3', must be a mapping"),
        (f"pins: [{PIN.replace('place: 1', 'plase: 1')}]", "‘a’: plase is unknown: did you mean p"),
        (f"pins: [{PIN.replace('place: 1', 'place: 0')}]", "place is '0', must be greater"),
        (f"pins: [{PIN.replace('place: 1', 'place: 1.5')}]", "place is '1.5', must be a whole"),
        (f"pins: [{PIN.replace('place: 1, ', '')}]", "pins: ‘a’ has no place: add it"),
        (f"pins: [{PIN.replace(', queries: [tent]', '')}]", "neither queries nor categories"),
        (f"pins: [{PIN.replace('[tent]', 'tent')}]", "queries is 'tent', must be a list"),
        (f"pins: [{PIN.replace('[tent]', '[the]')}]", "'the' has no word"),
        (f"pins: [{PIN.replace('[tent]', '[]')}]", "queries"),
        (f"pins: [{PIN}, {PIN.replace('1', '2')}]", "another rule has this name"),
        ("boosts: [{name: x, factor: nan, listings: {ids: [a]}}]", "factor is 'nan'"),
        ("boosts: [{name: x, factor: -1, listings: {ids: [a]}}]", "factor is '-1'"),
        ("boosts: [{name: x, factor: 2, listings: {id: [a]}}]", "did you mean ids?"),
        ("boosts: [{name: x, factor: 2, listings: {}}]", "no condition"),
        ("hidden: [{name: x, listings: {ids: [a]}, from: 2026-02-30}]", "from is '2026-02-30'"),
        (
            "hidden: [{name: x, listings: {ids: [a]}, from: 2026-02-02, until: 2026-02-01}]",
            "from 2026-02-02 is after until 2026-02-01",
        ),
        ("synonyms: [{name: s, words: [sofa]}]", "words has one entry"),
        ("synonyms: [{name: s, words: [sofa, the]}]", "'the' has no word"),
        ("redirects: [{name: r, queries: [a1], path: //evil.example}]", "is no path of the shop"),
        ("redirects: [{name: r, queries: [a1], path: 'https://a.example'}]", "is no path"),
        ("redirects: [{name: r, queries: [a1]}]", "no target"),
        ("redirects: [{name: r, queries: [a1], path: /a, category: B}]", "path excludes"),
        ("redirects: [{name: r, queries: [a1], filters: {price: 3}}]", "'price' is no filter: did"),
        ("redirects: [{name: r, queries: [a1], filters: {price_max: x}}]", "must be a number"),
    ],
)
def test_a_fault_names_line_rule_cause_and_remedy(text: str, message: str) -> None:
    with pytest.raises(MarketError) as raised:
        Rules.parse(text)
    line = str(raised.value)
    assert message in line and line.startswith("rules.yaml") and "\n" not in line


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ("{name: b, listing: p2, place: 1, queries: [tents]}", "‘a’ has place 1"),
        ("{name: b, listing: p1, place: 3, queries: [sofa, a tent]}", "‘a’ has listing p1"),
        ("{name: b, listing: p2, place: 2, queries: [tent]}", ""),
        ("{name: b, listing: p2, place: 1, queries: [red tent]}", ""),
        ("{name: b, listing: p2, place: 1, queries: [tent], from: 2026-05-01}", ""),
        ("{name: b, listing: p2, place: 1, queries: [tent], from: 2026-04-30}", "‘a’ has place 1"),
    ],
)
def test_two_pins_of_one_place_are_refused(other: str, message: str) -> None:
    first = PIN.replace("}", ", until: 2026-04-30}")
    text = f"pins:\n- {first}\n- {other}"
    if not message:
        assert len(Rules.parse(text).pins) == 2
        return
    with pytest.raises(MarketError, match=f"rules.yaml, line 3, pins: ‘b’: {message}"):
        Rules.parse(text)


def test_a_pin_of_a_hidden_listing_is_refused() -> None:
    hidden = "hidden: [{name: h, listings: {ids: [p1]}%s}]"
    with pytest.raises(MarketError, match="‘a’: listing 'p1' is hidden by ‘h’"):
        Rules.parse(f"pins: [{PIN}]\n{hidden % ''}")
    Rules.parse(f"pins: [{PIN}]\n{hidden % ', queries: [sofa]'}")
    with pytest.raises(MarketError, match="is hidden by"):
        Rules.parse(f"pins: [{PIN}]\n{hidden % ', queries: [Tents]'}")


def test_two_redirects_of_one_query_are_refused() -> None:
    text = (
        "redirects: [{name: %s, queries: [sales], path: /a}, {name: s, queries: [sale], path: /b}]"
    )
    with pytest.raises(MarketError, match="‘s’: ‘r’ redirects the same query"):
        Rules.parse(text % "r")


def test_queries_are_compared_by_the_stems_of_the_language() -> None:
    text = "pins: [{name: a, listing: p1, place: 1, queries: [%s]}, {name: b, listing: p2, place: 1"
    text += ", queries: [%s]}]"
    with pytest.raises(MarketError, match="has place 1"):
        Rules.parse(text % ("Stuhl", "Stühle"), "de")
    assert len(Rules.parse(text % ("Stuhl", "Stühle"), "en").pins) == 2


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(MarketError, match=r"rules.yaml not found .*: restore it from git"):
        Rules.load(tmp_path / "rules.yaml")


def test_many_pins_are_checked_quickly() -> None:
    pins = "\n".join(
        f"- {{name: n{i}, listing: p{i}, place: 1, queries: [tent {i}]}}" for i in range(300)
    )
    assert len(Rules.parse(f"pins:\n{pins}").pins) == 300
