"""Check rules.yaml, and list the rules that apply today: python -m market.check_rules.

With an index in models/index, it also names listings, sellers, categories and values of the rules
that no listing has.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

import click

from market.core.errors import MarketError
from market.core.params import load_params
from market.core.paths import EXPECTED_PRICES, RULES, SEARCH_INDEX
from market.search.engine import Engine
from market.search.rule_kinds import Rule
from market.search.rules import SECTIONS, Rules


@click.command(help=__doc__)
@click.option(
    "--day", type=click.DateTime(["%Y-%m-%d"]), help="The day of the list; by default today (UTC)."
)
def main(day: datetime | None) -> None:
    chosen = (day or datetime.now(UTC)).date()
    try:
        rules = Rules.load(RULES, load_params("input.language"))
        for line in describe(rules, chosen):
            click.echo(line)
        if not (SEARCH_INDEX.exists() and EXPECTED_PRICES.exists()):
            click.echo(f"{SEARCH_INDEX} not found: ids and names of the rules were not looked up")
            return
        warnings = Engine.load(rank=None).with_rules(rules, chosen).daily_rules.warnings
    except MarketError as error:
        raise click.ClickException(str(error)) from None
    for warning in warnings:
        click.echo(f"warning: {warning}")


def describe(rules: Rules, day: date) -> list[str]:
    """Return a line for each rule, and a last one with their number.

    Examples
    --------
    >>> text = "hidden: [{name: recall, listings: {ids: [p7]}, from: 2026-03-01}]"
    >>> describe(Rules.parse(text), date(2026, 2, 1))
    ['hidden: ‘recall’: from 2026-03-01, does not apply', '0 of 1 rules apply on 2026-02-01']
    """
    lines = []
    for section in SECTIONS:
        for rule in getattr(rules, section):
            state = "applies" if rule.applies_on(day) else "does not apply"
            lines.append(f"{section}: ‘{rule.name}’: {_days(rule)}{state}")
    return [*lines, f"{rules.count(day)} of {len(lines)} rules apply on {day}"]


def _days(rule: Rule) -> str:
    days = [
        f"{word} {day}"
        for word, day in (("from", rule.first_day), ("until", rule.last_day))
        if day is not None
    ]
    return " ".join(days) + ", " if days else ""


if __name__ == "__main__":
    main()
