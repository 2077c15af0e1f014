"""Score new listings, in the raw format, with the trained models: category and price.

In:  a folder with Products.csv and, where there are any, Images.csv and images/ (category and price
     may be empty or absent); models/category, models/cnn, models/embed, models/price,
     models/text.
Out: a .csv or .parquet file with a row per row of Products.csv: product_id, category, price in
     pounds, price_low and price_high (the interval that holds 80 % of prices, or the share in
     params regress.coverage, on average over listings like those learned from), price_flag
     ("placeholder", "far below" or "far above", of the price that the listing asks; else empty),
     and p_<class>, the probability of each class. Beside it, <name>.rejects.csv lists the photos
     that cannot be used and the prices that cannot be read, and why.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed

from market.core.atomic import replace_when_done
from market.core.cluster import cluster
from market.core.errors import MarketError
from market.core.params import load_params
from market.core.paths import require
from market.core.stage import progress, stage
from market.core.torch_setup import set_up_torch
from market.core.workers import keep
from market.data.images import UnusablePhoto, decode_photo, limits_of, to_jpeg
from market.data.listings import clean_products, price_faults
from market.data.photo_files import read_images
from market.data.photo_store import open_photo
from market.data.rejects import check_nothing_lost, reject_files
from market.data.schemas import IMAGES_SCHEMA, check_rows, products_schema
from market.data.tables import (
    ignored_column_messages,
    ignored_columns,
    not_found_message,
    read_table,
)
from market.models.backbones import Classifier
from market.models.fusion import average_photos, pool, text_probabilities
from market.models.labels import sum_by_category
from market.models.photo_reader import PhotoReader
from market.models.price import PriceModel, flag_prices, price_table
from market.models.skops_files import load_model
from market.models.text_classifier import TextClassifier
from market.models.text_encoder import encode_texts, load_text_encoder, with_embedding

CATEGORY = Path("models/category")
CNN = Path("models/cnn")
EMBED = Path("models/embed")
PRICE = Path("models/price")
TEXT = Path("models/text")
BATCH = 64


def load_network(folder: Path, device: torch.device) -> tuple[Classifier, dict]:
    """Return a saved network and what model.json says of it."""
    require(folder / "model.json", folder / "model.safetensors")
    about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    model = Classifier.load(folder / "model.safetensors", about["backbone"])
    return model.to(device).for_inference(), about


def load_text_classifier(device: torch.device) -> tuple[TextClassifier, dict]:
    """Return the fine-tuned sentence encoder and what model.json says of it."""
    require(TEXT / "model.json", TEXT / "model.safetensors")
    about = json.loads((TEXT / "model.json").read_text(encoding="utf-8"))
    shape = {name: about[name] for name in ("tokens", "frozen")}
    model = TextClassifier(load_text_encoder(str(device)), len(about["labels"]), **shape)
    return model.load(TEXT / "model.safetensors"), about


class PhotoModels:
    """What the networks make of a photo: features for the price, probabilities of the labels."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        require(EMBED / "model.json", EMBED / "model.safetensors")
        self.reader = PhotoReader.load(
            EMBED, device, load_network=Classifier.load, encode=to_jpeg, decode=open_photo
        )
        self.width = self.reader.model.width
        self.classifier, self.about = load_network(CNN, device)

    # A cluster's worker reads the files itself, once, rather than receiving the networks.
    def __reduce__(self) -> tuple:
        files = [folder / "model.safetensors" for folder in (EMBED, CNN)]
        stamp = tuple((path.stat().st_size, path.stat().st_mtime_ns) for path in files)
        return kept_models, (stamp,)

    def __call__(self, photos: np.ndarray) -> np.ndarray:
        """Return (n, width + labels) for (n, 3, side, side) uint8."""
        with torch.inference_mode():
            features = self.reader.features(photos)
            # Where only the new layer was trained, both networks are one: one pass is enough.
            if self.about["finetuned"]:
                logits = self.classifier(torch.from_numpy(photos).to(self.device))
            else:
                logits = self.classifier.head(features)
            return torch.cat([features, logits.softmax(1)], 1).cpu().numpy()


