"""BM25 equals that of bm25s to the last bit, also after texts were added and withdrawn."""

from __future__ import annotations

from pathlib import Path

import bm25s
import numpy as np
import pytest

from market.search.bm25 import BM25, K1, B, Postings

STEMS = [f"s{number:02d}" for number in range(30)]


def random_texts(count: int, seed: int) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    chances = 1 / np.arange(1, len(STEMS) + 1)
    return [
        rng.choice(len(STEMS), size=rng.integers(0, 25), p=chances / chances.sum()).tolist()
        for _ in range(count)
    ]


def postings(texts: list[list[int]]) -> Postings:
    counted = [np.unique(np.array(text, np.int32), return_counts=True) for text in texts]
    return Postings.build([stems for stems, _ in counted], [count for _, count in counted], STEMS)


def expected_scores(texts: list[list[int]]) -> np.ndarray:
    """Return the scores (len(STEMS), n) of bm25s."""
    index = bm25s.BM25(k1=K1, b=B)
    used = sorted({stem for text in texts for stem in text})
    number = {stem: row for row, stem in enumerate(used)}
    ids = [[number[stem] for stem in text] for text in texts]
    index.index((ids, {STEMS[stem]: row for stem, row in number.items()}), show_progress=False)
    scores = np.zeros((len(STEMS), len(texts)), np.float32)
    for stem in used:
        scores[stem] = index.get_scores([STEMS[stem]])
    return scores


def own_scores(bm25: BM25) -> np.ndarray:
    scores = np.zeros((len(STEMS), len(bm25)), np.float32)
    for row, stem in enumerate(STEMS):
        positions, values = bm25.scores_of(stem)
        scores[row, positions] = values
        assert bm25.contains(stem) == (len(positions) > 0)
    return scores


def test_scores_equal_those_of_bm25s(tmp_path: Path) -> None:
    texts = random_texts(80, seed=1)
    built = postings(texts)
    built.save(tmp_path)
    for each in (built, Postings.load(tmp_path)):
        np.testing.assert_array_equal(own_scores(BM25(each)), expected_scores(texts))


@pytest.mark.parametrize("withdrawn", [[], [0, 7, 79], [*range(80)]])
def test_changed_texts_score_as_if_indexed_together(withdrawn: list[int]) -> None:
    base, added = random_texts(80, seed=1), random_texts(9, seed=2)
    mask = np.isin(np.arange(80), withdrawn)
    scores = own_scores(BM25(postings(base), postings(added), mask if withdrawn else None))
    assert not scores[:, :80][:, mask].any()
    rows = np.r_[np.flatnonzero(~mask), 80 + np.arange(9)]
    together = [(base + added)[row] for row in rows]
    np.testing.assert_array_equal(scores[:, rows], expected_scores(together))
