"""What later stages read from clean listings: the text, and whether a price can be learned."""

from __future__ import annotations

import pandas as pd


def listing_text(products: pd.DataFrame) -> pd.Series:
    """Return the text (n,) of each listing: its name, a line end, and its description.

    Parameters
    ----------
    products
        With the columns name and description, both without missing values.

    Returns
    -------
    pd.Series
        By the index of `products`; "" for a listing with neither.
    """
    text = products["name"] + "\n" + products["description"]
    return text.where(text != "\n", "")


def has_price_to_learn(products: pd.DataFrame) -> pd.Series:
    """Return whether a model can learn each price: no placeholder, or 0 (some are gifts)."""
    price = products["price"]
    return price.notna() & (~products["price_is_placeholder"] | price.eq(0))
