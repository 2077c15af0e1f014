"""Predictions for new listings: a row for each, in order, whatever is missing."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner, Result

from market import predict
from market.data.tables import read_table
from market.models.category_classifier import CategoryClassifier
from market.models.predictor import Predictor
from market.models.price_model import PriceModel


@pytest.fixture(scope="module")
def classifier(ran: Path) -> CategoryClassifier:
    return CategoryClassifier.load(ran / "models/category")


@pytest.fixture
def few(ran: Path, tmp_path: Path) -> Path:
    """A raw folder of eight of the sample's products, one of them without a photo."""
    source, folder = ran / "data/sample/raw", tmp_path / "few"
    (folder / "images").mkdir(parents=True)
    images = pd.read_parquet(ran / "data/clean/images.parquet")
    products = read_table(source / "Products.csv")
    bare = ~products["id"].isin(read_table(source / "Images.csv")["product_id"])
    products = pd.concat([products[bare].head(1), products[~bare].head(7)])
    images = images[images["product_id"].isin(products["id"])]
    products.to_csv(folder / "Products.csv", index=False)
    columns = {"image_id": "id"}
    images[["image_id", "product_id"]].rename(columns=columns).to_csv(
        folder / "Images.csv", index=False
    )
    for image_id in images["image_id"]:
        shutil.copy(source / f"images/{image_id}.jpg", folder / "images")
    return folder


