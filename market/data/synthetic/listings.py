"""Synthetic listings: the rows of Products.csv."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from market.data.synthetic.draws import Rng, draw_flags, draw_id, pick, trap_count
from market.data.synthetic.vocabulary import (
    CATALOGUE,
    CLASSES,
    COLOURS,
    CONDITIONS,
    CONTACT_AREAS,
    EMOJI,
    PHONES,
    PLACEHOLDERS,
    POSTED_DATES,
    SELLERS,
    TALK,
    TOWNS,
    VAGUE_NAMES,
    VAGUE_TEXTS,
)

# The share of listings that have each trait.
TRAITS = {
    "vague": 0.09, "phone": 0.12, "email": 0.03, "postcode": 0.05, "emoji": 0.08,
    "posted": 0.08, "carriage returns": 0.34, "no county": 0.04, "free": 0.015,
}  # fmt: skip
DESCRIPTION_LENGTH = 600  # characters
# What two listings of one item have in common.
ITEM_FIELDS = ("category", "source", "noun", "shape", "colour", "accent", "pounds")


def draw_name(rng: Rng, noun: str, colour: str, location: str) -> str:
    """Return a name with the site's ending: "Blue wall clock | in Bath, Somerset | Gumtree"."""
    title = pick(rng, [f"{colour} {noun}", f"{noun} {colour}", noun, f"{noun} - {colour}"])
    return f"{title[:1].upper()}{title[1:]} | in {location} | Gumtree"


def draw_sentences(rng: Rng, path: str, noun: str, colour: str, condition: str) -> list[str]:
    """Return the sentences of an advert, about the item, its class and the sale."""
    class_talk = CLASSES[path.split(" / ")[0]][1]
    opener = pick(rng, ["Selling my {1} {0}", "{1} {0} for sale", "Lovely {0} in {1}", "{0}"])
    sentences = [opener.format(noun, colour), condition]
    sentences += [class_talk[i] for i in rng.permutation(len(class_talk))[: rng.integers(0, 3)]]
    sentences += [TALK[i] for i in rng.permutation(len(TALK))[: rng.integers(1, 8)]]
    return [sentence[:1].upper() + sentence[1:] for sentence in sentences]


def draw_contact(rng: Rng) -> tuple[str, str, str]:
    """Return an invented telephone number, e-mail address and postcode."""
    area, unit = pick(rng, CONTACT_AREAS), rng.choice(list("ABDEFGHJLN"), 2)
    return (
        pick(rng, PHONES).format(rng.integers(1000)),
        f"{pick(rng, SELLERS).lower()}{rng.integers(100)}@example.com",
        f"{area} {rng.integers(1, 10)}{unit[0]}{unit[1]}",
    )


def draw_description(
    rng: Rng, sentences: list[str], title: str, path: str, location: str, traits: dict[str, bool]
) -> str:
    """Return the description of a listing: its sentences, joined as sellers and scrapers do."""
    phone, email, postcode = draw_contact(rng)
    sentences = list(sentences)
    sentences += [f"Call or text {phone}"] if traits["phone"] else []
    sentences += [f"Email {email}"] if traits["email"] else []
    sentences += [f"Postcode {postcode}"] if traits["postcode"] else []
    sentences += [pick(rng, EMOJI)] if traits["emoji"] else []
    # Two in three adverts are one paragraph; the others keep the page's bare carriage returns.
    stops = ["\r ", ".\r", ".\r\r"] if traits["carriage returns"] else [". ", " - ", "! "]
    description = pick(rng, stops).join(sentences)
    if traits["posted"]:
        category = ", ".join(path.split(" / ")[1:])
        posted = f"Posted by {pick(rng, SELLERS)} in {category} in {location.split(', ')[0]}."
        rest = pick(rng, ["", description, description])  # as scraped: no space before it
        description = f"{title.capitalize()}. {posted} {pick(rng, POSTED_DATES)}".strip() + rest
    return description[:DESCRIPTION_LENGTH]


