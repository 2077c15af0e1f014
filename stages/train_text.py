"""Train the text classifier: fine-tune the sentence encoder on subcategories.

In:  data/merged/listings.parquet.
Out: models/text; data/text/probabilities.parquet, the probabilities of categories of each
     validation and test product (NaN without a text); metrics/train_text.json;
     plots/train_text.csv, loss and accuracy of each epoch.

Only train products are learned from, so that predictions for validation products show how far
`classify` can trust the classifier. Train loss (of subcategories, smoothed) and validation loss (of
categories) are on different scales: compare each with itself over the epochs.

An interrupted training resumes from runs/checkpoints when started again with the same data, code
and params, and ends with the same weights. CHECKPOINT_SECONDS (default 60) is an environment
variable.
"""

from __future__ import annotations

import click

from market.core.atomic import replace_when_done, write_json
from market.core.params import load_params
from market.core.paths import (
    LISTINGS,
    METRICS,
    TEXT_CLASSIFIER,
    TEXT_CURVES,
    TEXT_PROBABILITIES,
    require,
)
from market.core.stage import stage
from market.core.torch_setup import set_up_torch
from market.models.checkpoints import training_key
from market.models.labels import NO_CATEGORIES
from market.models.text_classifier import TextClassifier
from market.models.text_training import (
    LabelledTexts,
    new_text_classifier,
    predict_held_out,
    score_texts,
    text_phase,
)
from market.models.training import epoch_message, new_checkpoint, run_phases, write_history


def skip(data: LabelledTexts, classifier: TextClassifier) -> str:
    """Write outputs without training, because no listing has a category."""
    classifier.save(TEXT_CLASSIFIER)
    with replace_when_done(TEXT_PROBABILITIES) as path:
        predict_held_out(data, classifier).to_parquet(path, index=False)
    write_history(TEXT_CURVES, [])
    write_json(METRICS / "train_text.json", {"n": 0, "skipped": NO_CATEGORIES})
    return f"no text classifier was trained: {NO_CATEGORIES}"


@stage
def main() -> str:
    settings = load_params("train_text")
    require(LISTINGS)
    device = set_up_torch(settings.seed)
    data = LabelledTexts.load(LISTINGS)
    labels = data.labels(settings.label_depth)
    classifier = new_text_classifier(data, labels, settings, device)
    if not data.classes:
        return skip(data, classifier)
    phase = text_phase(data, labels, classifier, settings)

    checkpoint = new_checkpoint(training_key(LISTINGS, settings, device=device))
    progress = run_phases(
        [phase],
        checkpoint,
        report=lambda row: click.echo(epoch_message(row)),
        announce=click.echo,
    )

    predictions = predict_held_out(data, classifier)
    metrics = score_texts(data, predictions)
    metrics |= {"labels": len(labels.names), "epochs": settings.epochs, "seed": settings.seed}
    classifier.save(TEXT_CLASSIFIER)
    with replace_when_done(TEXT_PROBABILITIES) as path:
        predictions.to_parquet(path, index=False)
    write_history(TEXT_CURVES, progress.history)
    write_json(METRICS / "train_text.json", metrics)
    checkpoint.remove()
    test = metrics["test"]
    return f"test accuracy {test['accuracy']:.3f} by text alone, n={test['n']}"


if __name__ == "__main__":
    main()
