"""The index: one row a listing, only its own words, the same bytes from the same input."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from sklearn.preprocessing import normalize

from market.core.errors import MarketError
from market.data.photo_store import PhotoStore
from market.models.text_encoder import encode_texts, load_text_encoder
from market.search.engine import Engine
from market.search.gazetteer import distance_km, on_sphere
from market.search.lexical import LexicalIndex
from market.search.photo_space import PhotoSpace, colour_histogram
from market.search.vectors import VectorIndex
from stages import index


def contents(folder: Path) -> dict[str, bytes]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def merged(ran: Path) -> pd.DataFrame:
    return pd.read_parquet(
        ran / "data/merged/listings.parquet",
        columns=[*index.SHOWN, "image_id", "photo_index", "town", "county", "created"],
    )


@pytest.fixture(scope="module")
def expected(ran: Path) -> pd.DataFrame:
    return pd.read_parquet(ran / "data/price/expected.parquet")


@pytest.fixture(scope="module")
def listings(ran: Path) -> pd.DataFrame:
    return pd.read_parquet(ran / "models/index/listings.parquet")


def test_every_listing_and_photo_is_indexed_once(
    ran: Path, merged: pd.DataFrame, listings: pd.DataFrame
) -> None:
    assert listings["product_id"].tolist() == sorted(merged["product_id"].unique())
    shown = pd.read_parquet(ran / "models/index/shown.parquet")
    assert shown["owner"].is_monotonic_increasing
    of = dict(zip(shown["number"], listings["product_id"].iloc[shown["owner"]], strict=True))
    photos = merged.dropna(subset="photo_index")
    assert of == dict(zip(photos["photo_index"], photos["product_id"], strict=True))


def test_a_listing_is_as_old_as_its_first_photo_and_keeps_its_fields(
    merged: pd.DataFrame, expected: pd.DataFrame, listings: pd.DataFrame
) -> None:
    rows = merged.groupby("product_id", sort=True)
    pd.testing.assert_series_equal(
        listings.set_index("product_id")["created"], rows["created"].min()
    )
    for name in ("name", "description", "location", "price", "group"):
        assert listings[name].tolist() == rows[name].first().tolist(), name
    prices = expected.set_index("product_id").loc[listings["product_id"]]
    for name in ("price_expected", "price_flag"):
        assert listings[name].tolist() == prices[name].tolist(), name


def test_what_is_alike_is_the_nearest_others() -> None:
    angles = np.array([0.0, 0.1, 0.3, 1.5, 1.5])  # the last two are copies
    points = np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)
    flat = VectorIndex.build(points, "Flat", 1)
    found = index.find_alike(flat, points)
    assert found.shape == (5, 4) and found.dtype == np.int32
    assert found[:3, 0].tolist() == [1, 0, 1] and found[3:, 0].tolist() == [4, 3]
    assert all(row not in others for row, others in enumerate(found)), "never itself"
    assert index.find_alike(VectorIndex.build(points[:1], "Flat", 1), points[:1]).shape == (1, 0)
    moved = index.expand(points, found[:, :1])
    middle = np.column_stack([np.cos([0.05, 0.05, 0.2]), np.sin([0.05, 0.05, 0.2])])
    np.testing.assert_allclose(moved[:3], middle, atol=1e-6)
    np.testing.assert_array_equal(index.expand(points, found[:, :0]), points)


def test_alike_is_by_texts_and_photos() -> None:
    texts = normalize(np.array([[1, 0], [1, 0.1], [1, 0.1]], np.float32))
    looks = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)
    both = index.read_and_seen(texts, looks, np.array([0, 1, 1]))
    np.testing.assert_allclose(np.linalg.norm(both, axis=1), 1, atol=1e-6)
    assert not both[2, 2:].any(), "no photo says nothing"
    near = both @ both.T
    assert near[1, 2] > near[0, 1]


def assert_read_by(encoder: Any, listings: pd.DataFrame, folder: Path) -> None:
    """The index in `folder` holds what this encoder makes of names and of whole texts."""
    blank = pd.Series("", listings.index)
    texts = [
        encode_texts(encoder, listings["name"], of, 32) for of in (blank, listings["description"])
    ]
    vectors = VectorIndex.load(folder / "text.faiss", 1).vectors(np.arange(len(listings)))
    wanted = index.expand(normalize(sum(texts)), np.load(folder / "alike.npy"))
    np.testing.assert_allclose(vectors, wanted, atol=1e-4)


def test_only_what_a_listing_says_is_searchable(ran: Path, listings: pd.DataFrame) -> None:
    folder = ran / "models/index"
    saved = LexicalIndex.load(folder / "words")
    own = LexicalIndex.build(listings["name"].tolist(), listings["description"].tolist(), [])
    names = {name for path in listings["category_levels"] for name in path}
    assert len(names) > 20
    for name in (*names, *listings["name"], *listings["location"]):
        np.testing.assert_allclose(saved.scores(name), own.scores(name), rtol=1e-6)
    silent = [name for name in names if not own.scores(name).any()]
    assert silent, "some names of categories are in no text"
    assert_read_by(load_text_encoder("cpu"), listings, folder)


def test_each_photo_has_its_own_vector(ran: Path) -> None:
    folder = ran / "models/index"
    numbers = pd.read_parquet(folder / "shown.parquet")["number"].to_numpy()
    vectors = VectorIndex.load(folder / "photo.faiss", 1).vectors(np.arange(len(numbers)))
    features = np.load(ran / "data/embeddings/photo.npy")
    arrays = [
        array
        for batch in PhotoStore(ran / "data/clean/photos").batches()
        for array in batch.column("image_array").to_numpy_ndarray()
    ]
    colours = np.array([colour_histogram(arrays[number]) for number in numbers])
    wanted = PhotoSpace.load(folder / "photo_space.npz").transform(features[numbers], colours)
    np.testing.assert_allclose(vectors, wanted, atol=1e-5)


def test_the_order_of_the_rows_does_not_matter(
    merged: pd.DataFrame, expected: pd.DataFrame
) -> None:
    first = index.tabulate(merged, expected)
    turned = index.tabulate(merged.sample(frac=1, random_state=3), expected[::-1])
    for one, other in zip(first, turned, strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_a_rerun_on_shuffled_rows_writes_the_same_bytes(
    ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("data/clean/photos", "data/embeddings"):
        shutil.copytree(ran / name, tmp_path / name)
    shutil.copy(ran / "params.yaml", tmp_path)
    for name in ("merged/listings", "price/expected"):
        path = tmp_path / f"data/{name}.parquet"
        path.parent.mkdir()
        table = pd.read_parquet(ran / f"data/{name}.parquet")
        table = table.drop(columns="image_array", errors="ignore")  # of no use here
        table.sample(frac=1, random_state=5).to_parquet(path, index=False)
    monkeypatch.chdir(tmp_path)
    index.main(args=[], standalone_mode=False)
    again, once = contents(tmp_path / "models/index"), contents(ran / "models/index")
    assert again.keys() == once.keys()
    assert [name for name in once if again[name] != once[name]] == []
    assert (tmp_path / "metrics/index.json").read_text() == (ran / "metrics/index.json").read_text()


def save_small_encoder(folder: Path) -> None:
    """A sentence encoder of one layer and 32 numbers, with random weights."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer
    from transformers import BertConfig, BertModel

    tokenizer = load_text_encoder("cpu").tokenizer
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=64,
    )  # fmt: skip
    torch.manual_seed(0)
    BertModel(config).save_pretrained(folder / "bare")
    tokenizer.save_pretrained(folder / "bare")
    modules = [Transformer(str(folder / "bare"), max_seq_length=32), Pooling(32)]
    prompts = {"query": "wanted: ", "document": ""}
    SentenceTransformer(modules=modules, prompts=prompts).save_pretrained(str(folder))
    shutil.rmtree(folder / "bare")


