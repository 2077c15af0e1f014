"""Price from a listing's words, meaning, photo and category, with an interval that holds.

Two layers. A ridge regression and small neural networks read everything there is, a hundred
thousand words among it; how far each is trusted is fitted on listings that neither saw. Boosted
trees correct them by the few numbers that matter in combination: above all by the amounts that
stand in the text, which are the price itself in a fifth of real listings, and something quite
different ("cost £900 new") in others. All work on log(1 + price): errors are ratios.

Every price it is fitted on is also predicted out-of-fold: by models that saw neither that price nor
another of its group, in either layer, in the bounds and in their margins. A simple baseline, with
margins from its own out-of-fold errors, can take the model's place (`BaselineModel`).

What the interval guarantees: conformalised quantile regression (Romano et al. 2019) adds one margin
to both bounds, of the size that makes the share `coverage` of the out-of-fold prices lie within
them. If the groups of new listings are exchangeable with those calibrated on, that share of new
prices lies within their intervals, on average over all listings and close to it (the models that
calibrate were fitted on fewer listings than the one that predicts). It is no promise for a
category, a range of prices or a single listing, and none once prices or listings have drifted. The
margin is the same above and below, so the two tails need not be equal. With fewer than
1 / (1 - coverage) listings the margin is the largest error seen, which promises less.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

COMPONENTS = 40  # of the text's and of the photo's vector that the trees are shown
FOLDS = 5
SEEDS = 3  # boosted models that are averaged
MIN_FOLDS = 3  # a fold, another that its models are judged on, and one that is left to fit on
NETWORKS = 2  # neural networks that are averaged
LAYERS = (64,)  # units in each network
# £10 million is the dearest price on record: no extrapolation goes beyond it.
MAX_LOG = float(np.log1p(1e7))
TEXT = ("name", "description", "location")
FLAGS = ("placeholder", "far below", "far above")  # of a price that a listing asks

AMOUNT = r"£\s*(?P<pounds>\d{1,3}(?:,\d{3})+|\d{1,7})(?P<pence>\.\d\d?)?\s*(?P<thousand>k\b)?"
# Whether a word is there; each moves a price by more than its meaning says.
WORDS = {
    "free": r"\bfree\b",
    "to_give_away": r"\bfree to collect|\bfree for\b|\bgiv\w+ away|\bfreebie",
    "delivery": r"\bdeliver",
    "each": r"\b(?:each|per)\b",
    "various": r"\b(?:from|various|selection|range)\b",
    "new": r"\bnew\b",
    "old": r"\b(?:vintage|antique|victorian)\b",
}


def price_numbers(products: pd.DataFrame) -> pd.DataFrame:
    """What name and description say in numbers: amounts in pounds (as log(1 + £)), lengths, words.

    NaN where no amount is named. Columns are floats, index that of `products`.
    """
    text = products["name"] + "\n" + products["description"]
    found = text.str.extractall(AMOUNT)
    pounds = (found["pounds"].str.replace(",", "") + found["pence"].fillna("")).astype(float)
    logs = np.log1p(pounds * np.where(found["thousand"].notna(), 1000, 1))
    logs = logs[logs > 0]  # "£0 to pay" prices nothing
    by_text = logs.groupby(level=0)
    numbers = pd.DataFrame(
        {
            "amounts": by_text.size(),
            "first_amount": by_text.first(),
            "last_amount": by_text.last(),
            "least_amount": by_text.min(),
            "largest_amount": by_text.max(),
        }
    ).reindex(products.index)
    numbers["amounts"] = numbers["amounts"].fillna(0)
    numbers["name_length"] = np.log1p(products["name"].str.len())
    numbers["description_length"] = np.log1p(products["description"].str.len())
    for name, pattern in WORDS.items():
        numbers[f"says_{name}"] = text.str.contains(pattern, case=False)
    return numbers.astype(float)


def price_table(
    products: pd.DataFrame, text: np.ndarray, photo: np.ndarray, category: np.ndarray
) -> pd.DataFrame:
    """What PriceModel reads, a row for each product.

    `products` has name, description and location; `text` and `photo` are (n, width) vectors (NaN
    without a photo), `category` is (n, classes) probabilities.
    """
    blocks = {"text": text, "photo": photo, "category": category}
    return pd.concat(
        [
            products[["name", "description", "location"]],
            price_numbers(products).add_prefix("number_"),
            *(
                pd.DataFrame(block, products.index).add_prefix(f"{name}_")
                for name, block in blocks.items()
            ),
        ],
        axis=1,
    )


def _columns(table: pd.DataFrame, block: str) -> list[str]:
    return [name for name in table.columns if name.startswith(f"{block}_")]


def _scaled() -> Pipeline:
    return make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler())


def _words(
    table: pd.DataFrame, blocks: Iterable[tuple[str, TfidfVectorizer, str]]
) -> list[tuple[str, TfidfVectorizer | str, str]]:
    """Return the blocks (name, vectorizer, column), "drop" for a vectorizer without a term to keep.

    An empty column has no term, and neither has one whose words are all rarer than min_df.
    """
    return [
        (name, vectorizer if _has_terms(vectorizer, table[column]) else "drop", column)
        for name, vectorizer, column in blocks
    ]


def _has_terms(vectorizer: TfidfVectorizer, texts: pd.Series) -> bool:
    """Whether any term is in at least min_df of the texts; reads only as many as it takes."""
    analyse, listings = vectorizer.build_analyzer(), Counter[str]()
    for text in texts:
        terms = set(analyse(text))
        listings.update(terms)
        if any(listings[term] >= vectorizer.min_df for term in terms):
            return True
    return False


def unread_columns(table: pd.DataFrame, min_df: int) -> list[str]:
    """Return the text columns without a word in `min_df` rows: nothing is learned from them."""
    blocks = _words(table, [(name, TfidfVectorizer(min_df=min_df), name) for name in TEXT])
    return [name for name, vectorizer, _ in blocks if vectorizer == "drop"]


def _features(table: pd.DataFrame, min_df: int) -> ColumnTransformer:
    """What ridge and networks read."""
    words: dict[str, Any] = {"sublinear_tf": True, "min_df": min_df, "ngram_range": (1, 2)}
    letters = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, min_df=min_df
    )
    texts = [
        ("name", TfidfVectorizer(**words), "name"),
        ("description", TfidfVectorizer(**words), "description"),
        ("location", TfidfVectorizer(min_df=min_df), "location"),
        ("letters", letters, "name"),
    ]
    return ColumnTransformer(
        [
            *_words(table, texts),
            # Imputed: another stage may have had nothing to learn these from.
            ("text", SimpleImputer(keep_empty_features=True), _columns(table, "text")),
            ("category", SimpleImputer(keep_empty_features=True), _columns(table, "category")),
            ("photo", _scaled(), _columns(table, "photo")),
            ("number", _scaled(), _columns(table, "number")),
        ],
        # Blocks of vectors of length 1 beside blocks of many numbers around 1.
        transformer_weights={
            "name": 1.5, "text": 2, "category": 2, "photo": 0.03, "number": 0.3,
        },
    )  # fmt: skip


def _network(rows: Any, y: np.ndarray, epochs: int, seed: int) -> TransformedTargetRegressor:
    """A perceptron fitted for `epochs` only: it has learned the rows by heart after a few more."""
    perceptron = MLPRegressor(
        hidden_layer_sizes=LAYERS,
        alpha=1e-3,
        batch_size=min(256, len(y)),
        learning_rate_init=2e-3,
        max_iter=epochs,
        random_state=seed,
    )
    # Centred: its few steps are for what sets prices apart, not for finding their mean.
    network = TransformedTargetRegressor(perceptron, transformer=StandardScaler(with_std=False))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(rows, y.astype(np.float32))
    # What only further training would need, twice the size of the rest.
    del network.regressor_._optimizer
    return network


def _condense(table: pd.DataFrame, seed: int) -> ColumnTransformer:
    """What the trees are shown beside the common answer of ridge and networks."""
    blocks: list[tuple[str, Any, list[str]]] = []
    for block in ("text", "photo"):
        columns = _columns(table, block)
        components = min(COMPONENTS, len(columns), len(table))
        pca = PCA(components, svd_solver="randomized", random_state=seed)
        blocks.append((block, make_pipeline(SimpleImputer(keep_empty_features=True), pca), columns))
    # The trees take NaN, but no column of nothing else: where no listing names an amount.
    numbers = SimpleImputer(strategy="constant", fill_value=-1, keep_empty_features=True)
    blocks += [(block, numbers, _columns(table, block)) for block in ("number", "category")]
    return ColumnTransformer(blocks)


def _trees(
    seed: int, learning_rate: float, n_estimators: int, **loss: Any
) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(
        learning_rate=learning_rate,
        max_iter=n_estimators,
        max_leaf_nodes=15,
        l2_regularization=5,
        max_features=0.3,
        early_stopping=False,
        random_state=seed,
        **loss,
    )


@dataclass(frozen=True)
class Settings:
    """What the models are fitted with: section `regress` of params.yaml."""

    alpha: float
    min_df: int
    epochs: int
    learning_rate: float
    n_estimators: int
    coverage: float
    flagged_share: float
    seed: int


@dataclass
class Readers:
    """The first layer: a ridge regression and neural networks, which read all features."""

    features: ColumnTransformer
    linear: Ridge
    networks: list[TransformedTargetRegressor]

    @classmethod
    def fit(cls, table: pd.DataFrame, y: np.ndarray, settings: Settings) -> Readers:
        """Fit on a `price_table` of n rows and y (n,), log(1 + £)."""
        features = _features(table, settings.min_df)
        read = features.fit_transform(table)
        linear = Ridge(alpha=settings.alpha, solver="sparse_cg", tol=1e-4).fit(read, y)
        single = read.astype(np.float32)  # half the time, and no worse
        seeds = range(settings.seed, settings.seed + NETWORKS)
        networks = [_network(single, y, settings.epochs, seed) for seed in seeds]
        return cls(features, linear, networks)

    def answer(self, table: pd.DataFrame) -> np.ndarray:
        """Return (n, 2) answers, log(1 + £): the ridge's, and the networks' mean."""
        read = self.features.transform(table)
        single = read.astype(np.float32)
        network = np.mean([model.predict(single) for model in self.networks], axis=0)
        return np.column_stack([self.linear.predict(read), network])


@dataclass
class Correction:
    """The second layer: trees that correct the first one's answers, and bounds around them."""

    trust: float  # share of the networks in their and the ridge's common answer
    condense: ColumnTransformer
    boosted: list[HistGradientBoostingRegressor]
    low: HistGradientBoostingRegressor
    high: HistGradientBoostingRegressor

    @classmethod
    def fit(
        cls,
        answers: np.ndarray,
        table: pd.DataFrame,
        y: np.ndarray,
        settings: Settings,
        *,
        fold: np.ndarray | None = None,
        fitted_one: Callable[[], object] = lambda: None,
    ) -> tuple[Correction, np.ndarray]:
        """Fit on `answers` (n, 2) of `Readers` that did not see the rows, and y (n,), log(1 + £).

        With `fold` (n,), also return by how much each y lies outside bounds fitted without its
        fold (n,; negative: inside, NaN: no other fold); without it, an empty array.
        """
        trust = _trust(answers, y)
        with np.errstate(invalid="ignore"):  # where no listing has a photo, no variance to share
            condense = _condense(table, settings.seed).fit(table)
        together = _together(answers, trust)
        features = np.column_stack([together, condense.transform(table)])
        missing = y - together  # what the trees are to add
        outside = (1 - settings.coverage) / 2

        def trees(rows: np.ndarray, draw: int, **loss: Any) -> HistGradientBoostingRegressor:
            model = _trees(
                settings.seed + draw, settings.learning_rate, settings.n_estimators, **loss
            )
            model.fit(features[rows], missing[rows])
            fitted_one()
            return model

        def bounds(rows: np.ndarray) -> list[HistGradientBoostingRegressor]:
            quantiles = (outside, 1 - outside)
            return [trees(rows, 0, loss="quantile", quantile=quantile) for quantile in quantiles]

        misses = np.full(0 if fold is None else len(y), np.nan)
        for left_out in () if fold is None else np.unique(fold):
            judged, kept = fold == left_out, fold != left_out
            if kept.any():
                lower, upper = (model.predict(features[judged]) for model in bounds(kept))
                misses[judged] = np.maximum(lower - missing[judged], missing[judged] - upper)
        every = np.ones(len(y), dtype=bool)
        # The median rather than the mean: prices that nobody could guess pull at it less.
        boosted = [trees(every, draw, loss="absolute_error") for draw in range(SEEDS)]
        low, high = bounds(every)
        return cls(trust, condense, boosted, low, high), misses

    def predict(self, answers: np.ndarray, table: pd.DataFrame) -> pd.DataFrame:
        """Return `price`, `low`, `high`, `linear`, `network`, `seed_<i>` as log(1 + £).

        `answers` (n, 2) are those of `Readers` to `table`, `seed_<i>` is each boosted model's.
        """
        together = _together(answers, self.trust)
        features = np.column_stack([together, self.condense.transform(table)])
        single = {
            f"seed_{position}": together + model.predict(features)
            for position, model in enumerate(self.boosted)
        }
        logs = {
            "price": np.mean(list(single.values()), axis=0),
            "low": together + self.low.predict(features),
            "high": together + self.high.predict(features),
            "linear": answers[:, 0],
            "network": answers[:, 1],
            **single,
        }
        return pd.DataFrame(logs, table.index)