def kept_models(stamp: tuple) -> PhotoModels:
    """The models with this stamp, loaded once in each process."""
    return keep("predict photos", stamp, lambda: PhotoModels(set_up_torch(seed=0)))


def read_some(models: PhotoModels, sources: Sequence[Path | bytes], limits: dict) -> list:
    """For each photo what `models` make of it, or the reason why it cannot be used."""
    squares: list[np.ndarray] = []
    answers: list[np.ndarray | str | None] = []
    for source in sources:
        try:
            picture, _, _ = decode_photo(source, **limits)
        except UnusablePhoto as reason:
            answers.append(str(reason))
        else:
            squares.append(models.reader.pixels(picture))
            answers.append(None)
    computed = iter(models(np.stack(squares))) if squares else iter(())
    return [next(computed) if answer is None else answer for answer in answers]


def read_photos(
    models: PhotoModels, sources: Sequence[Path | bytes], limits: dict
) -> Iterator[np.ndarray | str]:
    """As `read_some`, a batch at a time: on the cluster, else here, where torch has all cores.

    `limits` are those of `decode_photo`: size, min_side and max_megapixels.
    """
    batches = [sources[start : start + BATCH] for start in range(0, len(sources), BATCH)]
    parallel = Parallel(n_jobs=1, return_as="generator")
    found = parallel(delayed(read_some)(models, batch, limits) for batch in batches)
    for answers in progress(found, total=len(batches), desc="photos", unit=f"{BATCH} photos"):
        yield from answers


