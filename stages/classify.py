"""Predict the category from a listing's text, and from text and photos together.

Three models answer: "svm", fitted here on the text's words; "encoder", the sentence encoder that
train_text fine-tuned; "photo", the network of train_cnn. Their probabilities are pooled.

In:  data/merged/listings.parquet, data/embeddings/text.parquet, data/text/probabilities.parquet,
     data/cnn/probabilities.parquet.
Out: models/category/ (text.skops, fusion.json), metrics/classify.json,
     plots/classify_confusion.csv, plots/classify_calibration.csv, data/category/:
     probabilities.parquet (by the SVM, of every product, none from a model fitted on it),
     test.parquet (what text and photos together say of each test product) and label_errors.csv
     (products whose category is near-certainly wrong: confident learning, Northcutt et al. 2021).

The baseline of text is a linear SVM on TF-IDF of words and letters, without the encoder, fitted on
categories. Every score is also given for the test products without a near-copy elsewhere.

The SVM is fitted on the train and validation products. How much each model counts is fitted on the
same products, but on answers by models that were fitted without them: the SVM's by
cross-validation, the photos' as train_cnn gives them, the encoder's on the validation products
alone, as it learned from the train products. The test products judge.

probabilities.parquet, which teaches the price model and finds wrong labels, leaves the encoder out:
for train products it has no answer that was not learned by heart, and a feature must mean the same
in train and test rows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
from cleanlab.filter import find_label_issues
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import LinearSVC

from market.core.atomic import replace_when_done, write_json
from market.core.cluster import cluster
from market.core.params import load_params
from market.core.paths import require
from market.core.stage import progress, stage
from market.core.workers import worker_count
from market.models.fusion import average_photos, fit_weights, pool, text_probabilities
from market.models.labels import Labels, subcategory_labels, sum_by_category
from market.models.metrics import macro_f1, majority_accuracy, score
from market.models.skops_files import save_model
from market.models.text_encoder import EMBEDDING, with_embedding

LISTINGS = Path("data/merged/listings.parquet")
TEXT = Path("data/embeddings/text.parquet")
ENCODER = Path("data/text/probabilities.parquet")
PHOTO = Path("data/cnn/probabilities.parquet")
OUT = Path("data/category")
BINS = 10
FOLDS = 5
MIN_PRODUCTS = 8  # of a subcategory that the text model tells apart


def text_model(
    *,
    c: float,
    min_df: int,
    embedding_weight: float,
    seed: int,
    without: frozenset[str] = frozenset(),
) -> Pipeline:
    """Words, pairs of words and letter groups by TF-IDF beside the sentence encoder's vector.

    Takes the columns name, description and EMBEDDING. A linear SVM: it was 1 to 2 points better
    than logistic regression, and a curve makes probabilities of its margins. Its labels are
    subcategories, which was 0.7 points better than categories. `without` names features to leave
    out.
    """
    words: dict[str, Any] = {"ngram_range": (1, 2), "sublinear_tf": True, "min_df": min_df}
    letters: dict[str, Any] = {"analyzer": "char_wb", "sublinear_tf": True, "min_df": min_df}
    weights = {"name": 2, "name_letters": 2, "embedding": embedding_weight}
    features = [
        ("name", TfidfVectorizer(**words), "name"),
        ("description", TfidfVectorizer(**words), "description"),
        ("name_letters", TfidfVectorizer(ngram_range=(2, 5), **letters), "name"),
        ("letters", TfidfVectorizer(ngram_range=(3, 5), **letters), "description"),
        ("embedding", "passthrough", EMBEDDING),
    ]
    kept = [feature for feature in features if feature[0] not in without]
    transformer = ColumnTransformer(
        kept, transformer_weights={name: weights[name] for name, *_ in kept if name in weights}
    )
    return make_pipeline(transformer, LinearSVC(C=c, random_state=seed))


def without_words(products: pd.DataFrame, settings: dict[str, Any]) -> frozenset[str]:
    """Return the features of `text_model` that find no term in these products.

    An empty column has none, names that are codes have none twice, and `min_df` may rule all out.
    """
    empty = set()
    for name, vectorizer, column in text_model(**settings)[0].transformers:
        if vectorizer == "passthrough":
            continue
        try:
            clone(vectorizer).fit(products[column])
        except ValueError:  # scikit-learn's only sign of an empty vocabulary
            empty.add(name)
    return frozenset(empty)


def calibration(probabilities: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """For BINS equal ranges of the highest probability: confidence, accuracy and count."""
    confidence, correct = probabilities.max(1), probabilities.argmax(1) == labels
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    table = pd.DataFrame({"bin": bins, "confidence": confidence, "accuracy": correct})
    return table.groupby("bin").agg(
        confidence=("confidence", "mean"), accuracy=("accuracy", "mean"), n=("accuracy", "size")
    )


def calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Expected calibration error over BINS confidences."""
    bins = calibration(probabilities, labels)
    gap = (bins["confidence"] - bins["accuracy"]).abs()
    return float((gap * bins["n"]).sum() / len(labels))