@dataclass
class PriceModel:
    """Both layers; predicts a price in pounds, an interval, and whether an asked price fits.

    Fitted by `fit_boosted`.
    """

    readers: Readers
    correction: Correction
    margin: float  # in log(1 + £), that makes the interval hold as often as asked
    far_margin: float  # the same for the interval beyond which a price is far off
    coverage: float  # the share of prices that the interval was made to hold

    def predict(self, table: pd.DataFrame) -> pd.DataFrame:
        """Pounds: `price`, `price_low` and `price_high`; beyond `least` and `most` it is far off.

        Also `linear` and `network`, the answers of the ridge and of the networks alone, and
        `seed_<i>`, each boosted model's.
        """
        logs = self.correction.predict(self.readers.answer(table), table)
        return _in_pounds(logs, self.margin, self.far_margin)

    def estimators(self) -> dict[str, Any]:
        """The fitted estimators by name, to be saved; `margins` goes with them."""
        readers, correction = self.readers, self.correction
        several = {
            f"{name}_{position}": model
            for name, models in (("boosted", correction.boosted), ("network", readers.networks))
            for position, model in enumerate(models)
        }
        return several | {
            "features": readers.features,
            "linear": readers.linear,
            "condense": correction.condense,
            "low": correction.low,
            "high": correction.high,
        }

    def margins(self) -> dict[str, Any]:
        """What is not an estimator: for margins.json."""
        return {
            "chosen": "boosted",
            "trust": self.correction.trust,
            "margin": self.margin,
            "far_margin": self.far_margin,
            "coverage": self.coverage,
        }

    @classmethod
    def assemble(
        cls, load: Callable[[str], Any], margins: dict[str, Any]
    ) -> PriceModel | BaselineModel:
        """The model again, or the baseline chosen in its place, from what was saved.

        `load` finds an estimator by its name; `margins` is margins.json.
        """
        about = dict(margins)
        chosen = about.pop("chosen")
        if chosen != "boosted":
            return BaselineModel(chosen, load(chosen), **about)
        networks = [load(f"network_{position}") for position in range(NETWORKS)]
        boosted = [load(f"boosted_{position}") for position in range(SEEDS)]
        readers = Readers(load("features"), load("linear"), networks)
        parts = load("condense"), boosted, load("low"), load("high")
        return cls(readers, Correction(about.pop("trust"), *parts), **about)