def test_another_encoder_reads_listings_and_queries(
    ran: Path, tmp_path: Path, listings: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part in ("data", "models/embed"):
        shutil.copytree(ran / part, tmp_path / part)
    params = yaml.safe_load((ran / "params.yaml").read_text(encoding="utf-8"))
    params["index"]["encoder"] = "small"
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MarketError, match=r"models/pretrained/small has no \*\.safetensors"):
        index.main(args=[], standalone_mode=False)
    assert not Path("models/index").exists()

    own = Path("models/pretrained/small")
    save_small_encoder(own)
    index.main(args=[], standalone_mode=False)
    encoder = load_text_encoder("cpu", "small")
    assert_read_by(encoder, listings, Path("models/index"))
    # Words that are right are those of the language, whatever an encoder cuts them into.
    words, same = (
        pd.read_parquet(at / "models/index/words/words.parquet") for at in (tmp_path, ran)
    )
    pd.testing.assert_frame_equal(words, same)

    engine = Engine.load(rank=None)
    asked = engine.build_query("a red guitar").meaning
    wanted = encoder.encode(["wanted: a red guitar"], normalize_embeddings=True)[0]
    assert asked is not None
    np.testing.assert_allclose(asked, wanted, atol=1e-6)
    assert engine.search("a red guitar").hits

    with next(own.glob("*.safetensors")).open("ab") as file:
        file.write(b"other")
    with pytest.raises(MarketError, match="dvc repro -s -f index"):
        Engine.load(rank=None).search("a red guitar")


