"""The benchmark of languages: what the words of the right language gain on known items."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from click.testing import CliRunner
from repository import REPO

with (
    pytest.MonkeyPatch.context() as patch
):  # as for a script, whose folder is where it imports from
    patch.syspath_prepend(str(REPO / "benchmarks"))
    script = importlib.import_module("stemmers")


def test_queries_have_the_number_that_the_title_does_not_have() -> None:
    drawn = script.draw_listings("french", 200, seed=0).dropna()
    plurals = drawn[drawn["title"].str.startswith("Deux ")]
    assert len(plurals) > 10
    for title, _, query in plurals.itertuples(index=False):
        noun = query.split()[0]
        assert title.split()[1] in (f"{noun}s", f"{noun}x", f"{noun[:-1]}ux"), title


def test_the_right_words_rank_known_items_higher() -> None:
    drawn = script.draw_listings("german", 200, seed=0)
    ours, theirs = (script.known_item_gains(drawn, script.stems_of(code)) for code in ("de", "en"))
    assert len(ours) == len(theirs) > 100 and np.all(ours <= 1)
    assert ours.mean() > theirs.mean() + 0.1


def test_the_table_has_a_paired_interval_for_each_marketplace() -> None:
    result = CliRunner().invoke(script.main, ["--listings", "100"], catch_exceptions=False)
    rows = [line for line in result.output.splitlines() if line.startswith("| ")][1:]
    assert [row.split("|")[1].strip() for row in rows] == ["german", "french", "japanese"]
    assert all(" to " in row for row in rows)