@dataclass
class BaselineModel:
    """A simple baseline in the place of PriceModel; fitted by `fit_baseline`.

    Its interval is its answer plus and minus a margin: all listings have equally wide ones.
    """

    name: str  # one of BASELINES
    estimator: Any  # of log(1 + £), from a `price_table`
    margin: float  # as those of PriceModel
    far_margin: float
    coverage: float

    def predict(self, table: pd.DataFrame) -> pd.DataFrame:
        """Pounds: `price`, `price_low`, `price_high`, `least`, `most`, as those of PriceModel."""
        return _in_pounds(
            _same_bounds(self.estimator.predict(table), table.index), self.margin, self.far_margin
        )

    def estimators(self) -> dict[str, Any]:
        """As PriceModel.estimators."""
        return {self.name: self.estimator}

    def margins(self) -> dict[str, Any]:
        """As PriceModel.margins."""
        return {
            "chosen": self.name,
            "margin": self.margin,
            "far_margin": self.far_margin,
            "coverage": self.coverage,
        }


class Candidate(NamedTuple):
    """A model fitted on all rows with a price, and what it predicts for them out-of-fold."""

    model: PriceModel | BaselineModel
    out_of_fold: pd.DataFrame  # as `predict` returns, by models fitted without the row's fold


def assign_folds(group: np.ndarray, priced: np.ndarray) -> np.ndarray:
    """Return the fold (n,) of each row, from 0: whole groups, FOLDS or as many as there are groups.

    `group` (n,) are whole numbers, `priced` (n,) says whether there is a price to learn. A group
    without one has fold -1: no model sees it. The folds do not depend on what the prices are.
    """
    groups = group[priced]
    count = min(FOLDS, len(np.unique(groups)))
    fold = pd.Series(0, groups)
    if count > 1:
        for number, (_, left_out) in enumerate(GroupKFold(count).split(groups, groups=groups)):
            fold.iloc[left_out] = number
    fold = fold[~fold.index.duplicated()]
    return fold.reindex(group, fill_value=-1).to_numpy()


