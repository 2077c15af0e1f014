"""Price from a listing's words, meaning, photo and category, with an interval that holds.

Two layers. A ridge regression reads everything there is, which suits a hundred thousand words.
Boosted trees correct it by the few numbers that matter in combination: above all by the amounts
that stand in the text, which are the price itself in a fifth of real listings, and something quite
different ("cost £900 new") in others. Both work on log(1 + price): errors are ratios.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

COMPONENTS = 40  # of the text's and of the photo's vector that the trees are shown
FOLDS = 5
SEEDS = 3  # boosted models that are averaged
FITS = 3 * FOLDS + SEEDS + 3  # of PriceModel.fit
SINGLE = ("linear", "condense", "low", "high")  # the other estimators
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


def _linear(table: pd.DataFrame, *, alpha: float, min_df: int) -> Pipeline:
    words: dict[str, Any] = {"sublinear_tf": True, "min_df": min_df, "ngram_range": (1, 2)}
    letters = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, min_df=min_df
    )
    features = ColumnTransformer(
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
    return make_pipeline(features, Ridge(alpha=alpha, solver="sparse_cg", tol=1e-4))


def _condense(table: pd.DataFrame, seed: int) -> ColumnTransformer:
    """What the trees are shown beside the ridge's answer."""
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

    linear: Pipeline
    condense: ColumnTransformer
    boosted: list[HistGradientBoostingRegressor]
    low: HistGradientBoostingRegressor
    high: HistGradientBoostingRegressor
    margin: float  # in log(1 + £), that makes the interval hold as often as asked
    far_margin: float  # the same for the interval beyond which a price is far off
    coverage: float  # the share of prices that the interval was made to hold
    # The ridge's answers to the rows fitted on, none by a ridge that saw the row; not saved.
    out_of_fold: np.ndarray | None = None

    @classmethod
    def fit(
        cls,
        table: pd.DataFrame,
        price: np.ndarray,
        groups: np.ndarray,
        *,
        alpha: float,
        min_df: int,
        rate: float,
        trees: int,
        coverage: float,
        far_off: float,
        seed: int,
        fitted_one: Callable[[], object] = lambda: None,
    ) -> PriceModel:
        """Fit on `table` (of `price_table`) and prices in pounds; `groups` are never torn apart.

        The trees learn from the ridge's answers to listings it was not fitted on, and the interval
        from the trees' answers to such listings (conformalised quantile regression: Romano et al.
        2019), both by cross-validation over the rows given. `fitted_one` is called after each of
        FITS fits, or fewer with fewer groups: a place for a progress bar.
        """
        y = np.log1p(price)
        answers = np.empty(len(y))  # of the ridge, out of fold
        outside = (1 - coverage) / 2

        def fit(model: Any, features: Any, target: np.ndarray) -> Any:
            model.fit(features, target)
            fitted_one()
            return model

        def fit_bounds(features: np.ndarray, missing: np.ndarray) -> list[Any]:
            bounds = (
                _trees(seed, rate, trees, loss="quantile", quantile=quantile)
                for quantile in (outside, 1 - outside)
            )
            return [fit(model, features, missing) for model in bounds]

        def linear() -> Pipeline:
            return _linear(table, alpha=alpha, min_df=min_df)

        def folds() -> Iterator[tuple[np.ndarray, np.ndarray]]:
            yield from GroupKFold(min(FOLDS, len(set(groups)))).split(y, groups=groups)

        for fitted, left_out in folds():
            part = fit(linear(), table.iloc[fitted], y[fitted])
            answers[left_out] = part.predict(table.iloc[left_out])
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
        boosted = [_trees(seed + draw, rate, trees) for draw in range(SEEDS)]
        low, high = fit_bounds(features, missing)
        return cls(
            linear=fit(linear(), table, y),
            condense=condense,
            boosted=[fit(model, features, missing) for model in boosted],
            low=low,
            high=high,
            margin=_conformal(misses, coverage),
            far_margin=_conformal(misses, 1 - far_off),
            coverage=coverage,
            out_of_fold=answers,
        )

    def predict(self, table: pd.DataFrame, linear: np.ndarray | None = None) -> pd.DataFrame:
        """Pounds: `price`, `price_low` and `price_high`; beyond `least` and `most` it is far off.

        Also `linear`, the ridge's answer alone, and `seed_<i>`, each boosted model's. `linear`:
        its answers, if they are known (`out_of_fold`, for the rows fitted on).
        """
        answers = self.linear.predict(table) if linear is None else linear
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
            "linear": answers,
            **{f"seed_{position}": answer for position, answer in enumerate(single)},
        }
        # £10 million is the dearest price on record: no extrapolation goes beyond it.
        return np.expm1(pd.DataFrame(logs, table.index).clip(0, np.log1p(1e7)))

    def estimators(self) -> dict[str, Any]:
        """The fitted estimators by name, to be saved; `margins` goes with them."""
        boosted = {f"boosted_{position}": model for position, model in enumerate(self.boosted)}
        return {name: getattr(self, name) for name in SINGLE} | boosted

    def margins(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in ("margin", "far_margin", "coverage")}

    @classmethod
    def assemble(cls, load: Callable[[str], Any], margins: dict[str, float]) -> PriceModel:
        """The model again, from `load`, which finds an estimator by its name."""
        boosted = [load(f"boosted_{position}") for position in range(SEEDS)]
        parts: dict[str, Any] = {name: load(name) for name in SINGLE} | margins
        return cls(boosted=boosted, **parts)


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
