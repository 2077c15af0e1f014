"""Measure how often comparisons of two rankers raise a false alarm, and find a known effect.

Each simulated experiment has users who come again, each with an own rate of clicks. The service's
own function assigns them to the variants. Every day somebody looks. The test for one look, taken on
the last day alone, must raise a false alarm in 4 to 6 % of the experiments without an effect; the
interval that holds at every look, taken daily, in at most 5 %. The test for one look, taken daily,
shows why the other one is needed.

python benchmarks/ab_tests.py [--experiments 2000] [--users 2000] [--days 14] [--seed 1]
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import click
import numpy as np
from command import BenchmarkCommand
from tabulate import tabulate

from market.core.errors import MarketError
from market.core.stage import progress
from market.search.experiments import PREFERENCE_SCALE, B, Comparison, assign_variant
from market.search.sequential import Estimate, Interval, ratio_of_sums

CLICK_RATE = 0.3  # of searches
CONCENTRATION = 2.0  # of the beta distribution of users' rates: they differ widely
RETURNS_PER_DAY = 0.3  # mean number of later searches of a user
SHARES = (0.5, 0.1)  # of the users that get B
LIFTS = (0.0, 0.05, 0.1, 0.2)  # true effects, relative to the rate of A
PREFERENCES = (0.5, 0.52, 0.55)  # true shares of interleaved searches that B wins


class Outcome(NamedTuple):
    """What an experiment showed.

    `final` is the one look on the last day, `peeked` the same test on any day, `sequential` the
    interval for all looks on any day, and `day` when that one first excluded equality.
    """

    final: bool
    peeked: bool
    sequential: bool
    day: float


class Population:
    """Users with their first day, their visits each day, and their rate of success."""

    def __init__(self, users: int, days: int, rate: float, rng: np.random.Generator) -> None:
        self.days, self._rng = days, rng
        self._first_day = rng.integers(0, days, users)
        self._visits = rng.gamma(1.0, RETURNS_PER_DAY, users)
        scale = CONCENTRATION * (1 - rate) / rate
        self.rates = rng.beta(CONCENTRATION, scale, users)

    def __len__(self) -> int:
        return len(self._first_day)

    def daily_totals(self, rates: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield, after each day, the successes and searches of each user so far."""
        successes, searches = np.zeros(len(self)), np.zeros(len(self))
        for day in range(self.days):
            later = self._rng.poisson(self._visits) * (self._first_day <= day)
            today = later + (self._first_day == day)
            searches += today
            successes += self._rng.binomial(today, np.clip(rates, 0, 1))
            yield successes, searches


def judge(looks: Iterator[tuple[Estimate, Interval | None]], equal: float) -> Outcome:
    """Return the outcome of the daily estimates and intervals of an experiment."""
    peeked, first, final = False, np.nan, False
    for day, (estimate, interval) in enumerate(looks, start=1):
        one_look = estimate.interval()
        final = one_look is not None and one_look.excludes(equal)
        peeked |= final
        if interval is not None and interval.excludes(equal) and np.isnan(first):
            first = day
    return Outcome(final, peeked, not np.isnan(first), first)


def run_split(number: int, users: int, days: int, share: float, lift: float, seed: int) -> Outcome:
    """Simulate a split with a relative effect `lift` of B."""
    rng = np.random.default_rng([seed, number])
    population = Population(users, days, CLICK_RATE, rng)
    has_b = np.array(
        [assign_variant(f"user {user}", f"{seed}/{number}", share) == B for user in range(users)]
    )

    def looks() -> Iterator[tuple[Estimate, Interval | None]]:
        for successes, searches in population.daily_totals(population.rates * (1 + lift * has_b)):
            a, b = (
                ratio_of_sums(successes[own], searches[own])
                for own in ((searches > 0) & ~has_b, (searches > 0) & has_b)
            )
            comparison = Comparison.of("click_through_rate", a, b)
            yield comparison.difference, comparison.interval

    return judge(looks(), 0.0)


def run_interleaving(number: int, users: int, days: int, preference: float, seed: int) -> Outcome:
    """Simulate interleaved searches. B wins a share `preference` of them, after users' tastes."""
    rng = np.random.default_rng([seed, number])
    population = Population(users, days, preference, rng)

    def looks() -> Iterator[tuple[Estimate, Interval | None]]:
        for wins, searches in population.daily_totals(population.rates):
            share = ratio_of_sums(wins[searches > 0], searches[searches > 0])
            yield share, share.always_valid_interval(PREFERENCE_SCALE)

    return judge(looks(), 0.5)


def describe(name: str, effect: str, outcomes: list[Outcome]) -> list[str]:
    """Return a row of the table."""
    final, peeked, sequential = (
        np.mean(column) for column in list(zip(*outcomes, strict=True))[:3]
    )
    days = [outcome.day for outcome in outcomes if outcome.sequential]
    day = f"{np.median(days):.0f}" if days else ""
    return [name, effect, f"{final:.1%}", f"{peeked:.1%}", f"{sequential:.1%}", day]


@click.command(cls=BenchmarkCommand)
@click.option("--experiments", default=2000, show_default=True, help="Simulated A/A experiments.")
@click.option("--effects", default=200, show_default=True, help="Experiments with an effect.")
@click.option("--users", default=2000, show_default=True, help="Users of each experiment.")
@click.option("--days", default=14, show_default=True, help="Days, with a look after each.")
@click.option("--seed", default=1, show_default=True)
def main(experiments: int, effects: int, users: int, days: int, seed: int) -> None:
    """Print the share of experiments in which each test excludes equality."""
    if min(experiments, effects, users, days) < 1:
        raise MarketError("--experiments, --effects, --users and --days must be at least 1")
    rows = []
    for share in SHARES:
        for lift in LIFTS:
            numbers = range(effects if lift else experiments)
            outcomes = [
                run_split(number, users, days, share, lift, seed)
                for number in progress(numbers, desc=f"split {share:.0%}", unit="experiment")
            ]
            rows.append(describe(f"split, {share:.0%} get B", f"{lift:+.0%}", outcomes))
    for preference in PREFERENCES:
        numbers = range(effects if preference != 0.5 else experiments)
        outcomes = [
            run_interleaving(number, users, days, preference, seed)
            for number in progress(numbers, desc="interleaving", unit="experiment")
        ]
        rows.append(describe("interleaving", f"{preference:.0%} for B", outcomes))
    headers = ["experiment", "effect", "one look", "one look, daily", "all looks", "median day"]
    print(tabulate(rows, headers=headers, stralign="right"))


if __name__ == "__main__":
    main()