def fit_median(table: pd.DataFrame, y: np.ndarray, settings: Settings) -> DummyRegressor:
    """The median price, whatever the listing."""
    median = np.log1p(np.median(np.expm1(y)))
    return DummyRegressor(strategy="constant", constant=median).fit(table, y)


def fit_ridge(table: pd.DataFrame, y: np.ndarray, settings: Settings) -> Pipeline:
    """Ridge regression of log(1 + £) on TF-IDF of name, description and location."""
    texts = [
        (name, TfidfVectorizer(sublinear_tf=True, min_df=settings.min_df), name) for name in TEXT
    ]
    blocks = _words(table, texts)
    if all(vectorizer == "drop" for _, vectorizer, _ in blocks):
        # Without a word only the ridge's intercept is left.
        return make_pipeline(DummyRegressor(strategy="mean")).fit(table, y)
    ridge = Ridge(alpha=settings.alpha, solver="sparse_cg", tol=1e-4)
    return make_pipeline(ColumnTransformer(blocks), ridge).fit(table, y)


BASELINES: dict[str, Callable[[pd.DataFrame, np.ndarray, Settings], Any]] = {
    "constant": fit_median,
    "ridge": fit_ridge,
}


def fit_baseline(
    name: str, table: pd.DataFrame, price: np.ndarray, fold: np.ndarray, settings: Settings
) -> Candidate:
    """Fit one of BASELINES on a `price_table` of n rows and prices (n,) in pounds.

    Rows without a price (NaN) are only predicted. `fold` (n,), from 0, is that of `assign_folds`.
    Out-of-fold predictions are NaN where no other fold has a price.
    """
    y = np.log1p(price)
    priced = ~np.isnan(y)
    fit = BASELINES[name]

    def answer(kept: np.ndarray) -> Callable[[pd.DataFrame], np.ndarray]:
        estimator = fit(table[kept], y[kept], settings)
        return lambda rows: estimator.predict(rows)[:, None]

    answers = _cross_fit(table, priced, fold, 1, answer)[:, :, 0]
    parts = []
    for left_out, of_fold in enumerate(answers):
        judged, rest = fold == left_out, priced & (fold != left_out)
        margins = _margins(np.abs(y[rest] - of_fold[rest]), settings)
        parts.append(_in_pounds(_same_bounds(of_fold[judged], table.index[judged]), *margins))
    own = answers[fold, np.arange(len(fold))]
    margins = _margins(np.abs(y - own), settings)
    estimator = fit(table[priced], y[priced], settings)
    model = BaselineModel(name, estimator, *margins, settings.coverage)
    return Candidate(model, pd.concat(parts).loc[table.index])