@pytest.fixture
def run(ran: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.chdir(ran)

    def invoke(raw: Path, out: Path) -> Result:
        return CliRunner().invoke(predict.main, ["--raw", str(raw), "--out", str(out)])

    return invoke


@pytest.fixture(scope="module")
def predictor(ran: Path) -> Predictor:
    with contextlib.chdir(ran):
        return Predictor(torch.device("cpu"))


@pytest.fixture
def table(
    run: Callable[..., Result],
    predictor: Predictor,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Callable[[Path], pd.DataFrame]:
    """Return table(raw): the predictions for a raw folder, by models that are loaded once."""
    monkeypatch.setattr(predict, "Predictor", lambda device: predictor)

    def read(raw: Path) -> pd.DataFrame:
        result = run(raw, tmp_path / "out.csv")
        assert result.exit_code == 0, result.exception or result.output
        return pd.read_csv(tmp_path / "out.csv", keep_default_na=False)

    return read


def edit(path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    change(read_table(path)).to_csv(path, index=False)


def probabilities(table: pd.DataFrame, classifier: CategoryClassifier) -> pd.DataFrame:
    return table[[f"p_{name}" for name in classifier.classes]]


def assert_whole(table: pd.DataFrame, classifier: CategoryClassifier) -> None:
    p = [f"p_{name}" for name in classifier.classes]
    assert list(table.columns[:6]) == [
        "product_id", "category", "price", "price_low", "price_high", "price_flag",
    ]  # fmt: skip
    assert (table["price_low"] <= table["price"]).all()
    assert (table["price"] <= table["price_high"]).all()
    assert set(p) <= set(table.columns) and len(p) == 13
    np.testing.assert_allclose(table[p].sum(axis=1), 1, rtol=1e-5)
    assert (table[p].to_numpy() >= 0).all()
    assert ("p_" + table["category"]).tolist() == table[p].idxmax(axis=1).tolist()
    assert np.isfinite(table["price"]).all() and (table["price"] >= 0).all()


def test_a_row_for_every_product_in_order(
    ran: Path, run_stage: Callable, classifier: CategoryClassifier, tmp_path: Path
) -> None:
    raw, out = ran / "data/sample/raw", tmp_path / "new/predictions.csv"
    result = run_stage(ran, "predict", "--raw", raw, "--out", out)
    table = pd.read_csv(out)
    assert_whole(table, classifier)
    assert table["product_id"].tolist() == read_table(raw / "Products.csv")["id"].tolist()
    assert f"60 products in {out}" in result.stdout
    # The rejects are those of stage `clean`.
    rejects = pd.read_csv(out.with_name("predictions.rejects.csv"), dtype=str)
    cleaned = pd.read_csv(ran / "data/clean/rejects.csv", dtype=str)
    pd.testing.assert_frame_equal(rejects, cleaned)
    assert sorted(path.name for path in out.parent.iterdir()) == [
        "predictions.csv",
        "predictions.rejects.csv",
    ]


def test_test_products_get_the_predictions_that_were_evaluated(
    table: Callable, ran: Path, classifier: CategoryClassifier
) -> None:
    """Prediction and stage `classify` use the same models, pooled in the same way."""
    evaluated = pd.read_parquet(ran / "data/category/test.parquet").set_index("product_id")
    served = table(ran / "data/sample/raw").set_index("product_id").loc[evaluated.index]
    assert served["category"].tolist() == evaluated["predicted"].tolist()
    confidence = probabilities(served, classifier).max(axis=1)
    np.testing.assert_allclose(confidence, evaluated["confidence"], atol=1e-4)
    expected = pd.read_parquet(ran / "data/price/expected.parquet").set_index("product_id")
    expected = expected.loc[evaluated.index, "price_expected"]
    # A vector that differs in its last digit may fall into another leaf of a tree.
    assert np.isclose(served["price"], expected, rtol=1e-3, atol=0.02).mean() > 0.95


def test_parquet_equals_csv(run: Callable[..., Result], few: Path, tmp_path: Path) -> None:
    for name in ("out.csv", "out.parquet"):
        assert run(few, tmp_path / name).exit_code == 0
    csv = pd.read_csv(tmp_path / "out.csv", keep_default_na=False)
    parquet = pd.read_parquet(tmp_path / "out.parquet")
    pd.testing.assert_frame_equal(csv, parquet, check_dtype=False)
    assert pd.read_csv(tmp_path / "out.rejects.csv").empty, "no row is rejected"


def test_photos_matter_and_their_order_does_not(
    table: Callable, few: Path, classifier: CategoryClassifier
) -> None:
    usual = table(few)
    assert_whole(usual, classifier)
    distinct = probabilities(usual, classifier).round(6).drop_duplicates()
    assert len(distinct) == len(usual)
    for name in ("Products.csv", "Images.csv"):
        edit(few / name, lambda rows: rows.iloc[::-1])
    reverse = table(few)
    assert reverse["product_id"].tolist() == usual["product_id"].tolist()[::-1]
    pd.testing.assert_frame_equal(
        reverse.iloc[::-1].reset_index(drop=True), usual, rtol=1e-3, atol=1e-5
    )


@pytest.mark.parametrize("absent", ["Images.csv", "images"])
def test_without_photos_the_text_is_used(
    table: Callable, few: Path, classifier: CategoryClassifier, ran: Path, absent: str
) -> None:
    with_photos = probabilities(table(few), classifier)
    path = few / absent
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    predicted = table(few)
    assert_whole(predicted, classifier)
    without_photos = probabilities(predicted, classifier)
    assert len(without_photos.drop_duplicates()) == 8
    same = (without_photos - with_photos).abs().max(axis=1) < 1e-4
    assert same.tolist() == [True] + [False] * 7, "only the first never had a photo"
    # On so small a sample the median price may be the best model.
    selected = PriceModel.load(ran / "models/price").estimator.name
    assert (predicted["price"].nunique() == 1) == (selected == "constant")


def test_without_text_the_photos_are_used(
    table: Callable, few: Path, classifier: CategoryClassifier
) -> None:
    texts = ["product_name", "product_description"]
    edit(few / "Products.csv", lambda rows: rows.assign(**dict.fromkeys(texts, "")))
    fused = probabilities(table(few), classifier)
    np.testing.assert_allclose(fused.iloc[0], classifier.class_shares, rtol=1e-6)
    assert not np.isclose(fused.iloc[1:], classifier.class_shares, rtol=1e-3).all(axis=1).any()


def test_labels_are_read_for_the_flag_alone(table: Callable, few: Path) -> None:
    usual = table(few)
    edit(few / "Products.csv", lambda rows: rows.assign(category="", price="ask me"))
    unlabelled = table(few)
    assert (unlabelled["price_flag"] == "").all()
    pd.testing.assert_frame_equal(
        unlabelled.drop(columns="price_flag"), usual.drop(columns="price_flag")
    )
    edit(few / "Products.csv", lambda rows: rows.drop(columns=["category", "price"]))
    pd.testing.assert_frame_equal(table(few), unlabelled)


def test_an_asking_price_is_flagged(table: Callable, few: Path) -> None:
    prices = ["1234567", "0", "99000", "", "", "", "", ""]
    edit(few / "Products.csv", lambda rows: rows.assign(price=prices))
    flags = table(few)["price_flag"].tolist()
    assert flags[:2] == ["placeholder"] * 2 and flags[2] == "far above"
    assert flags[3:] == [""] * 5


def test_an_unreadable_price_is_listed(
    table: Callable, run: Callable[..., Result], few: Path, tmp_path: Path
) -> None:
    prices = ["123,45", "$20", "£1,234,567.00", "1.234,56", "-5", "", "20 GBP", "12345"]
    edit(few / "Products.csv", lambda rows: rows.assign(price=prices))
    flags = table(few)["price_flag"].tolist()
    assert flags[:6] == ["", "", "placeholder", "", "", ""] and flags[7] == "placeholder"
    rejects = pd.read_csv(tmp_path / "out.rejects.csv", dtype=str, keep_default_na=False)
    assert rejects["source"].eq("Products.csv").all()
    assert rejects["record"].tolist() == ["1", "2", "4", "5"]
    amount, negative = "price is not an amount in pounds", "price is negative"
    assert rejects["reason"].tolist() == [amount, f"{amount}, but in $", amount, negative]
    assert "4 with an unreadable price; 4 rejects" in run(few, tmp_path / "out.csv").output


@pytest.mark.parametrize("lack", ["images", "file", "empty", "Images.csv"])
def test_photos_missing_from_the_folder_are_listed(
    table: Callable, run: Callable[..., Result], few: Path, tmp_path: Path, lack: str
) -> None:
    rows = read_table(few / "Images.csv")["id"].tolist()
    if lack == "Images.csv":
        (few / lack).unlink()
    else:
        shutil.rmtree(few / "images")
        if lack == "file":
            (few / "images").touch()
        elif lack == "empty":
            (few / "images").mkdir()
    assert len(table(few)) == 8
    rejects = pd.read_csv(tmp_path / "out.rejects.csv", dtype=str, keep_default_na=False)
    assert sorted(rejects["id"]) == sorted(rows)
    reason = "no row in Images.csv" if lack == "Images.csv" else "no file in images/"
    assert rejects["reason"].eq(reason).all()
    output = run(few, tmp_path / "out.csv").output
    expected = {
        "images": f"{few}/images does not exist: no photo is read",
        "file": f"{few}/images is not a folder: no photo is read",
        "empty": f"{len(rows)} rejects",
        "Images.csv": f"{few}/Images.csv does not exist: no photo is read",
    }
    assert expected[lack] in output


def test_columns_that_are_not_read_are_named(
    table: Callable, run: Callable[..., Result], few: Path, tmp_path: Path
) -> None:
    edit(few / "Products.csv", lambda rows: rows.rename(columns={"product_name": "productName"}))
    table(few)
    output = run(few, tmp_path / "out.csv").output
    assert "column 'productName' (8 values) is not read: rename it if 'product_name'" in output


@pytest.mark.parametrize("price", ["inf", "1e400", "99999999999999999999", "-3", ""])
def test_odd_prices_have_predictions(
    table: Callable, few: Path, classifier: CategoryClassifier, price: str
) -> None:
    edit(few / "Products.csv", lambda rows: rows.assign(price=price))
    assert_whole(table(few), classifier)


@pytest.mark.parametrize("column", ["product_name", "product_description", "location"])
def test_a_field_may_be_empty(
    table: Callable, few: Path, classifier: CategoryClassifier, column: str
) -> None:
    edit(few / "Products.csv", lambda rows: rows.assign(**{column: ""}))
    predicted = table(few)
    assert_whole(predicted, classifier)
    assert len(predicted) == 8


@pytest.mark.parametrize("column", ["product_name", "product_description", "location"])
def test_an_absent_column_equals_an_empty_one(table: Callable, few: Path, column: str) -> None:
    edit(few / "Products.csv", lambda rows: rows.assign(**{column: ""}))
    empty = table(few)
    edit(few / "Products.csv", lambda rows: rows.drop(columns=column))
    pd.testing.assert_frame_equal(table(few), empty)


def test_an_empty_listing_has_a_price(
    table: Callable, few: Path, classifier: CategoryClassifier
) -> None:
    texts = ["product_name", "product_description", "location"]
    edit(few / "Products.csv", lambda rows: rows.assign(**dict.fromkeys(texts, "")))
    assert_whole(table(few), classifier)


def test_repeated_and_absent_ids_have_rows(
    table: Callable, few: Path, classifier: CategoryClassifier
) -> None:
    edit(few / "Products.csv", lambda rows: rows.assign(id=[*rows["id"][:6], rows["id"][5], ""]))
    predicted = table(few)
    assert_whole(predicted, classifier)
    assert len(predicted) == 8
    p = probabilities(predicted, classifier).to_numpy()
    assert np.isfinite(p).all()


def test_an_empty_table_is_a_one_line_error(
    run: Callable[..., Result], few: Path, tmp_path: Path
) -> None:
    edit(few / "Products.csv", lambda rows: rows.iloc[:0])
    result = run(few, tmp_path / "out.csv")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"Error: {few / 'Products.csv'} has no rows: add a row for each listing"
    ]


def test_all_photos_may_be_unusable(
    table: Callable, few: Path, classifier: CategoryClassifier, tmp_path: Path
) -> None:
    for path in (few / "images").iterdir():
        path.write_bytes(b"<html>")
    assert_whole(table(few), classifier)
    rejects = pd.read_csv(tmp_path / "out.rejects.csv")
    assert set(rejects["id"]) == {path.stem for path in (few / "images").iterdir()}
    assert rejects["reason"].str.startswith("not one of JPEG").all()


@pytest.mark.parametrize("name", ["out.xlsx", "out", "out.csv.gz"])
def test_another_file_type_is_refused(
    run: Callable[..., Result], few: Path, tmp_path: Path, name: str
) -> None:
    result = run(few, tmp_path / "new" / name)
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"Error: --out {tmp_path / 'new' / name}: the name must end in .csv or .parquet"
    ]
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "absent",
    ["models/category", "models/cnn", "models/embed", "models/price", "models/text"],
)
def test_absent_models_are_named(
    ran: Path, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, absent: str
) -> None:
    project = tmp_path / "project"
    shutil.copytree(ran / "models", project / "models")
    shutil.copy(ran / "params.yaml", project)
    shutil.rmtree(project / absent)
    monkeypatch.chdir(project)
    out = tmp_path / "out.csv"
    result = CliRunner().invoke(predict.main, ["--raw", str(few), "--out", str(out)])
    assert result.exit_code == 1 and not out.exists()
    assert len(result.stderr.splitlines()) == 1 and absent in result.stderr
