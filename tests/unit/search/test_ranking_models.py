"""The artefact of stage rank: models load as they were saved; equal models are equal bytes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from logs import START, make_log

from market.data.holdouts import hold_out_after, leave_last_out
from market.search.collaborative import CollaborativeModel
from market.search.ranker import Ranker
from market.search.ranking_models import (
    EvaluationModels,
    FittedProtocol,
    RankingModels,
    SearchTest,
)

LOG = make_log({"u": "abca", "v": "aab"})


@pytest.mark.parametrize("collaborative", [None, CollaborativeModel.fit(LOG)])
def test_models_are_loaded_as_they_were_saved(
    collaborative: CollaborativeModel | None, tmp_path: Path
) -> None:
    ranker = Ranker.prior().with_weights({"bm25": 9.0})
    RankingModels(ranker, collaborative).save(tmp_path / "rank")
    again = RankingModels.load(tmp_path / "rank")
    assert again.ranker.weights == ranker.weights
    assert (again.collaborative is None) == (collaborative is None)
    if collaborative is not None and again.collaborative is not None:
        features = [model.features(LOG) for model in (collaborative, again.collaborative)]
        pd.testing.assert_frame_equal(*features)


@pytest.mark.parametrize("cutoff", [None, START + pd.Timedelta(minutes=2, microseconds=7)])
def test_evaluation_models_are_loaded_as_they_were_saved(
    cutoff: pd.Timestamp | None, tmp_path: Path
) -> None:
    test = SearchTest("known_items", {"b c": {"2", "1"}, "a ü": {"3"}}, {"bm25": 1.5})
    protocol = FittedProtocol(RankingModels(Ranker.prior()), cutoff, 7, False, 3)
    written = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        EvaluationModels([test], {"log": protocol}).save(folder)
        written.append([path.read_bytes() for path in sorted(folder.rglob("*.*"))])
    assert written[0] == written[1]
    again = EvaluationModels.load(tmp_path / "one")
    assert again.searches == [test] and list(again.searches[0].queries) == ["b c", "a ü"]
    loaded = again.protocols["log"]
    assert (loaded.cutoff, loaded.n_choices, loaded.learned, loaded.recent_days) == (
        cutoff, 7, False, 3,
    )  # fmt: skip
    expected = leave_last_out(LOG) if cutoff is None else hold_out_after(LOG, cutoff)
    assert loaded.holdout(LOG).targets.tolist() == expected.targets.tolist()
