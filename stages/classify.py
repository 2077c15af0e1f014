"""Predict the category from a listing's text, and from text and photos together.

In:  data/merged/listings.parquet, data/embeddings/text.parquet, data/cnn/probabilities.parquet.
Out: models/category/ (text.skops, fusion.json), metrics/classify.json,
     plots/classify_confusion.csv, plots/classify_calibration.csv.

The text model is fitted on the train products. How the text's and the photos' probabilities are
pooled is fitted on the validation products, which neither model has seen. The test products judge.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import accuracy_score, f1_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import LinearSVC

from shared.atomic import replace_when_done, write_json
from shared.inputs import require
from shared.model_file import save_model
from shared.params import load_params
from shared.pooling import average_photos, fit_weights, pool, text_probabilities
from shared.text_encoder import EMBEDDING, with_embedding

LISTINGS = Path("data/merged/listings.parquet")
TEXT = Path("data/embeddings/text.parquet")
PHOTO = Path("data/cnn/probabilities.parquet")
BINS = 10


def text_model(*, c: float, min_df: int, embedding_weight: float, seed: int) -> Pipeline:
    """Words, pairs of words and letter groups by TF-IDF beside the sentence encoder's vector.

    Takes the columns name, description and EMBEDDING. A linear SVM: it was 1 to 2 points better
    than logistic regression, and the pooling makes probabilities of its margins.
    """
    words: dict[str, Any] = {"ngram_range": (1, 2), "sublinear_tf": True, "min_df": min_df}
    letters: dict[str, Any] = {"analyzer": "char_wb", "sublinear_tf": True, "min_df": min_df}
    features = ColumnTransformer(
        [
            ("name", TfidfVectorizer(**words), "name"),
            ("description", TfidfVectorizer(**words), "description"),
            ("name_letters", TfidfVectorizer(ngram_range=(2, 5), **letters), "name"),
            ("letters", TfidfVectorizer(ngram_range=(3, 5), **letters), "description"),
            ("embedding", "passthrough", EMBEDDING),
        ],
        transformer_weights={"name": 2, "name_letters": 2, "embedding": embedding_weight},
    )
    return make_pipeline(features, LinearSVC(C=c, random_state=seed))


def calibration(probabilities: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """For BINS equal ranges of the highest probability: confidence, accuracy and count."""
    confidence, correct = probabilities.max(1), probabilities.argmax(1) == labels
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    table = pd.DataFrame({"bin": bins, "confidence": confidence, "accuracy": correct})
    return table.groupby("bin").agg(
        confidence=("confidence", "mean"), accuracy=("accuracy", "mean"), n=("accuracy", "size")
    )


def score(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Accuracy, macro F1 and the expected calibration error over BINS ranges of confidence."""
    predicted = probabilities.argmax(1)
    bins = calibration(probabilities, labels)
    gap = (bins["confidence"] - bins["accuracy"]).abs()
    return {
        "accuracy": float(accuracy_score(labels, predicted)),
        "macro_f1": float(f1_score(labels, predicted, average="macro", zero_division=0)),
        "ece": float((gap * bins["n"]).sum() / len(labels)),
        "n": len(labels),
    }


@click.command(help=__doc__)
def main() -> None:
    params = load_params("classify")
    require(LISTINGS, TEXT, PHOTO)
    columns = ["product_id", "name", "description", "category", "split"]
    products = pd.read_parquet(LISTINGS, columns=columns).drop_duplicates("product_id")
    vectors = pd.read_parquet(TEXT).set_index("product_id").loc[products["product_id"]]
    products = with_embedding(products, vectors.to_numpy())
    classes = sorted(products["category"].unique())
    labels = pd.Categorical(products["category"], classes).codes
    of = {name: (products["split"] == name).to_numpy() for name in ("train", "val", "test")}

    model = text_model(**params)
    model.fit(products[of["train"]], labels[of["train"]])
    from_text = np.full((len(products), len(classes)), np.nan)
    for name in ("val", "test"):
        from_text[of[name]] = text_probabilities(model, products[of[name]], len(classes))
    photos = pd.read_parquet(PHOTO)
    from_photo = average_photos(
        photos[classes].to_numpy(), photos["product_id"], products["product_id"]
    )

    counts = np.bincount(labels[of["train"]], minlength=len(classes))
    shares = (counts + 1) / (counts + 1).sum()
    val, test = of["val"], of["test"]
    weights = fit_weights(from_text[val], from_photo[val], labels[val])

    def pooled(text: np.ndarray, photo: np.ndarray) -> np.ndarray:
        return pool(text, photo, weights, shares)

    nothing = np.full_like(from_text, np.nan)
    answers = {
        "text": pooled(from_text[test], nothing[test]),
        "photo": pooled(nothing[test], from_photo[test]),
        "fused": pooled(from_text[test], from_photo[test]),
    }
    metrics: dict[str, Any] = {
        name: score(answer, labels[test]) for name, answer in answers.items()
    }
    metrics |= {
        "majority_accuracy": float(np.mean(labels[test] == counts.argmax())),
        "without_photo": int(np.isnan(from_photo[test]).any(1).sum()),
        "n": int(test.sum()),
        "seed": params["seed"],
    }

    with replace_when_done(Path("models/category")) as folder:
        folder.mkdir()
        save_model(model, folder / "text.skops")
        write_json(
            folder / "fusion.json",
            {"classes": classes, "class_shares": shares.tolist(), "weights": weights},
        )
    names = np.array(classes)
    with replace_when_done(Path("plots/classify_confusion.csv")) as path:
        pd.DataFrame(
            {"actual": names[labels[test]], "predicted": names[answers["fused"].argmax(1)]}
        ).to_csv(path, index=False)
    with replace_when_done(Path("plots/classify_calibration.csv")) as path:
        calibration(answers["fused"], labels[test]).to_csv(path, float_format="%.6f")
    write_json(Path("metrics/classify.json"), metrics)
    click.echo(
        ", ".join(f"{name} {metrics[name]['accuracy']:.3f}" for name in answers)
        + f": accuracy per product, n={metrics['n']}"
    )


if __name__ == "__main__":
    main()
