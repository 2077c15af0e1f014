"""Measure how much the right language's stemmer or tokeniser gains in known-item search.

Listings come from the generator's marketplaces. Each query describes one listing as a user would:
its colour and thing in the number that its title does not have ("two red tables" is looked for as
"red table"), and its brand. German and French words are reduced by their own stemmer or by the
English one; Japanese words are found by the tokeniser or at white space, and queries have no
spaces. Both sides index the same texts by BM25 and answer the same queries, so the difference is
paired.
"""

from __future__ import annotations

from collections.abc import Callable

import bm25s
import click
import numpy as np
import pandas as pd
from command import BenchmarkCommand
from tabulate import tabulate

from market.data.language import Language
from market.data.synthetic.adverts import draw_adverts
from market.data.synthetic.export_formats import EXPORTS
from market.models.metrics import bootstrap_interval
from market.search.bm25 import K1, B
from market.search.metrics import gains, places_of_targets
from market.search.word_reader import NAME_WEIGHT

Analyse = Callable[[str], list[str]]
HEADERS = ["marketplace", "known items", "compared", "baseline", "right", "difference (95 %)"]


def stems_of(code: str) -> Analyse:
    """Return a function that finds the stems of a text as the search does in this language."""
    language = Language(code)
    return lambda text: [language.stem(word) for word in language.words(text)]


def split_at_spaces(text: str) -> list[str]:
    """Return what stands between white space, in lower case."""
    return text.casefold().split()


def draw_listings(marketplace: str, count: int, seed: int) -> pd.DataFrame:
    """Draw listings with texts, and the query for each.

    Parameters
    ----------
    marketplace
        A key of EXPORTS.
    count
        Number of listings.
    seed
        Of the draw.

    Returns
    -------
    pd.DataFrame
        `title`, `text` and `query`; the query is missing where the listing's title does not name
        the thing, or where singular and plural are equal in a language that tells them apart.
    """
    export = EXPORTS[marketplace]
    adverts = draw_adverts(np.random.default_rng(seed), export.vocabulary, count, step=export.step)
    kinds = {kind.one: kind for kinds in export.vocabulary.catalogue.values() for kind in kinds}

    def query(advert: pd.Series) -> str | None:
        kind = kinds[advert["kind"]]
        forms = export.vocabulary.inflect(kind, advert["colour_word"])
        title = advert["title"].casefold()
        if marketplace == "japanese":
            return forms["coloured_one"] + advert["brand"] if kind.one in title else None
        if kind.one == kind.many or kind.one.casefold() not in title:
            return None
        other = "one" if kind.many.casefold() in title else "many"
        return f"{forms[f'coloured_{other}']} {advert['brand']}"

    return adverts[["title", "text"]].fillna("").assign(query=adverts.apply(query, axis=1))


def known_item_gains(listings: pd.DataFrame, analyse: Analyse) -> np.ndarray:
    """Return the NDCG@10 (queries,) of each listing with a query; equal scores share a place."""
    words = [
        analyse(title) * NAME_WEIGHT + analyse(text)
        for title, text in zip(listings["title"], listings["text"], strict=True)
    ]
    index = bm25s.BM25(k1=K1, b=B)
    vocabulary = {
        word: code for code, word in enumerate(sorted({w for text in words for w in text}))
    }
    index.index(([[vocabulary[word] for word in text] for text in words], vocabulary),
                show_progress=False)  # fmt: skip
    targets = np.flatnonzero(listings["query"].notna())
    scores = np.zeros((len(targets), len(listings)), np.float32)
    for row, query in enumerate(listings["query"].iloc[targets]):
        known = [word for word in analyse(query) if word in vocabulary]
        if known:
            scores[row] = index.get_scores(known)
    return gains(places_of_targets(scores, targets))


@click.command(cls=BenchmarkCommand, help=__doc__)
@click.option("--listings", default=2000, show_default=True, help="For each marketplace.")
@click.option("--seed", default=42, show_default=True, help="Of the draws and the bootstrap.")
def main(listings: int, seed: int) -> None:
    comparisons: dict[str, tuple[str, Analyse, Analyse]] = {
        "german": ("German or English stemmer", stems_of("de"), stems_of("en")),
        "french": ("French or English stemmer", stems_of("fr"), stems_of("en")),
        "japanese": ("tokeniser or white space", stems_of("ja"), split_at_spaces),
    }
    rows = []
    for marketplace, (compared, right, baseline) in comparisons.items():
        drawn = draw_listings(marketplace, listings, seed)
        ours, theirs = (known_item_gains(drawn, analyse) for analyse in (right, baseline))
        low, high = bootstrap_interval(ours - theirs, seed=seed)
        rows.append(
            [
                marketplace, len(ours), compared, f"{theirs.mean():.3f}", f"{ours.mean():.3f}",
                f"{(ours - theirs).mean():+.3f} ({low:+.3f} to {high:+.3f})",
            ]
        )  # fmt: skip
    click.echo(f"NDCG@10 of known items among {listings} synthetic listings, seed {seed}")
    click.echo(tabulate(rows, HEADERS, tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    main()