def fit_boosted(
    table: pd.DataFrame,
    price: np.ndarray,
    fold: np.ndarray,
    settings: Settings,
    fitted_one: Callable[[], object] = lambda: None,
) -> Candidate:
    """Fit PriceModel on a `price_table` of n rows and prices (n,) in pounds.

    Rows without a price (NaN) are only predicted. `fold` (n,), from 0, is that of `assign_folds`
    and has MIN_FOLDS at least. Both layers are fitted again without each fold, for predictions that
    owe it nothing; what those miss calibrates the margins of the model fitted on all.
    `fitted_one` is called after each of `count_fits` fits: a place for a progress bar.
    """
    y = np.log1p(price)
    priced = ~np.isnan(y)

    def answer(kept: np.ndarray) -> Callable[[pd.DataFrame], np.ndarray]:
        readers = Readers.fit(table[kept], y[kept], settings)
        fitted_one()
        return readers.answer

    answers = _cross_fit(table, priced, fold, 2, answer)
    misses = np.full(len(y), np.nan)
    parts = []
    for left_out, of_fold in enumerate(answers):
        judged, rest = fold == left_out, priced & (fold != left_out)
        correction, of_rest = Correction.fit(
            of_fold[rest], table[rest], y[rest], settings, fold=fold[rest], fitted_one=fitted_one
        )
        logs = correction.predict(of_fold[judged], table[judged])
        misses[judged] = np.maximum(logs["low"] - y[judged], y[judged] - logs["high"])
        parts.append(_in_pounds(logs, *_margins(of_rest, settings)))
    own = answers[fold, np.arange(len(fold))]
    correction, _ = Correction.fit(
        own[priced], table[priced], y[priced], settings, fitted_one=fitted_one
    )
    readers = Readers.fit(table[priced], y[priced], settings)
    fitted_one()
    model = PriceModel(readers, correction, *_margins(misses, settings), settings.coverage)
    return Candidate(model, pd.concat(parts).loc[table.index])


