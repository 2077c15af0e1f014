"""Flags on asking prices that do not fit their listing."""

from __future__ import annotations

import pandas as pd

FLAGS = ("placeholder", "far below", "far above")


def flag_prices(price: pd.Series, is_placeholder: pd.Series, predicted: pd.DataFrame) -> pd.Series:
    """Compare asking prices with the bounds of the price model.

    Parameters
    ----------
    price
        (n,) asking prices in pounds; NaN where there is none.
    is_placeholder
        (n,) whether the price is a placeholder, such as £1,234,567.
    predicted
        As `PriceModel.predict` returns it, with the columns `flag_below` and `flag_above`.

    Returns
    -------
    pd.Series
        (n,) one of FLAGS; "" for a price that fits, or that is missing.

    Examples
    --------
    >>> bounds = pd.DataFrame({"flag_below": [10.0] * 3, "flag_above": [90.0] * 3})
    >>> price, is_placeholder = pd.Series([5.0, 40.0, 1234567.0]), pd.Series([False, False, True])
    >>> flag_prices(price, is_placeholder, bounds).tolist()
    ['far below', '', 'placeholder']
    """
    flags = pd.Series("", index=price.index)
    flags[price < predicted["flag_below"]] = "far below"
    flags[price > predicted["flag_above"]] = "far above"
    flags[is_placeholder & price.notna()] = "placeholder"
    return flags


def count_flags(flags: pd.Series) -> dict[str, int]:
    """Return the number of products with each of FLAGS.

    Examples
    --------
    >>> count_flags(pd.Series(["far above", "", "far above"]))
    {'placeholder': 0, 'far below': 0, 'far above': 2}
    """
    return {name: int((flags == name).sum()) for name in FLAGS}
