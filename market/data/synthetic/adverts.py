"""Synthetic listings in any language, before a marketplace writes them its own way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from market.data.synthetic.draws import Rng, draw_flags, pick, trap_count
from market.data.synthetic.languages import Vocabulary
from market.data.synthetic.vocabulary import COLOURS

# The share of listings that have each trait.
TRAITS = {
    "vague": 0.04, "contact": 0.15, "free": 0.015, "no price": 0.02, "no description": 0.03,
    "no category": 0.01, "no location": 0.02, "lines": 0.2,
}  # fmt: skip
PLACEHOLDERS = (1_234_567.0, 11_111_111.0, 999_999_999.0)
PHOTO_COUNTS = (0.03, 0.3, 0.35, 0.2, 0.12)  # probabilities of 0, 1, 2 … photos
START, DAYS = np.datetime64("2022-01-01T00:00:00"), 56  # when listings are put up
STATUSES = (0.85, 0.15)  # probabilities of available and sold
# What two adverts of one thing have in common.
COPIED = ("category", "kind", "shape", "colour", "accent", "brand", "condition", "price", "text")


def draw_adverts(rng: Rng, vocabulary: Vocabulary, count: int, *, step: float) -> pd.DataFrame:
    """Draw listings from a vocabulary.

    Parameters
    ----------
    rng
        The source of randomness.
    vocabulary
        The words of the marketplace.
    count
        Number of listings, at least 40.
    step
        What prices are multiples of, in the marketplace's currency.

    Returns
    -------
    pd.DataFrame
        A row for each listing: `number`, `title`, `text`, `category` (a tuple of levels, or None),
        `kind` (its noun), `colour_word`, `colour` and `accent` (keys of COLOURS), `shape` ("" for
        a vague listing), `brand`, `condition`, `price` (NaN if there is none), `region` and `town`
        (or None), `created`, `seller`, `sold` and `photos` (their number).
    """
    flags = {trait: draw_flags(rng, count, share) for trait, share in TRAITS.items()}
    numbers = np.sort(rng.choice(9 * 10**8, size=count, replace=False)) + 10**8
    paths = list(vocabulary.catalogue)
    # Each path once, so that small samples have every category.
    order = [*range(len(paths)), *rng.integers(len(paths), size=max(0, count - len(paths)))]
    rows = [
        _draw_advert(
            rng,
            vocabulary,
            paths[int(order[row])],
            {trait: bool(has[row]) for trait, has in flags.items()},
            step,
        )
        for row in range(count)
    ]
    spare = iter(rng.permutation(count).tolist())
    for _ in range(trap_count(count)):  # put up again under another number
        leader, copy = rows[next(spare)], rows[next(spare)]
        copy |= {field: leader[field] for field in (*COPIED, "title", "colour_word")}
    for price in PLACEHOLDERS[: trap_count(count)]:
        rows[next(spare)]["price"] = price
    adverts = pd.DataFrame([rows[row] for row in rng.permutation(count)])
    adverts.insert(0, "number", numbers)
    return adverts


def _draw_advert(
    rng: Rng, vocabulary: Vocabulary, path: tuple[str, ...], traits: dict[str, bool], step: float
) -> dict[str, Any]:
    kind = pick(rng, vocabulary.catalogue[path])
    colour = pick(rng, list(vocabulary.colours))
    condition, brand = pick(rng, list(vocabulary.conditions)), pick(rng, vocabulary.brands)
    region, town = pick(rng, vocabulary.places)
    words = {
        **vocabulary.inflect(kind, colour),
        "brand": brand,
        "condition": condition,
        "town": town,
        "phone": pick(rng, vocabulary.phones).format(int(rng.integers(100))),
        "email": f"contact{rng.integers(100)}@example.com",
    }
    title = pick(rng, vocabulary.titles).format(**words)
    sentences = _sample(rng, vocabulary.sentences, 3) + _sample(rng, vocabulary.talk, 5)
    if traits["vague"]:
        title, text = pick(rng, vocabulary.vague)
        sentences = [text, *_sample(rng, vocabulary.talk, 3)]
    if traits["contact"]:
        sentences.append(pick(rng, vocabulary.contact))
    log_price = np.log(kind.price) + vocabulary.conditions[condition] + rng.normal(0, 0.4)
    price = max(step, round(float(np.exp(log_price)) / step) * step)
    price = 0.0 if traits["free"] else price
    seconds = int(rng.integers(DAYS * 86_400))
    stop = "\n" if traits["lines"] else vocabulary.stop
    return {
        "title": _capitalised(title),
        "text": None if traits["no description"] else _joined(sentences, words, stop),
        "category": None if traits["no category"] else path,
        "kind": kind.one,
        "shape": "" if traits["vague"] else kind.shape,
        "colour_word": colour,
        "colour": vocabulary.colours[colour],
        "accent": pick(rng, list(COLOURS)),
        "brand": brand,
        "condition": condition,
        "price": None if traits["no price"] else price,
        "region": None if traits["no location"] else region,
        "town": None if traits["no location"] else town,
        "created": START + np.timedelta64(seconds, "s"),
        "seller": pick(rng, vocabulary.sellers),
        "sold": bool(rng.choice(2, p=STATUSES)),
        "photos": int(rng.choice(len(PHOTO_COUNTS), p=PHOTO_COUNTS)),
    }  # fmt: skip


def _joined(sentences: list[str], words: dict[str, str], stop: str) -> str:
    text = stop.join(_capitalised(sentence.format(**words)) for sentence in sentences)
    return (text + stop).strip()


def _sample(rng: Rng, options: list[str], most: int) -> list[str]:
    """Return 1 to `most` of the options, none twice."""
    return [options[i] for i in rng.permutation(len(options))[: rng.integers(1, most + 1)]]


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]