class Predictor:
    """The trained models, loaded once, and what they say of new listings."""

    def __init__(self, device: torch.device) -> None:
        self.photo_models = PhotoModels(device)
        self.text_model = load_model(CATEGORY / "text.skops")
        self.finetuned, self.about_finetuned = load_text_classifier(device)
        require(CATEGORY / "fusion.json", PRICE / "margins.json")
        margins = json.loads((PRICE / "margins.json").read_text(encoding="utf-8"))
        self.price_model = PriceModel.assemble(
            lambda name: load_model(PRICE / f"{name}.skops"), margins
        )
        self.fusion = json.loads((CATEGORY / "fusion.json").read_text(encoding="utf-8"))
        self.classes = self.fusion["classes"]
        limits = load_params("clean")
        self.placeholder_above = limits.placeholder_above
        self.photo_limits = limits_of(limits)
        self.encoder = load_text_encoder(str(device))

    def __call__(
        self, rows: pd.DataFrame, photo_of: pd.Series, sources: Sequence[Path | bytes]
    ) -> tuple[pd.DataFrame, list[str | None]]:
        """Return the table that is written (a row per row) and, per photo, why it cannot be used.

        `rows` are those of Products.csv, checked, one at least; `photo_of` (m,) is the id of each
        photo's product, `sources` (m,) its file or bytes.
        """
        products = clean_products(rows, placeholder_above=self.placeholder_above)
        answers = list(read_photos(self.photo_models, sources, self.photo_limits))
        usable = np.array([not isinstance(answer, str) for answer in answers], dtype=bool)
        width, labels = self.photo_models.width, len(self.photo_models.about["labels"])
        seen = np.array([a for a in answers if not isinstance(a, str)], dtype=np.float32)
        by_product = average_photos(
            seen.reshape(-1, width + labels),
            photo_of[usable],
            products["product_id"],
        )
        vectors = encode_texts(self.encoder, products["name"], products["description"], BATCH)
        by_label = text_probabilities(
            self.text_model,
            with_embedding(products, vectors),
            len(self.fusion["parents"]),
            **self.fusion["curve"],
        )
        labelled = {
            "svm": (by_label, self.fusion),
            "encoder": (self.finetuned.probabilities(products), self.about_finetuned),
            "photo": (by_product[:, width:], self.photo_models.about),
        }
        models = {
            name: sum_by_category(of, np.array(about["parents"]), len(self.classes))
            for name, (of, about) in labelled.items()
        }
        pooling = self.fusion["weights"], self.fusion["class_shares"]
        probabilities = pool(models, *pooling)
        # The price model has learned from what this one alone says of the category.
        of_text = pool({"svm": models["svm"]}, *pooling)
        prices = self.price_model.predict(
            price_table(products, vectors, by_product[:, :width], of_text)
        )
        table = pd.DataFrame(
            {
                "product_id": products["product_id"],
                "category": np.array(self.classes)[probabilities.argmax(1)],
                **{name: prices[name].round(2) for name in ("price", "price_low", "price_high")},
                "price_flag": flag_prices(
                    products["price"], products["price_is_placeholder"], prices
                ),
            }
        )
        for position, name in enumerate(self.classes):
            table[f"p_{name}"] = probabilities[:, position]
        return table, [answer if isinstance(answer, str) else None for answer in answers]


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write .csv or .parquet, whole or not at all."""
    with replace_when_done(path) as temporary:
        if path.suffix == ".parquet":
            table.to_parquet(temporary, index=False)
        else:
            table.to_csv(temporary, index=False, lineterminator="\n")


def say_not_read(raw: Path, tables: dict[str, tuple[pd.DataFrame, list[str]]]) -> list[str]:
    """Return a line for each part of a raw folder that is absent, and each column not read.

    `tables` has each table by its file's name, with the columns that are read.
    """
    lines = [
        line
        for name, (table, read) in tables.items()
        for line in ignored_column_messages(raw / name, ignored_columns(table, read), read, table)
    ]
    if not (raw / "Images.csv").exists():
        lines.append(f"{not_found_message(raw / 'Images.csv')}: no photo is read")
    if not (raw / "images").is_dir():
        fault = f"{raw / 'images'} is no folder" if (raw / "images").exists() else ""
        lines.append(f"{fault or not_found_message(raw / 'images')}: no photo is read")
    return lines


@stage
@click.option("--raw", type=click.Path(path_type=Path), required=True, help="Folder of listings.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help=".csv or .parquet")
def main(raw: Path, out: Path) -> str:
    if out.suffix not in (".csv", ".parquet"):
        raise MarketError(f"--out {out}: its name must end in .csv or .parquet")
    predictor = Predictor(set_up_torch(seed=0))
    path, schema = raw / "Products.csv", products_schema(labelled=False)
    listings = read_table(path)
    rows, _ = check_rows(listings, schema, path)
    if rows.empty:
        raise MarketError(f"{path} has no rows")
    # A row with such a price has its answer all the same, but for the flag.
    _, unread = check_rows(listings, schema, path, price_faults(listings))
    photos, rejects, _, images = read_images(raw, rows["id"], partial=True)
    tables = {
        "Products.csv": (listings, list(schema.columns)),
        "Images.csv": (images, list(IMAGES_SCHEMA.columns)),
    }
    for line in say_not_read(raw, tables):
        click.echo(line)
    with cluster():
        table, reasons = predictor(rows, photos["product_id"], photos["path"].tolist())
    check_nothing_lost(path, len(listings), len(table), 0)
    check_nothing_lost(raw / "images", len(photos), len(reasons), 0)
    write_table(table, out)
    usable = np.array([reason is None for reason in reasons], dtype=bool)
    unusable = reject_files(
        photos.loc[~usable, "path"].tolist(), [reason for reason in reasons if reason is not None]
    )
    rejects = pd.concat([unread, rejects, unusable], ignore_index=True)
    write_table(rejects, out.with_suffix(".rejects.csv"))
    without = int((~table["product_id"].isin(photos.loc[usable, "product_id"])).sum())
    return (
        f"{len(table)} products in {out}, {without} of them without a usable photo, {len(unread)} "
        f"with a price that was not read; {len(rejects)} rejects"
    )


if __name__ == "__main__":
    main()
