"""Price from a listing's words, meaning, photo and category, with an interval that holds.

Two layers. A ridge regression and small neural networks read everything there is, a hundred
thousand words among it; how far each is trusted is fitted on listings that neither saw. Boosted
trees correct them by the few numbers that matter in combination: above all by the amounts that
stand in the text, which are the price itself in a fifth of real listings, and something quite
different ("cost £900 new") in others. All work on log(1 + price): errors are ratios.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
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
FITS = 3 * FOLDS + SEEDS + 3  # of PriceModel.fit
NETWORKS = 2  # neural networks that are averaged
LAYERS = (64,)  # units in each network
SINGLE = ("features", "linear", "condense", "low", "high")  # the other estimators
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


def _features(table: pd.DataFrame, min_df: int) -> ColumnTransformer:
    """What ridge and networks read."""
    words: dict[str, Any] = {"sublinear_tf": True, "min_df": min_df, "ngram_range": (1, 2)}
    letters = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, min_df=min_df
    )
    return ColumnTransformer(
        [
            ("name", TfidfVectorizer(**words), "name"),
            ("description", TfidfVectorizer(**words), "description"),
            ("location", TfidfVectorizer(min_df=min_df), "location"),
            ("letters", letters, "name"),
            ("text", "passthrough", _columns(table, "text")),
            ("category", "passthrough", _columns(table, "category")),
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
    blocks.append(("number", numbers, _columns(table, "number")))
    return ColumnTransformer([*blocks, ("category", "passthrough", _columns(table, "category"))])


def _trees(seed: int, rate: float, trees: int, **loss: Any) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(
        learning_rate=rate,
        max_iter=trees,
        max_leaf_nodes=15,
        l2_regularization=5,
        max_features=0.3,
        early_stopping=False,
        random_state=seed,
        **loss,
    )


@dataclass
class PriceModel:
    """Fitted by `fit`; predicts a price in pounds, an interval, and whether an asked price fits."""

    features: ColumnTransformer
    linear: Ridge
    networks: list[TransformedTargetRegressor]
    trust: float  # share of the networks in their and the ridge's common answer
    condense: ColumnTransformer
    boosted: list[HistGradientBoostingRegressor]
    low: HistGradientBoostingRegressor
    high: HistGradientBoostingRegressor
    margin: float  # in log(1 + £), that makes the interval hold as often as asked
    far_margin: float  # the same for the interval beyond which a price is far off
    coverage: float  # the share of prices that the interval was made to hold
    # `answers` to the rows fitted on, none by a model that saw the row; not saved.
    out_of_fold: pd.DataFrame | None = None

    @classmethod
    def fit(
        cls,
        table: pd.DataFrame,
        price: np.ndarray,
        groups: np.ndarray,
        *,
        alpha: float,
        min_df: int,
        epochs: int,
        rate: float,
        trees: int,
        coverage: float,
        far_off: float,
        seed: int,
        fitted_one: Callable[[], object] = lambda: None,
    ) -> PriceModel:
        """Fit on `table` (of `price_table`) and prices in pounds; `groups` are never torn apart.

        The trees learn from the others' answers to listings these were not fitted on, and the
        interval from the trees' answers to such listings (conformalised quantile regression: Romano
        et al. 2019), both by cross-validation over the rows given. `fitted_one` is called after
        each of FITS fits, or fewer with fewer groups: a place for a progress bar.
        """
        y = np.log1p(price)
        out_of_fold = pd.DataFrame(np.nan, table.index, ["linear", "network"])
        outside = (1 - coverage) / 2

        def fit(model: Any, features: Any, target: np.ndarray) -> Any:
            model.fit(features, target)
            fitted_one()
            return model

        def fit_readers(
            rows: pd.DataFrame, of: np.ndarray
        ) -> tuple[ColumnTransformer, Ridge, list[TransformedTargetRegressor]]:
            features = _features(rows, min_df)
            read = features.fit_transform(rows)
            linear = Ridge(alpha=alpha, solver="sparse_cg", tol=1e-4).fit(read, of)
            single = read.astype(np.float32)  # half the time, and no worse
            networks = [_network(single, of, epochs, seed + draw) for draw in range(NETWORKS)]
            fitted_one()
            return features, linear, networks

        def fit_bounds(features: np.ndarray, missing: np.ndarray) -> list[Any]:
            bounds = (
                _trees(seed, rate, trees, loss="quantile", quantile=quantile)
                for quantile in (outside, 1 - outside)
            )
            return [fit(model, features, missing) for model in bounds]

        def folds() -> Iterator[tuple[np.ndarray, np.ndarray]]:
            yield from GroupKFold(min(FOLDS, len(set(groups)))).split(y, groups=groups)

        for fitted, left_out in folds():
            readers = fit_readers(table.iloc[fitted], y[fitted])
            out_of_fold.iloc[left_out] = _read(*readers, table.iloc[left_out])
        trust = _trust(out_of_fold, y)
        answers = _together(out_of_fold, trust)
        condense = _condense(table, seed)
        features = np.column_stack([answers, condense.fit_transform(table)])
        missing = y - answers  # what the trees are to add
        misses = np.empty(len(y))  # how far a price lies outside its interval; negative: inside
        for fitted, left_out in folds():
            low, high = fit_bounds(features[fitted], missing[fitted])
            misses[left_out] = np.maximum(
                low.predict(features[left_out]) - missing[left_out],
                missing[left_out] - high.predict(features[left_out]),
            )
        # The median rather than the mean: prices that nobody could guess pull at it less.
        loss = "absolute_error"
        boosted = [_trees(seed + draw, rate, trees, loss=loss) for draw in range(SEEDS)]
        low, high = fit_bounds(features, missing)
        readers = fit_readers(table, y)
        return cls(
            features=readers[0],
            linear=readers[1],
            networks=readers[2],
            trust=trust,
            condense=condense,
            boosted=[fit(model, features, missing) for model in boosted],
            low=low,
            high=high,
            margin=_conformal(misses, coverage),
            far_margin=_conformal(misses, 1 - far_off),
            coverage=coverage,
            out_of_fold=out_of_fold,
        )

    def predict(self, table: pd.DataFrame, read: pd.DataFrame | None = None) -> pd.DataFrame:
        """Pounds: `price`, `price_low` and `price_high`; beyond `least` and `most` it is far off.

        Also `linear` and `network`, the answers of the ridge and of the networks alone, and
        `seed_<i>`, each boosted model's. `read`: the first two as logarithms, if they are known
        (`out_of_fold`, for the rows fitted on).
        """
        if read is None:
            found = _read(self.features, self.linear, self.networks, table)
            read = pd.DataFrame(found, table.index, ["linear", "network"])
        answers = _together(read, self.trust)
        features = np.column_stack([answers, self.condense.transform(table)])
        single = [answers + model.predict(features) for model in self.boosted]
        middle = np.mean(single, axis=0)
        low, high = (answers + model.predict(features) for model in (self.low, self.high))
        logs = {
            "price": middle,
            "price_low": np.minimum(low - self.margin, middle),
            "price_high": np.maximum(high + self.margin, middle),
            "least": low - self.far_margin,
            "most": high + self.far_margin,
            "linear": read["linear"],
            "network": read["network"],
            **{f"seed_{position}": answer for position, answer in enumerate(single)},
        }
        # £10 million is the dearest price on record: no extrapolation goes beyond it.
        return np.expm1(pd.DataFrame(logs, table.index).clip(0, np.log1p(1e7)))

    def estimators(self) -> dict[str, Any]:
        """The fitted estimators by name, to be saved; `margins` goes with them."""
        several = {
            f"{name}_{position}": model
            for name, models in (("boosted", self.boosted), ("network", self.networks))
            for position, model in enumerate(models)
        }
        return {name: getattr(self, name) for name in SINGLE} | several

    def margins(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in ("trust", "margin", "far_margin", "coverage")}

    @classmethod
    def assemble(cls, load: Callable[[str], Any], margins: dict[str, float]) -> PriceModel:
        """The model again, from `load`, which finds an estimator by its name."""
        boosted = [load(f"boosted_{position}") for position in range(SEEDS)]
        networks = [load(f"network_{position}") for position in range(NETWORKS)]
        parts: dict[str, Any] = {name: load(name) for name in SINGLE} | margins
        return cls(boosted=boosted, networks=networks, **parts)


def _read(
    features: ColumnTransformer,
    linear: Ridge,
    networks: list[TransformedTargetRegressor],
    table: pd.DataFrame,
) -> np.ndarray:
    """Return (n, 2) answers, log(1 + £): the ridge's, and the networks' mean."""
    read = features.transform(table)
    single = read.astype(np.float32)
    network = np.mean([model.predict(single) for model in networks], axis=0)
    return np.column_stack([linear.predict(read), network])


def _trust(answers: pd.DataFrame, y: np.ndarray) -> float:
    """The share of the networks with the least squared error, from 0 to 1."""
    apart = (answers["network"] - answers["linear"]).to_numpy()
    lacking = y - answers["linear"].to_numpy()
    return float(np.clip(apart @ lacking / max(apart @ apart, 1e-12), 0, 1))


def _together(answers: pd.DataFrame, trust: float) -> np.ndarray:
    return ((1 - trust) * answers["linear"] + trust * answers["network"]).to_numpy()


def flag_prices(asked: pd.Series, is_placeholder: pd.Series, predicted: pd.DataFrame) -> pd.Series:
    """One of FLAGS, or "" where the price asked fits the listing, or where none is asked."""
    flags = pd.Series("", index=asked.index)
    flags[asked < predicted["least"]] = "far below"
    flags[asked > predicted["most"]] = "far above"
    flags[is_placeholder & asked.notna()] = "placeholder"
    return flags


def _conformal(misses: np.ndarray, coverage: float) -> float:
    """The margin within which `coverage` of prices lie, with the correction for a finite sample."""
    level = min(1.0, np.ceil((len(misses) + 1) * coverage) / len(misses))
    return float(np.quantile(misses, level, method="higher"))
