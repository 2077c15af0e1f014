"""Predict the category from the text by fine-tuning the sentence encoder on subcategories.

In:  data/merged/listings.parquet.
Out: models/text/ (model.safetensors, model.json), metrics/train_text.json, plots/train_text.csv
     (loss and accuracy of every epoch), data/text/probabilities.parquet (of the categories, for
     each validation and test product; NaN without a text).

It learns from the train products alone, so that its answers to the validation products are honest:
`classify` learns from them how far to trust it. The train loss is of the subcategories, smoothed,
the validation loss of the categories: each is for following its own way down, not for comparing
with the other.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import torch
from torch import nn

from market.core.atomic import replace_when_done, write_json
from market.core.params import load_params
from market.core.paths import require
from market.core.stage import progress, stage
from market.core.torch_setup import set_up_torch
from market.models.labels import finer_labels, sum_by_category
from market.models.metrics import loss_and_accuracy, majority_accuracy, score
from market.models.text_classifier import TextClassifier, join_text
from market.models.text_encoder import load_text_encoder

LISTINGS = Path("data/merged/listings.parquet")
OUT = Path("models/text")
PROBABILITIES = Path("data/text/probabilities.parquet")

WARM_UP = 0.1  # share of the steps in which the learning rates rise
# Norm of the gradient of all weights, encoder and new layer; a longer one is cut to this length:
# one odd listing must not undo a lot.
LARGEST_GRADIENT = 1.0
SORTED_TOGETHER = 16  # batches' worth of texts that are put in order of length
MIN_PRODUCTS = 8  # of a subcategory that gets an output of its own


def batches_by_length(
    lengths: np.ndarray, batch_size: int, generator: np.random.Generator
) -> list[np.ndarray]:
    """Deal all positions into batches of texts about as long as one another, in random order.

    A batch is padded to its longest text, so that mixed lengths would double the work. Sorting a
    few batches' worth at a time keeps who meets whom random.
    """
    order = generator.permutation(len(lengths))
    batches: list[np.ndarray] = []
    for start in range(0, len(order), SORTED_TOGETHER * batch_size):
        some = order[start : start + SORTED_TOGETHER * batch_size]
        some = some[np.argsort(lengths[some], kind="stable")]
        batches += [some[of : of + batch_size] for of in range(0, len(some), batch_size)]
    return [batches[position] for position in generator.permutation(len(batches))]


def train(
    model: TextClassifier,
    texts: list[str],
    codes: np.ndarray,
    evaluate: Callable[[], dict[str, float]],
    report: Callable[[dict[str, Any]], None],
    *,
    epochs: int,
    batch_size: int,
    lr: float,
    head_lr: float,
    weight_decay: float,
    label_smoothing: float,
    seed: int,
) -> list[dict[str, Any]]:
    """Train `model` by AdamW on cross-entropy: `codes` are the labels of `texts`.

    Returns a row for each epoch, `report`ed as it ends: epoch, train_loss (of its batches as they
    were learned from) and what `evaluate` says as val_….
    """
    tokens = model.tokenize(texts)
    lengths = np.array([len(of) for of in tokens])
    labels = torch.from_numpy(codes).to(model.head.weight.device)
    generator = np.random.default_rng(seed)
    learned = model.learned()
    body = [weight for name, weight in learned.items() if not name.startswith("head.")]
    rates = [lr, head_lr]
    groups = [
        {"params": of, "lr": rate}
        for of, rate in zip((body, model.head.parameters()), rates, strict=True)
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=weight_decay)
    steps = epochs * -(-len(tokens) // batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rates, steps, pct_start=WARM_UP, cycle_momentum=False
    )
    loss_of = nn.CrossEntropyLoss(label_smoothing=label_smoothing)
    history: list[dict[str, Any]] = []
    bar = progress(total=steps, desc="train", unit="step")
    for epoch in range(1, epochs + 1):
        model.train()
        total = 0.0
        for rows in batches_by_length(lengths, batch_size, generator):
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(model([tokens[row] for row in rows]), labels[rows])
            loss.backward()
            nn.utils.clip_grad_norm_(learned.values(), LARGEST_GRADIENT)
            optimizer.step()
            schedule.step()
            total += loss.item() * len(rows)
            bar.update()
        found = {f"val_{name}": of for name, of in evaluate().items()}
        history.append({"epoch": epoch, "train_loss": total / len(tokens), **found})
        report(history[-1])
    bar.close()
    return history


@stage
def main() -> str:
    params = load_params("train_text").model_dump()
    levels = params.pop("label_depth")
    shape = {"tokens": params.pop("max_tokens"), "frozen": params.pop("frozen_layers")}
    params["lr"], params["head_lr"] = params.pop("learning_rate"), params.pop("head_learning_rate")
    dropout = params.pop("dropout")
    require(LISTINGS)
    device = set_up_torch(params["seed"])
    columns = ["product_id", "name", "description", "category", "category_levels", "split"]
    products = pd.read_parquet(LISTINGS, columns=columns).drop_duplicates("product_id")
    classes = sorted(products["category"].unique())
    products["label"] = pd.Categorical(products["category"], classes).codes
    judged = products[products["split"] != "train"]
    products = products[join_text(products) != ""]
    of_split = {name: products[products["split"] == name] for name in ("train", "val", "test")}
    labels = finer_labels(
        of_split["train"]["category_levels"], classes, depth=levels, min_rows=MIN_PRODUCTS
    )
    model = TextClassifier(
        load_text_encoder(str(device)), len(labels.names), dropout=dropout, **shape
    )

    def by_category(table: pd.DataFrame) -> np.ndarray:
        return sum_by_category(model.probabilities(table), labels.parents, len(classes))

    def evaluate() -> dict[str, float]:
        of = of_split["val"]
        return loss_and_accuracy(by_category(of), of["label"].to_numpy())

    history = train(
        model,
        join_text(of_split["train"]).tolist(),
        labels.codes,
        evaluate,
        lambda row: click.echo(
            f"epoch {row['epoch']}: loss {row['train_loss']:.3f}, "
            f"validation accuracy {row['val_accuracy']:.3f}"
        ),
        **params,
    )
    found = pd.DataFrame(by_category(judged), judged.index, classes)
    metrics: dict[str, Any] = {
        name: score(found.loc[of.index].to_numpy(), of["label"].to_numpy())
        for name, of in of_split.items()
        if name != "train"
    }
    metrics |= {
        "majority_accuracy": majority_accuracy(
            of_split["train"]["label"], of_split["test"]["label"]
        ),
        "labels": len(labels.names),
        "epochs": params["epochs"],
        "seed": params["seed"],
    }

    with replace_when_done(OUT) as folder:
        folder.mkdir()
        model.save(folder / "model.safetensors")
        write_json(
            folder / "model.json",
            {
                "classes": classes,
                "labels": labels.names,
                "parents": labels.parents.tolist(),
                **shape,
            },
        )
    with replace_when_done(PROBABILITIES) as path:
        answers = pd.concat([judged[["product_id", "split"]], found], axis=1)
        answers.to_parquet(path, index=False)
    with replace_when_done(Path("plots/train_text.csv")) as path:
        pd.DataFrame(history).to_csv(path, index=False, float_format="%.6f")
    write_json(Path("metrics/train_text.json"), metrics)
    test = metrics["test"]
    return f"test accuracy {test['accuracy']:.3f} by text alone, n={test['n']}"


if __name__ == "__main__":
    main()