def test_what_is_no_encoder_is_said_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own = Path("models/pretrained/own")
    own.mkdir(parents=True)
    (own / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(MarketError, match="models/pretrained/own holds no sentence encoder: "):
        load_text_encoder("cpu", "own")
    (own / "config.json").write_text("{}")
    with pytest.raises(MarketError, match="models/pretrained/own holds no sentence encoder: "):
        load_text_encoder("cpu", "own")


def test_metrics_say_what_was_indexed(ran: Path, listings: pd.DataFrame) -> None:
    metrics = json.loads((ran / "metrics/index.json").read_text(encoding="utf-8"))
    assert metrics["listings"] == len(listings)
    assert metrics["photos"] == len(pd.read_parquet(ran / "models/index/shown.parquet"))
    assert metrics["placed"] == listings["latitude"].notna().sum() > len(listings) / 2
    assert metrics["text_recall@10_of_exact"] == metrics["photo_recall@10_of_exact"] == 1
    assert metrics["text_width"] == 384 and "seed" in metrics


def test_unplaced_locations_are_listed_the_commonest_first() -> None:
    listings = pd.DataFrame(
        {
            "location": ["Ambridge", "Leeds", "Atlantis", "Ambridge"],
            "latitude": [np.nan, 53.8, np.nan, np.nan],
        }
    )
    found = index.unplaced(listings)
    assert found.to_dict("records") == [
        {"location": "Ambridge", "listings": 2},
        {"location": "Atlantis", "listings": 1},
    ]


def test_unplaced_csv_lists_all_that_is_not_placed(ran: Path, listings: pd.DataFrame) -> None:
    table = pd.read_csv(ran / "models/index/unplaced.csv")
    assert table["listings"].sum() == listings["latitude"].isna().sum()


def test_a_town_alone_is_that_of_most_listings() -> None:
    listings = pd.DataFrame(
        {
            "location": ["Newport, Shropshire"] * 2 + ["Newport, Gwent", "Nowhere"],
            "town": ["Newport"] * 3 + ["Nowhere"],
            "latitude": [52.77, 52.77, 51.59, np.nan],
            "longitude": [-2.38, -2.38, -3.0, np.nan],
        }
    )
    gazetteer = pd.DataFrame(
        {
            "name": ["newport", "cwmbran", "casnewydd"],
            "own": [True, True, False],
            "latitude": [51.59, 51.65, 51.59],
            "longitude": [-3.0, -3.02, -3.0],
        }
    )
    places = index.name_places(listings, gazetteer).set_index("name")
    assert places.index.is_unique and set(places.index) == {
        "newport shropshire", "newport gwent", "newport", "cwmbran",
    }  # fmt: skip
    assert places.loc["newport"].tolist() == [52.77, -2.38]
    assert places.loc["newport gwent"].tolist() == [51.59, -3.0]


def test_listings_lie_in_the_country(listings: pd.DataFrame) -> None:
    places = listings[["latitude", "longitude"]].to_numpy()
    away = distance_km(54.0, -2.5, on_sphere(places))
    assert np.nanmax(away) < 800
