"""Groups of listings that must not be split: they share a text or a photo, or nearly so.

A copy of a training listing in test would measure memory. A text or photo that many unrelated
sellers use, such as "See photos.", is boilerplate and groups nobody.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from market.data.near_duplicates import MIN_WORDS, NearDuplicates, normalise_text
from market.data.words import separate_words

MIN_NAME_WORDS = 3  # of a name that identifies a listing: many sellers have a "Sofa"
# A key is too common for one trader if it has more of all products than this share and this number.
MAX_TRADER_SHARE, MIN_TRADER_PRODUCTS = 0.1, 5
MAX_TRADER_SELLERS = 2  # sellers, by `count_sellers`, that one trader may be counted as


def collect_keys(listings: pd.DataFrame, near: NearDuplicates | None = None) -> pd.DataFrame:
    """List the texts and photos that products share.

    Parameters
    ----------
    listings
        A row for each photo, and one for each product without a photo.
    near
        Pairs of near-duplicates, if they count too.

    Returns
    -------
    pd.DataFrame
        A row for each product and key that it shares with another: `product` (its position in
        `listings.drop_duplicates("product_id")`), `kind` ("description" or "photo", which are
        identical, "near text" or "near photo") and `key`. A key of a near kind is a cluster of
        linked products.
    """
    position = pd.factorize(listings["product_id"])[0]
    products = listings.drop_duplicates("product_id")
    count = len(products)
    text = normalise_text(products["description"])
    parts = [
        pd.DataFrame(
            {"product": range(count), "kind": "description", "key": text.where(text.ne(""))}
        ),
        pd.DataFrame({"product": position, "kind": "photo", "key": listings["pixel_hash"]}),
    ]
    for kind, pairs in near.by_kind().items() if near else ():
        clusters = _components(pairs["left"].to_numpy(), pairs["right"].to_numpy(), count)
        key = pd.Series(clusters).astype("str")
        parts.append(pd.DataFrame({"product": range(count), "kind": kind, "key": key}))
    keys = pd.concat(parts, ignore_index=True).dropna().drop_duplicates()
    return keys[keys.duplicated(["kind", "key"], keep=False)].reset_index(drop=True)


def count_sellers(products: pd.DataFrame) -> int:
    """Estimate the number of sellers of these products.

    One seller has the listings of a location in one category, and the listings of one name (an
    advert that is repeated from town to town) if the name has several words.

    Examples
    --------
    >>> products = pd.DataFrame(
    ...     {
    ...         "name": ["House clearance this week", "House clearance this week", "Sofa"],
    ...         "location": ["Leeds", "York", "Hull"],
    ...         "category": "Services",
    ...     }
    ... )
    >>> count_sellers(products)
    2
    """
    name = normalise_text(products["name"])
    home = pd.factorize(products["location"] + "\n" + products["category"].fillna(""))[0]
    named = pd.factorize(name.where(_is_specific(name)))[0]
    alone = named < 0
    named[alone] = named.max(initial=0) + 1 + np.arange(alone.sum())
    homes, names = home.max() + 1, named.max() + 1
    return len(np.unique(_components(home, named + homes, homes + names)))


def find_boilerplate(keys: pd.DataFrame, products: pd.DataFrame, max_sellers: int) -> pd.Series:
    """Find the keys that are no evidence of one seller.

    These are a key of more than `max_sellers` sellers, a key that several sellers and a large share
    of all products have, and a description of a few words.

    Parameters
    ----------
    keys
        As `collect_keys` returns them.
    products
        A row for each position.
    max_sellers
        Sellers that may share a key.

    Returns
    -------
    pd.Series
        True for each row of `keys` that is to be ignored.
    """
    many = max(MIN_TRADER_PRODUCTS, MAX_TRADER_SHARE * len(products))

    def is_boilerplate(rows: pd.DataFrame) -> bool:
        kind, key = rows[["kind", "key"]].iloc[0]
        if kind == "description" and _count_words(key) < MIN_WORDS:
            return True
        if len(rows) <= min(max_sellers, many):
            return False
        sellers = count_sellers(products.iloc[rows["product"]])
        return sellers > max_sellers or (len(rows) > many and sellers > MAX_TRADER_SELLERS)

    ignored = pd.Series(False, keys.index)
    for _, rows in keys.groupby(["kind", "key"], sort=False):
        ignored[rows.index] = is_boilerplate(rows)
    return ignored


def group_products(keys: pd.DataFrame, ignored: pd.Series, products: pd.DataFrame) -> pd.Series:
    """Number the groups of products that share a key, directly or through other products.

    Parameters
    ----------
    keys
        As `collect_keys` returns them.
    ignored
        As `find_boilerplate` returns it. An ignored key links only listings of the same name.
    products
        A row for each position.

    Returns
    -------
    pd.Series
        The number of the group, named "group", by product_id.
    """
    name = normalise_text(products["name"]).iloc[keys["product"]]
    specific = _is_specific(name).to_numpy()
    key = keys["kind"] + "\n" + keys["key"]
    key = key.where(~ignored, key + "\n" + name.to_numpy()).where(~ignored | specific)
    rows = key.notna()
    codes, unique = pd.factorize(key[rows])
    count = len(products)
    component = _components(keys["product"][rows].to_numpy(), codes + count, count + len(unique))
    return pd.Series(
        pd.factorize(component[:count])[0],
        index=pd.Index(products["product_id"]),
        name="group",
    )


def _is_specific(name: pd.Series) -> pd.Series:
    """Return whether each normalised name is long enough to identify a listing."""
    return name.map(_count_words) >= MIN_NAME_WORDS


def _count_words(text: str) -> int:
    return len(separate_words(text).split())


def _components(left: np.ndarray, right: np.ndarray, count: int) -> np.ndarray:
    """Return the number (count,) of each node's connected component, by edges left–right."""
    graph = coo_array((np.ones(len(left)), (left, right)), shape=(count, count))
    return connected_components(graph, directed=False)[1]
