"""The artefact models/rank: the models that are served, and the models that are evaluated.

The served models have learned from the whole log. The evaluated models have not learned from the
events and queries that they are scored on. Both are kept, so that a metric can change without
fitting a model again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from market.data.holdouts import Holdout, hold_out_after, leave_last_out
from market.search.click_logit import Evidence
from market.search.collaborative import CollaborativeModel
from market.search.evaluation_queries import Queries
from market.search.ranker import Ranker
from market.search.relevance import KEEP_ALL, Cutoff, Relevance

SPLIT_BY_TIME, LEAVE_LAST_OUT = "log", "leave_last_out"  # protocols, as in metrics/evaluate.json

_COLLABORATIVE = "collaborative"
_EVALUATION = "evaluation"
_SUMMARY = "evaluation.json"
_LATER, _PRIOR, _RANKER = "later_searches", "prior", "ranker"


@dataclass(frozen=True)
class RankingModels:
    """The models that order search results and recommendations.

    Attributes
    ----------
    ranker
        Ranker.prior() if there was nothing to learn from.
    collaborative
        None without a log of interactions.
    relevance
        Where the results of a search end.
    """

    ranker: Ranker
    collaborative: CollaborativeModel | None = None
    relevance: Relevance = KEEP_ALL

    def save(self, folder: Path) -> None:
        """Write the models into `folder`; equal models are equal bytes."""
        folder.mkdir(parents=True, exist_ok=True)
        self.ranker.save(folder)
        self.relevance.save(folder)
        if self.collaborative is not None:
            (folder / _COLLABORATIVE).mkdir()
            self.collaborative.save(folder / _COLLABORATIVE)

    @classmethod
    def load(cls, folder: Path) -> RankingModels:
        """Read the files that `save` wrote."""
        path = folder / _COLLABORATIVE
        collaborative = CollaborativeModel.load(path) if path.exists() else None
        return cls(Ranker.load(folder), collaborative, Relevance.load(folder))


@dataclass(frozen=True)
class SearchTest:
    """Queries to evaluate on, and weights that were chosen without them.

    Attributes
    ----------
    kind
        "category_names" or "known_items".
    queries
        Each with its relevant ids.
    weights
        The ranker's weights of the query features.
    words
        The cut-off of searches in words, chosen without these queries; None keeps all matches.
    learned
        A ranker with these weights as its prior, learned from searches without these queries; None
        if nothing was learned from searches.
    """

    kind: str
    queries: Queries
    weights: dict[str, float]
    words: Cutoff | None = None
    learned: Ranker | None = None

    def ranker(self, served: Ranker) -> Ranker:
        """Return the ranker that has not learned from these queries, given the one served."""
        return self.learned or served.with_weights(self.weights)


@dataclass(frozen=True, eq=False)
class SearchesProtocol:
    """What was learned from the searches before a cut-off, to evaluate on later searches.

    Attributes
    ----------
    cutoff
        The time.
    prior
        The ranker before it learned from searches.
    ranker
        The ranker that learned from them, or the prior if they did not help.
    examination
        (places,) the probability that users look at a place, relative to the first one.
    """

    cutoff: pd.Timestamp
    prior: Ranker
    ranker: Ranker
    examination: np.ndarray

    def save(self, folder: Path) -> None:
        """Write the protocol into a new folder; equal protocols are equal bytes."""
        for name, ranker in ((_PRIOR, self.prior), (_RANKER, self.ranker)):
            (folder / name).mkdir(parents=True)
            ranker.save(folder / name)
        content = {"cutoff": self.cutoff.isoformat(), "examination": self.examination.tolist()}
        text = json.dumps(content, indent=1)
        (folder / _SUMMARY).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> SearchesProtocol:
        """Read the files that `save` wrote."""
        content = json.loads((folder / _SUMMARY).read_text(encoding="utf-8"))
        return cls(
            pd.Timestamp(content["cutoff"]),
            Ranker.load(folder / _PRIOR),
            Ranker.load(folder / _RANKER),
            np.array(content["examination"]),
        )


@dataclass(frozen=True)
class FittedProtocol:
    """Models of one evaluation protocol, fitted without the events that it holds out.

    Attributes
    ----------
    models
        The ranker and the collaborative model.
    cutoff
        The time from which events are held out; None for leave-last-out.
    n_choices
        The number of users' choices that the ranker could learn from.
    learned
        False if there were too few choices: then the ranker has its prior weights.
    recent_days
        The length of the window of the baseline recent_popular.
    evidence
        What the ranker learned from; None if it did not, and not saved.
    """

    models: RankingModels
    cutoff: pd.Timestamp | None
    n_choices: int
    learned: bool
    recent_days: float
    evidence: Evidence | None = None

    def holdout(self, log: pd.DataFrame) -> Holdout:
        """Return the split that this protocol makes of the log that it was fitted on."""
        return leave_last_out(log) if self.cutoff is None else hold_out_after(log, self.cutoff)


@dataclass(frozen=True)
class EvaluationModels:
    """The models and queries of stage evaluate, beside the models that are served.

    Attributes
    ----------
    searches
        In the order of evaluation.
    protocols
        By name: SPLIT_BY_TIME, LEAVE_LAST_OUT. One is missing if the log does not allow it.
    later_searches
        What was learned from the earlier searches of a log; None without a log of searches.
    """

    searches: list[SearchTest]
    protocols: dict[str, FittedProtocol]
    later_searches: SearchesProtocol | None = None

    def save(self, folder: Path) -> None:
        """Write the models into a folder of RankingModels; equal models are equal bytes."""
        folder = folder / _EVALUATION
        folder.mkdir()
        for name, protocol in self.protocols.items():
            protocol.models.save(folder / name)
        if self.later_searches is not None:
            self.later_searches.save(folder / _LATER)
        for number, test in enumerate(self.searches):
            if test.learned is not None:
                (folder / _test_folder(number)).mkdir()
                test.learned.save(folder / _test_folder(number))
        content = {
            "searches": [
                {
                    "kind": test.kind,
                    "queries": {text: sorted(ids) for text, ids in test.queries.items()},
                    "weights": test.weights,
                    "words": test.words and asdict(test.words),
                }
                for test in self.searches
            ],
            "protocols": {
                name: {
                    "cutoff": None if protocol.cutoff is None else protocol.cutoff.isoformat(),
                    "n_choices": protocol.n_choices,
                    "learned": protocol.learned,
                    "recent_days": protocol.recent_days,
                }
                for name, protocol in self.protocols.items()
            },
        }
        # Keys are not sorted: random baselines are drawn in the order of the queries.
        text = json.dumps(content, indent=1, ensure_ascii=False)
        (folder / _SUMMARY).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> EvaluationModels:
        """Read the files that `save` wrote."""
        folder = folder / _EVALUATION
        content: dict[str, Any] = json.loads((folder / _SUMMARY).read_text(encoding="utf-8"))
        searches = [
            SearchTest(
                test["kind"],
                {text: set(ids) for text, ids in test["queries"].items()},
                test["weights"],
                test["words"] and Cutoff(**test["words"]),
                _load_if_exists(folder / _test_folder(number)),
            )
            for number, test in enumerate(content["searches"])
        ]
        protocols = {}
        for name, settings in content["protocols"].items():
            cutoff = settings.pop("cutoff")
            protocols[name] = FittedProtocol(
                models=RankingModels.load(folder / name),
                cutoff=None if cutoff is None else pd.Timestamp(cutoff),
                **settings,
            )
        later = folder / _LATER
        return cls(searches, protocols, SearchesProtocol.load(later) if later.exists() else None)


def _test_folder(number: int) -> str:
    return f"test_{number}"


def _load_if_exists(folder: Path) -> Ranker | None:
    return Ranker.load(folder) if folder.exists() else None