def fit_text(settings: dict[str, Any], products: pd.DataFrame, codes: np.ndarray) -> Pipeline:
    """Fit `text_model`, or what of it finds a term in `products`.

    Weights are then halved in size, to float32: there are 92 of each of 200,000 words.
    """
    try:
        model = text_model(**settings).fit(products, codes)
    except ValueError:
        empty = without_words(products, settings)
        if not empty:
            raise
        left_out = settings.get("without", frozenset()) | empty
        model = text_model(**settings | {"without": left_out}).fit(products, codes)
    model[-1].coef_ = model[-1].coef_.astype(np.float32)
    return model


def feature_names(model: Pipeline) -> set[str]:
    return {name for name, *_ in model[0].transformers}


def text_out_of_fold(
    products: pd.DataFrame, labels: Labels, settings: dict[str, Any], curve: dict[str, float]
) -> np.ndarray:
    """Return (n, labels) probabilities, each row from a model fitted without its group.

    NaN where the products without its group are too few to fit one, or all of one label.
    """
    count = min(FOLDS, products["group"].nunique())
    probabilities = np.full((len(products), len(labels.names)), np.nan)
    if count < 2:
        return probabilities
    folds = GroupKFold(count, shuffle=True, random_state=settings["seed"])
    parts = [
        part
        for part in folds.split(products, groups=products["group"])
        if len(set(labels.codes[part[0]])) > 1
    ]

    # The rows come with the function: arrays as arguments would be kept by one worker of a cluster,
    # and when that dies the task cannot run again.
    def answer(fold: int) -> np.ndarray:
        fitted, left_out = parts[fold]
        model = fit_text(settings, products.iloc[fitted], labels.codes[fitted])
        return text_probabilities(model, products.iloc[left_out], len(labels.names), **curve)

    with cluster():
        answers = Parallel(worker_count(), return_as="generator")(
            delayed(answer)(fold) for fold in range(len(parts))
        )
        answered = progress(answers, total=len(parts), desc="cross-validate", unit="fold")
        for (_, left_out), found in zip(parts, answered, strict=True):
            probabilities[left_out] = found
    return probabilities


def label_errors(
    products: pd.DataFrame, probabilities: np.ndarray, labels: np.ndarray, classes: list[str]
) -> pd.DataFrame:
    """The products whose category is likely wrong, the surest first: product_id, split, category,
    suggested, and the probability of either."""
    found = np.empty(0, int)
    if len(labels):
        found = find_label_issues(
            labels,
            probabilities,
            return_indices_ranked_by="self_confidence",
            filter_by="both",
            n_jobs=1,
        )
    suggested = probabilities[found].argmax(1)
    names = np.array(classes)
    return pd.DataFrame(
        {
            "product_id": products["product_id"].to_numpy()[found],
            "split": products["split"].to_numpy()[found],
            "category": names[labels[found]],
            "p_category": probabilities[found, labels[found]].round(4),
            "suggested": names[suggested],
            "p_suggested": probabilities[found, suggested].round(4),
        }
    )


