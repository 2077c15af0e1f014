"""Estimates with users as the unit, and intervals for one look and for all looks."""

from __future__ import annotations

import numpy as np
import pytest

from market.search.sequential import MIN_USERS, Estimate, ratio_of_sums


def test_the_standard_error_of_a_ratio_is_that_of_repeated_draws() -> None:
    rng = np.random.default_rng(1)
    values, errors = [], []
    for _ in range(400):
        rates = rng.beta(2, 5, 300)
        searches = 1 + rng.poisson(4, 300)
        estimate = ratio_of_sums(rng.binomial(searches, rates), searches)
        values.append(estimate.value)
        errors.append(estimate.standard_error)
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.1)


def test_equal_users_in_one_piece_or_in_many_have_one_error() -> None:
    """All searches of a user count once: repeating each user's searches tells nothing new."""
    clicks, searches = np.arange(60) % 3, np.full(60, 4)
    once, often = ratio_of_sums(clicks, searches), ratio_of_sums(10 * clicks, 10 * searches)
    assert often == once


def test_no_interval_before_enough_users_succeeded() -> None:
    searches = np.ones(1000)
    clicks = np.zeros(1000)
    clicks[: MIN_USERS - 1] = 1
    assert ratio_of_sums(clicks, searches).interval() is None
    assert ratio_of_sums(clicks, searches).always_valid_interval(0.1) is None
    clicks[MIN_USERS] = 1
    assert ratio_of_sums(clicks, searches).interval() is not None
    assert not ratio_of_sums(np.empty(0), np.empty(0)).is_usable
    assert not ratio_of_sums(np.ones(100), np.ones(100)).is_usable  # no variance: every user alike


def test_the_always_valid_interval_is_the_wider_one_at_any_scale() -> None:
    estimate = Estimate(0.3, 0.01, 1000, True)
    one_look = estimate.interval()
    widths = {
        scale: interval.high - interval.low
        for scale in (0.001, 0.01, 0.03, 0.1, 1.0)
        if (interval := estimate.always_valid_interval(scale)) is not None
    }
    assert one_look is not None
    assert min(widths.values()) > 1.5 * (one_look.high - one_look.low)
    assert min(widths, key=widths.__getitem__) == 0.03  # an effect that it can just show


def test_peeking_at_every_observation_keeps_the_error_below_alpha() -> None:
    """A Gaussian walk from a standard error of 30 scales to one of a hundredth of a scale."""
    rng = np.random.default_rng(3)
    information = np.geomspace(1e-3, 1e4, 60)
    steps = rng.normal(size=(1000, 60)) * np.sqrt(np.diff(information, prepend=0))
    estimates = steps.cumsum(1) / information
    naive = sequential = 0
    for walk in estimates:
        looks = [
            Estimate(value, 1 / np.sqrt(each), 1000, True)
            for value, each in zip(walk, information, strict=True)
        ]
        naive += any(look.interval().excludes(0) for look in looks)  # type: ignore[union-attr]
        sequential += any(
            look.always_valid_interval(1.0).excludes(0)  # type: ignore[union-attr]
            for look in looks
        )
    assert naive > 300
    assert 5 <= sequential <= 50
