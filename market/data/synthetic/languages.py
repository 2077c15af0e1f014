"""What a synthetic marketplace needs to know of a language: its things, and how sellers write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of thing.

    Attributes
    ----------
    one, many
        The noun in singular and plural.
    shape
        A key of `shapes.SHAPES`, for its photos.
    price
        Median price, in the currency of its marketplace.
    gender
        Of the noun, if its language has genders: m, f or n.
    """

    one: str
    many: str
    shape: str
    price: float
    gender: str = ""


@dataclass(frozen=True)
class Vocabulary:
    """The words of a marketplace.

    Attributes
    ----------
    catalogue
        By category path, its kinds.
    colours
        By word, the key of `vocabulary.COLOURS` to paint it with.
    conditions
        By phrase: what it adds to the log price, so that a text model has something to learn.
    brands, talk, sellers
        Invented brands, sentences that fit any advert, names of users.
    titles, sentences
        Templates with the keys of `inflect`, {brand} and {condition}.
    contact
        Templates with {phone}, {email} and {town}.
    vague
        Titles that name nothing, each with its description.
    phones
        Templates of numbers that nobody has.
    places
        (postcode or region, town) each.
    inflect
        Returns the forms of a kind and a colour by the keys of the templates.
    stop
        What stands between two sentences.
    """

    catalogue: dict[tuple[str, ...], list[Kind]]
    colours: dict[str, str]
    conditions: dict[str, float]
    brands: list[str]
    titles: list[str]
    sentences: list[str]
    talk: list[str]
    contact: list[str]
    vague: list[tuple[str, str]]
    phones: list[str]
    sellers: list[str]
    places: list[tuple[str, str]]
    inflect: Callable[[Kind, str], dict[str, str]]
    stop: str = ". "
