"""Team drafts of two rankings."""

from __future__ import annotations

import numpy as np
import pytest

from market.search.interleaving import team_draft

A, B = list("abcdef"), list("fedcba")


def test_a_draft_has_the_best_of_both_and_teams_of_equal_size() -> None:
    for seed in range(20):
        ids, teams = team_draft(A, B, 6, seed)
        assert sorted(ids) == A
        assert {ids[0], ids[1]} == {"a", "f"}
        assert teams.count("A") == teams.count("B") == 3
        own = {team: [each for each, own in zip(ids, teams, strict=True) if own == team]
               for team in "AB"}  # fmt: skip
        assert own["A"] == sorted(own["A"]) and own["B"] == sorted(own["B"], reverse=True)
        assert team_draft(A, B, 3, seed)[0] == ids[:3]


def test_each_team_is_first_in_half_of_the_drafts() -> None:
    firsts = [team_draft(A, B, 1, seed)[1][0] for seed in range(1000)]
    assert firsts.count("A") == pytest.approx(500, abs=60)


def test_equal_rankings_win_equally_often_whatever_the_user_clicks() -> None:
    rng = np.random.default_rng(1)
    wins = [team_draft(A, A, 6, seed)[1][int(rng.choice([0, 0, 0, 3]))] for seed in range(2000)]
    assert wins.count("A") == pytest.approx(1000, abs=90)


def test_rankings_of_other_listings_and_lengths_are_used_up() -> None:
    ids, teams = team_draft(["a"], ["x", "y", "z"], 10, 1)
    assert sorted(ids) == ["a", "x", "y", "z"] and teams.count("B") == 3
    assert team_draft([], [], 5, 1) == ([], [])
