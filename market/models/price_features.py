"""The features of the price models: amounts and words in the text, vectors, categories."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer

from market.data.clean_listings import listing_text
from market.data.money import Money
from market.data.words import word_vectorizer

TEXT_COLUMNS = ("name", "description", "location")

# Each of these words changes a price by more than its meaning suggests.
WORDS = {
    "free": r"\bfree\b",
    "to_give_away": r"\bfree to collect|\bfree for\b|\bgiv\w+ away|\bfreebie",
    "delivery": r"\bdeliver",
    "each": r"\b(?:each|per)\b",
    "various": r"\b(?:from|various|selection|range)\b",
    "new": r"\bnew\b",
    "old": r"\b(?:vintage|antique|victorian)\b",
}


def number_features(products: pd.DataFrame, money: Money) -> pd.DataFrame:
    """Extract amounts of money, lengths and price-related words from the text.

    Parameters
    ----------
    products
        With the columns name and description, n rows.
    money
        The currency of the amounts.

    Returns
    -------
    pd.DataFrame
        Floats, by the index of `products`. `amounts` is the number of amounts in the text;
        `first_amount`, `last_amount`, `min_amount` and `max_amount` are log(1 + amount), NaN
        without an amount; `name_length` and `description_length` are log(1 + characters);
        `says_<word>` is 1 where a word of WORDS is in the text.
    """
    text = listing_text(products)
    logs = np.log1p(money.in_texts(text))
    by_text = logs[logs > 0].groupby(level=0)  # "£0 to pay" is not a price
    numbers = pd.DataFrame(
        {
            "amounts": by_text.size(),
            "first_amount": by_text.first(),
            "last_amount": by_text.last(),
            "min_amount": by_text.min(),
            "max_amount": by_text.max(),
        }
    ).reindex(products.index)
    numbers["amounts"] = numbers["amounts"].fillna(0)
    numbers["name_length"] = np.log1p(products["name"].str.len())
    numbers["description_length"] = np.log1p(products["description"].str.len())
    for name, pattern in WORDS.items():
        numbers[f"says_{name}"] = text.str.contains(pattern, case=False)
    return numbers.astype(float)


def price_table(
    products: pd.DataFrame,
    text: np.ndarray,
    photo: np.ndarray,
    category: np.ndarray,
    money: Money,
) -> pd.DataFrame:
    """Return the input of the price models, a row for each product.

    Parameters
    ----------
    products
        With TEXT_COLUMNS, n rows.
    text
        (n, width) sentence embeddings.
    photo
        (n, width) photo features, averaged by product; NaN without a photo.
    category
        (n, classes) probabilities; NaN without a prediction.
    money
        The currency of amounts in texts.

    Returns
    -------
    pd.DataFrame
        TEXT_COLUMNS, and the numeric blocks `number_*`, `text_*`, `photo_*` and `category_*`.
    """
    blocks = {"text": text, "photo": photo, "category": category}
    return pd.concat(
        [
            products[list(TEXT_COLUMNS)],
            number_features(products, money).add_prefix("number_"),
            *(
                pd.DataFrame(block, products.index).add_prefix(f"{name}_")
                for name, block in blocks.items()
            ),
        ],
        axis=1,
    )


def block_columns(table: pd.DataFrame, block: str) -> list[str]:
    """Return the columns of a block of `price_table`: number, text, photo or category.

    Examples
    --------
    >>> block_columns(pd.DataFrame(columns=["name", "number_amounts", "photo_0"]), "number")
    ['number_amounts']
    """
    return [name for name in table.columns if name.startswith(f"{block}_")]


def drop_without_terms(
    table: pd.DataFrame, vectorizers: Iterable[tuple[str, TfidfVectorizer, str]]
) -> list[tuple[str, TfidfVectorizer | str, str]]:
    """Replace each vectorizer that would find no term by "drop", as ColumnTransformer takes it.

    A column has no term if it is empty, or if all of its words are rarer than `min_df`; fitting
    the vectorizer would then fail.

    Parameters
    ----------
    table
        Of `price_table`.
    vectorizers
        (name, vectorizer, column) each.
    """
    return [
        (name, vectorizer if _has_terms(vectorizer, table[column]) else "drop", column)
        for name, vectorizer, column in vectorizers
    ]


def columns_without_terms(table: pd.DataFrame, min_df: int) -> list[str]:
    """Return the TEXT_COLUMNS of a `price_table` that have no word in `min_df` rows.

    Examples
    --------
    >>> table = pd.DataFrame({"name": ["red lamp", "red bike"], "description": "", "location": ""})
    >>> columns_without_terms(table, min_df=2)
    ['description', 'location']
    """
    vectorizers = [(name, word_vectorizer(min_df=min_df), name) for name in TEXT_COLUMNS]
    kept = drop_without_terms(table, vectorizers)
    return [name for name, vectorizer, _ in kept if vectorizer == "drop"]


def _has_terms(vectorizer: TfidfVectorizer, texts: pd.Series) -> bool:
    """Whether any term is in `min_df` of the texts; reads only as many texts as this takes."""
    analyse, frequencies = vectorizer.build_analyzer(), Counter[str]()
    for text in texts:
        terms = set(analyse(text))
        frequencies.update(terms)
        if any(frequencies[term] >= vectorizer.min_df for term in terms):
            return True
    return False