def count_fits(folds: int) -> int:
    """How often `fit_boosted` calls `fitted_one`."""
    readers = folds * (folds + 1) // 2 + 1
    trees = (folds + 1) * (SEEDS + 2) + folds * (folds - 1) * 2
    return readers + trees


def _cross_fit(
    table: pd.DataFrame,
    priced: np.ndarray,
    fold: np.ndarray,
    width: int,
    fit: Callable[[np.ndarray], Callable[[pd.DataFrame], np.ndarray]],
) -> np.ndarray:
    """Return answers (folds, n, width), of which `answers[k]` owe nothing to the prices of fold k.

    There a row of fold j is answered by a model fitted without folds j and k. So what is fitted on
    `answers[k]` of the other folds, and applied to `answers[k]` of fold k, has not met the prices
    of fold k by any detour: plain out-of-fold answers of the other folds are by models that saw
    them. `fit` takes the rows to fit on (n,) and returns the model, which takes a table.
    NaN where no row is left to fit on.
    """
    count = fold.max() + 1
    answers = np.full((count, len(fold), width), np.nan)
    for one, other in combinations_with_replacement(range(count), 2):
        kept = priced & (fold != one) & (fold != other)
        if not kept.any():
            continue
        model = fit(kept)
        for left_out, answered in dict.fromkeys([(one, other), (other, one)]):
            rows = fold == answered
            answers[left_out, rows] = model(table[rows])
    return answers


def _same_bounds(answer: np.ndarray, index: pd.Index) -> pd.DataFrame:
    return pd.DataFrame(dict.fromkeys(("price", "low", "high"), answer), index)


def _margins(misses: np.ndarray, settings: Settings) -> tuple[float, float]:
    """The margin of the interval and that of what is far off; NaN among `misses` do not count."""
    known = misses[~np.isnan(misses)]
    return _conformal(known, settings.coverage), _conformal(known, 1 - settings.flagged_share)


def _in_pounds(logs: pd.DataFrame, margin: float, far_margin: float) -> pd.DataFrame:
    """Pounds and pence: `low` and `high` of the logarithms, widened, become the four bounds."""
    low, high, middle = logs["low"], logs["high"], logs["price"]
    bounds = {
        "price": middle,
        "price_low": np.minimum(low - margin, middle),
        "price_high": np.maximum(high + margin, middle),
        "least": low - far_margin,
        "most": high + far_margin,
    }
    others = logs.drop(columns=["price", "low", "high"])
    pounds = np.expm1(pd.DataFrame(bounds).join(others).clip(0, MAX_LOG))
    # Or a price that equals its bound could lie outside it, by the last bit of its logarithm.
    return pounds.round(2)


def _together(answers: np.ndarray, trust: float) -> np.ndarray:
    linear, network = answers.T
    return (1 - trust) * linear + trust * network


def _trust(answers: np.ndarray, y: np.ndarray) -> float:
    """The share of the networks with the least squared error, from 0 to 1."""
    linear, network = answers.T
    apart = network - linear
    return float(np.clip(apart @ (y - linear) / max(apart @ apart, 1e-12), 0, 1))


def flag_prices(asked: pd.Series, is_placeholder: pd.Series, predicted: pd.DataFrame) -> pd.Series:
    """One of FLAGS, or "" where the price asked fits the listing, or where none is asked."""
    flags = pd.Series("", index=asked.index)
    flags[asked < predicted["least"]] = "far below"
    flags[asked > predicted["most"]] = "far above"
    flags[is_placeholder & asked.notna()] = "placeholder"
    return flags


def _conformal(misses: np.ndarray, coverage: float) -> float:
    """The margin within which `coverage` of prices lie, with the correction for a finite sample.

    `misses` (n,) are in log(1 + £). Without any the margin holds every price.
    """
    if not len(misses):
        return MAX_LOG
    level = min(1.0, np.ceil((len(misses) + 1) * coverage) / len(misses))
    return float(np.quantile(misses, level, method="higher"))