@stage
def main() -> str:
    params = load_params("classify").model_dump()
    levels = params.pop("label_depth")
    curve = {
        "sharpness": params.pop("calibration_slope"),
        "threshold": params.pop("calibration_midpoint"),
    }
    require(LISTINGS, TEXT, ENCODER, PHOTO)
    columns = ["product_id", "name", "description", "category", "category_levels"]
    products = pd.read_parquet(LISTINGS, columns=[*columns, "split", "group", "has_near_copy"])
    products = products.drop_duplicates("product_id")
    vectors = pd.read_parquet(TEXT).set_index("product_id").loc[products["product_id"]]
    products = with_embedding(products, vectors.to_numpy())
    classes = sorted(products["category"].unique())
    labels = pd.Categorical(products["category"], classes).codes
    test = (products["split"] == "test").to_numpy()
    known = ~test

    finer = subcategory_labels(
        products["category_levels"][known], classes, depth=levels, min_rows=MIN_PRODUCTS
    )
    model = fit_text(params, products[known], finer.codes)
    baseline = fit_text(
        params | {"without": frozenset({"embedding"})}, products[known], labels[known]
    )
    by_label = np.empty((len(products), len(finer.names)))
    by_label[known] = text_out_of_fold(products[known], finer, params, curve)
    by_label[test] = text_probabilities(model, products[test], len(finer.names), **curve)
    ids = products["product_id"]
    photos = pd.read_parquet(PHOTO)
    finetuned = pd.read_parquet(ENCODER).set_index("product_id")[classes]
    models = {
        "svm": sum_by_category(by_label, finer.parents, len(classes)),
        "encoder": finetuned.reindex(ids).to_numpy(),  # NaN of the train products
        "photo": average_photos(photos[classes].to_numpy(), photos["product_id"], ids),
    }
    counts = np.bincount(labels[known], minlength=len(classes))
    shares = (counts + 1) / (counts + 1).sum()
    weights = fit_weights({name: of[known] for name, of in models.items()}, labels[known])

    def pooled(*names: str) -> np.ndarray:
        return pool({name: models[name][test] for name in names}, weights, shares)

    answers = {
        "text_svm": pooled("svm"),
        "text_encoder": pooled("encoder"),
        "text": pooled("svm", "encoder"),
        "photo": pooled("photo"),
        "fused": pooled(*models),
    }
    by_svm = pool({"svm": models["svm"]}, weights, shares)
    # Of all products, as none of these answers is by a model that was fitted on the product.
    readable = ~np.isnan(models["svm"]).any(1)
    errors = label_errors(products[readable], by_svm[readable], labels[readable], classes)
    metrics: dict[str, Any] = {
        name: score(answer, labels[test]) | {"ece": calibration_error(answer, labels[test])}
        for name, answer in answers.items()
    }
    alone = ~products.loc[test, "has_near_copy"].to_numpy()
    if alone.any():
        metrics |= {
            f"{name}_without_near_copies": score(answers[name][alone], labels[test][alone])
            for name in ("text", "photo", "fused")
        }
    by_baseline = baseline.predict(products[test])
    skipped = sorted(feature_names(text_model(**params)) - feature_names(model))
    metrics |= {
        "text_baseline": {
            "accuracy": float(accuracy_score(labels[test], by_baseline)),
            "macro_f1": macro_f1(labels[test], by_baseline),
            "n": int(test.sum()),
        },
        "features_without_terms": skipped,
        "majority_accuracy": majority_accuracy(labels[known], labels[test]),
        "label_errors": len(errors),
        "without_photo": int(np.isnan(models["photo"][test]).any(1).sum()),
        "n": int(test.sum()),
        "seed": params["seed"],
    }

    with replace_when_done(Path("models/category")) as folder:
        folder.mkdir()
        save_model(model, folder / "text.skops")
        write_json(
            folder / "fusion.json",
            {
                "classes": classes,
                "class_shares": shares.tolist(),
                "parents": finer.parents.tolist(),
                "curve": curve,
                "weights": weights,
            },
        )
    names = np.array(classes)
    confusion = pd.DataFrame(
        {"actual": names[labels[test]], "predicted": names[answers["fused"].argmax(1)]}
    )
    with replace_when_done(OUT) as folder:
        folder.mkdir()
        probabilities = pd.DataFrame(by_svm, ids, classes).reset_index()
        probabilities.to_parquet(folder / "probabilities.parquet", index=False)
        answered = confusion.assign(
            product_id=ids[test].to_numpy(), confidence=answers["fused"].max(1)
        )
        answered.to_parquet(folder / "test.parquet", index=False)
        errors.to_csv(folder / "label_errors.csv", index=False)
    with replace_when_done(Path("plots/classify_confusion.csv")) as path:
        confusion.to_csv(path, index=False)
    with replace_when_done(Path("plots/classify_calibration.csv")) as path:
        calibration(answers["fused"], labels[test]).to_csv(path, float_format="%.6f")
    write_json(Path("metrics/classify.json"), metrics)
    if skipped:
        click.echo(f"no term in as many products as classify.min_df: {', '.join(skipped)} left out")
    return (
        ", ".join(f"{name} {metrics[name]['accuracy']:.3f}" for name in ("text", "photo", "fused"))
        + f": accuracy per product, n={metrics['n']}"
    )


if __name__ == "__main__":
    main()
