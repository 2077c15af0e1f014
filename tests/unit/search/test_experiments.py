"""Assignment of users to variants, and the comparison of what the variants achieved."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from market.search.experiments import (
    ExperimentResults,
    assign_variant,
    summarize,
)

USERS = [f"user {number}" for number in range(4000)]


def split_log(rates: dict[str, float], *, users: int = 600) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return searches, three of each user, and clicks with a rate for each variant."""
    rng = np.random.default_rng(5)
    user_ids = [f"u{number}" for number in range(users) for _ in range(3)]
    variants = [assign_variant(user, "test", 0.5) for user in user_ids]
    searches = pd.DataFrame(
        {
            "search_id": [f"s{number}" for number in range(3 * users)],
            "user_id": user_ids,
            "variant": variants,
            "product_ids": [["a", "b"]] * (3 * users),
        }
    )
    clicked = searches[rng.random(len(searches)) < searches["variant"].map(rates)]
    clicks = pd.DataFrame({"search_id": clicked["search_id"], "product_id": "a", "event": "view"})
    return searches, clicks


def interleaved_log(chance_of_b: float, *, users: int = 300) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return interleaved searches, of which B wins a share."""
    rng = np.random.default_rng(6)
    searches = pd.DataFrame(
        {
            "search_id": [f"s{number}" for number in range(users)],
            "user_id": [f"u{number}" for number in range(users)],
            "variant": "A+B",
            "product_ids": [["of a", "of b", "also of a"]] * users,
            "teams": [["A", "B", "A"]] * users,
        }
    )
    clicked = np.where(rng.random(users) < chance_of_b, "of b", "of a")
    clicks = pd.DataFrame(
        {"search_id": searches["search_id"], "product_id": clicked, "event": "view"}
    )
    return searches, clicks


def test_a_user_keeps_the_variant_and_growth_of_the_share_moves_nobody_back() -> None:
    shares = (0.0, 0.1, 0.5, 1.0)
    of_share = {
        share: [assign_variant(user, "x", share) == "B" for user in USERS] for share in shares
    }
    assert of_share[0.1] == [assign_variant(user, "x", 0.1) == "B" for user in USERS]
    for smaller, larger in pairwise(shares):
        pairs = zip(of_share[smaller], of_share[larger], strict=True)
        assert all(after for before, after in pairs if before)
    assert np.mean(of_share[0.1]) == pytest.approx(0.1, abs=0.02)
    assert not any(of_share[0.0]) and all(of_share[1.0])


def test_assignments_of_two_experiments_are_independent() -> None:
    first, second = (
        np.array([assign_variant(user, name, 0.5) == "B" for user in USERS]) for name in ("x", "y")
    )
    assert np.mean(first == second) == pytest.approx(0.5, abs=0.03)


def test_a_clear_effect_has_a_winner_and_no_effect_has_none() -> None:
    better = ExperimentResults.of(*split_log({"A": 0.2, "B": 0.4}), share=0.5).comparisons[0]
    assert better.metric == "click_through_rate" and better.verdict == "B"
    assert better.interval is not None
    assert better.interval.low < better.difference.value < better.interval.high
    worse = ExperimentResults.of(*split_log({"A": 0.4, "B": 0.2}), share=0.5).comparisons[0]
    assert worse.verdict == "A"
    equal = ExperimentResults.of(*split_log({"A": 0.3, "B": 0.3}), share=0.5)
    assert [each.verdict for each in equal.comparisons] == ["open", "open"]
    assert equal.comparisons[1].interval is None  # nobody bought


def test_searches_without_a_user_are_left_out() -> None:
    searches, clicks = split_log({"A": 0.3, "B": 0.3})
    anonymous = searches.assign(search_id="none" + searches["search_id"], user_id=None, variant="A")
    results = ExperimentResults.of(
        pd.concat([searches, anonymous], ignore_index=True), clicks, share=0.5
    )
    assert results == ExperimentResults.of(searches, clicks, share=0.5)
    assert sum(results.searches.values()) == len(searches)


def test_wrong_shares_are_noticed() -> None:
    log = split_log({"A": 0.3, "B": 0.3})
    right = ExperimentResults.of(*log, share=0.5).share_p_value
    wrong = ExperimentResults.of(*log, share=0.4).share_p_value
    assert right is not None and right > 0.01
    assert wrong is not None and wrong < 0.001


def test_interleaved_clicks_count_for_the_team_of_the_listing() -> None:
    preference = ExperimentResults.of(*interleaved_log(0.7), share=0.5).preference
    assert preference is not None
    assert preference.wins_a + preference.wins_b == preference.searches == 300
    assert preference.share.value == pytest.approx(0.7, abs=0.06)
    assert preference.verdict == "B"
    undecided = ExperimentResults.of(*interleaved_log(0.5), share=0.5).preference
    assert undecided is not None and undecided.verdict == "open"


def test_a_search_in_which_both_teams_win_one_click_has_no_winner() -> None:
    searches, clicks = interleaved_log(1.0)
    both = pd.concat([clicks, clicks.assign(product_id="of a"), clicks], ignore_index=True)
    preference = ExperimentResults.of(searches, both, share=0.5).preference
    assert preference is not None
    assert (preference.wins_a, preference.wins_b, preference.interval) == (0, 0, None)


def test_results_of_nothing_are_empty() -> None:
    searches, clicks = split_log({"A": 0.3, "B": 0.3})
    described = summarize(ExperimentResults.of(searches[:0], clicks[:0], share=0.5))
    assert described["comparisons"] == [] and described["interleaving"] is None
    assert described["share_p_value"] is None and described["users"]["A"] == 0