def draw_listing(rng: Rng, class_name: str, traits: dict[str, bool]) -> dict[str, Any]:
    """Return one listing of a class, with the columns of `draw_products` but price."""
    path = pick(rng, [path for path in CATALOGUE if path.startswith(class_name)])
    source = path if CATALOGUE[path] else pick(rng, [p for p, items in CATALOGUE.items() if items])
    noun, shape, median = pick(rng, CATALOGUE[source])
    colour, accent = (list(COLOURS)[i] for i in rng.permutation(len(COLOURS))[:2])
    condition = pick(rng, list(CONDITIONS))
    town = pick(rng, TOWNS)
    location = town.split(", ")[int("London" in town)] if traits["no county"] else town
    sentences = draw_sentences(rng, source, noun, colour, condition)
    title = noun
    if traits["vague"]:
        title = pick(rng, VAGUE_NAMES)
        sentences = [pick(rng, VAGUE_TEXTS), pick(rng, TALK)]
    description = draw_description(rng, sentences, title, path, location, traits)
    log_price = np.log(median) + CONDITIONS[condition] + rng.normal(0, 0.45)
    pounds = max(1.0, round(float(np.exp(log_price)))) - pick(rng, [0, 0, 0, 0.01, 0.5])
    return {
        "id": draw_id(rng),
        "product_name": draw_name(rng, title, colour, location),
        "category": path,
        "product_description": description,
        "location": location,
        "source": source,
        "noun": title,
        "shape": shape,
        "colour": colour,
        "accent": accent,
        "pounds": 0.0 if traits["free"] else pounds,
    }


def add_duplicates(rng: Rng, rows: list[dict[str, Any]], spare: Iterator[int]) -> None:
    """Turn some rows into repeated adverts, and some into items that are described afresh.

    Parameters
    ----------
    rng
        The source of randomness.
    rows
        Listings, changed in place.
    spare
        Positions of rows that may change, in random order; those taken are used up.
    """
    for _ in range(trap_count(len(rows))):  # a trader's advert, each time under another name
        leader = rows[next(spare)]
        for _ in range(rng.integers(1, 4)):
            copy = rows[next(spare)]
            copy |= {field: leader[field] for field in (*ITEM_FIELDS, "product_description")}
            copy["product_name"] = draw_name(rng, copy["noun"], copy["colour"], copy["location"])
    for _ in range(trap_count(len(rows))):  # one name and item, described afresh
        leader, copy = rows[next(spare)], rows[next(spare)]
        copy |= {field: leader[field] for field in (*ITEM_FIELDS, "product_name", "location")}
        condition = pick(rng, list(CONDITIONS))
        sentences = draw_sentences(rng, copy["source"], copy["noun"], copy["colour"], condition)
        copy["product_description"] = ". ".join(sentences)


def draw_products(rng: Rng, count: int) -> pd.DataFrame:
    """Draw the listings of a marketplace.

    Parameters
    ----------
    rng
        The source of randomness.
    count
        Number of listings, at least 40.

    Returns
    -------
    pd.DataFrame
        The columns of Products.csv, then those that photos and interactions are drawn from:
        `source` (the category path that the item is of, where a seller put it into another),
        `noun`, `shape`, `colour`, `accent` and `pounds`. The index has gaps, as the raw file's has.
    """
    weights = np.array([weight for weight, _ in CLASSES.values()])
    more = rng.choice(list(CLASSES), size=count - len(CLASSES), p=weights / weights.sum())
    flags = {trait: draw_flags(rng, count, share) for trait, share in TRAITS.items()}
    rows = [
        draw_listing(rng, name, {trait: bool(has[row]) for trait, has in flags.items()})
        for row, name in enumerate([*CLASSES, *more])
    ]
    # The first listing of each class stays what it is, so that every class has one.
    spare = iter(rng.permutation(np.arange(len(CLASSES), count)).tolist())
    add_duplicates(rng, rows, spare)
    for price in PLACEHOLDERS[: trap_count(count)]:
        rows[next(spare)]["pounds"] = float(price)
    products = pd.DataFrame([rows[i] for i in rng.permutation(count)])
    products.insert(4, "price", [f"£{pounds:,.2f}" for pounds in products["pounds"]])
    products.index = pd.Index(np.cumsum(rng.integers(1, 3, size=count)) - 1)
    return products
