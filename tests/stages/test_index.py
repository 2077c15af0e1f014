"""Stage index: a row for each listing, its own words only, equal bytes for equal inputs."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from click import ClickException
from PIL import Image
from sklearn.preprocessing import normalize

from market.core.errors import MarketError
from market.core.paths import PHOTOS
from market.data.photo_store import PhotoStore
from market.models.text_encoder import encode_texts, load_text_encoder
from market.search.engine import Engine
from market.search.gazetteer import distance_km, on_sphere
from market.search.image_space import colour_histogram
from market.search.index import ROW_COLUMNS, SearchIndex, listing_tables
from market.search.lexical import LexicalIndex
from market.search.listing_encoder import ListingEncoder
from market.search.neighbours import smooth
from stages import index


def contents(folder: Path) -> dict[str, bytes]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def merged(ran: Path) -> pd.DataFrame:
    return pd.read_parquet(ran / "data/merged/listings.parquet", columns=ROW_COLUMNS)


@pytest.fixture(scope="module")
def saved(ran: Path) -> SearchIndex:
    return SearchIndex.load(ran / "models/index")


@pytest.fixture(scope="module")
def listings(saved: SearchIndex) -> pd.DataFrame:
    return saved.listings


def test_every_listing_and_photo_is_indexed_once(
    merged: pd.DataFrame, saved: SearchIndex, listings: pd.DataFrame
) -> None:
    assert listings["product_id"].tolist() == sorted(merged["product_id"].unique())
    positions = saved.photos["position"]
    assert positions.is_monotonic_increasing
    owners = listings["product_id"].iloc[positions]
    photos = merged.dropna(subset="photo_index")
    assert dict(zip(saved.photos["photo_index"], owners, strict=True)) == dict(
        zip(photos["photo_index"], photos["product_id"], strict=True)
    )


def test_a_listing_has_its_fields_and_the_date_of_its_first_photo(
    merged: pd.DataFrame, listings: pd.DataFrame
) -> None:
    rows = merged.groupby("product_id", sort=True)
    pd.testing.assert_series_equal(
        listings.set_index("product_id")["created"], rows["created"].min()
    )
    for name in ("name", "description", "location", "price", "group"):
        assert listings[name].tolist() == rows[name].first().tolist(), name


def test_a_new_price_model_does_not_rebuild_the_index(
    ran: Path, listings: pd.DataFrame, engine: Engine
) -> None:
    assert not {"price_expected", "price_flag"} & set(listings)
    expected = pd.read_parquet(ran / "data/price/expected.parquet")
    prices = expected.set_index("product_id").loc[engine.listings["product_id"]]
    for name in ("price_expected", "price_flag"):
        assert engine.listings[name].tolist() == prices[name].tolist(), name


def assert_encoded_by(encoder: Any, saved: SearchIndex) -> None:
    """Check that the text vectors of an index come from this encoder."""
    listings = saved.listings
    blank = pd.Series("", listings.index)
    texts = [
        encode_texts(encoder, listings["name"], descriptions, 32)
        for descriptions in (blank, listings["description"])
    ]
    vectors = saved.texts.vectors(np.arange(len(listings)))
    expected = smooth(normalize(sum(texts)), saved.neighbours)
    np.testing.assert_allclose(vectors, expected, atol=1e-4)


def test_only_the_texts_of_listings_are_searchable(
    saved: SearchIndex, listings: pd.DataFrame
) -> None:
    own = LexicalIndex.build(listings["name"].tolist(), listings["description"].tolist(), [])
    names = {name for path in listings["category_levels"] for name in path}
    assert len(names) > 20
    for name in (*names, *listings["name"], *listings["location"]):
        np.testing.assert_allclose(saved.lexical.scores(name), own.scores(name), rtol=1e-6)
    unused = [name for name in names if not own.scores(name).any()]
    assert unused, "some category names are in no text"
    assert_encoded_by(load_text_encoder("cpu"), saved)


def test_a_new_listing_is_encoded_as_the_index_encoded_its_own(
    ran: Path, saved: SearchIndex
) -> None:
    store = PhotoStore(ran / PHOTOS)
    squares = [Image.open(io.BytesIO(store[number])) for number in saved.photos["photo_index"][:2]]
    encoder = ListingEncoder(ran / "models/index", ran / "models/embed")
    texts, images = encoder.encode(saved.listings.head(3), [squares])
    np.testing.assert_allclose(texts, saved.unsmoothed[:3], atol=1e-4)
    cosines = (images * saved.images.vectors(np.arange(2))).sum(axis=1)
    assert (cosines > 0.98).all(), "equal but for a second compression"


def test_each_photo_has_its_own_vector(ran: Path, saved: SearchIndex) -> None:
    indices = saved.photos["photo_index"].to_numpy()
    vectors = saved.images.vectors(np.arange(len(indices)))
    features = np.load(ran / "data/embeddings/photo.npy")
    arrays = [
        array
        for batch in PhotoStore(ran / "data/clean/photos").batches()
        for array in batch.column("image_array").to_numpy_ndarray()
    ]
    histograms = np.array([colour_histogram(arrays[index]) for index in indices])
    expected = saved.image_space.transform(features[indices], histograms)
    np.testing.assert_allclose(vectors, expected, atol=1e-5)


def test_the_order_of_the_rows_does_not_matter(merged: pd.DataFrame) -> None:
    shuffled = listing_tables(merged.sample(frac=1, random_state=3))
    for one, other in zip(listing_tables(merged), shuffled, strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_a_rerun_on_shuffled_rows_writes_the_same_bytes(
    ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("data/clean/photos", "data/embeddings"):
        shutil.copytree(ran / name, tmp_path / name)
    shutil.copy(ran / "params.yaml", tmp_path)
    path = tmp_path / "data/merged/listings.parquet"
    path.parent.mkdir()
    rows = pd.read_parquet(ran / "data/merged/listings.parquet", columns=ROW_COLUMNS)
    rows.sample(frac=1, random_state=5).to_parquet(path, index=False)
    monkeypatch.chdir(tmp_path)
    index.main(args=[], standalone_mode=False)
    again, once = contents(tmp_path / "models/index"), contents(ran / "models/index")
    assert again.keys() == once.keys()
    assert [name for name in once if again[name] != once[name]] == []
    assert (tmp_path / "metrics/index.json").read_text() == (ran / "metrics/index.json").read_text()


def save_small_encoder(folder: Path) -> None:
    """Save a sentence encoder of one layer and width 32, with random weights."""
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


def test_another_encoder_encodes_listings_and_queries(
    ran: Path, tmp_path: Path, listings: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part in ("data", "models/embed"):
        shutil.copytree(ran / part, tmp_path / part)
    params = yaml.safe_load((ran / "params.yaml").read_text(encoding="utf-8"))
    params["index"]["encoder"] = "small"
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ClickException, match=r"models/pretrained/small has no \*\.safetensors"):
        index.main(args=[], standalone_mode=False)
    assert not Path("models/index").exists()

    own = Path("models/pretrained/small")
    save_small_encoder(own)
    index.main(args=[], standalone_mode=False)
    encoder = load_text_encoder("cpu", "small")
    assert_encoded_by(encoder, SearchIndex.load(Path("models/index")))
    words, same_words = (contents(root / "models/index/words") for root in (tmp_path, ran))
    assert words == same_words, "the vocabulary of correct words is the shipped encoder's"

    engine = Engine.load(rank=None)
    vector = engine.build_query("a red guitar").text_vector
    expected = encoder.encode(["wanted: a red guitar"], normalize_embeddings=True)[0]
    assert vector is not None
    np.testing.assert_allclose(vector, expected, atol=1e-6)
    assert engine.search("a red guitar").hits

    with next(own.glob("*.safetensors")).open("ab") as file:
        file.write(b"other")
    with pytest.raises(MarketError, match="dvc repro -s -f index"):
        Engine.load(rank=None).search("a red guitar")


def test_a_folder_without_an_encoder_is_reported_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own = Path("models/pretrained/own")
    own.mkdir(parents=True)
    (own / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(MarketError, match="models/pretrained/own holds no sentence encoder "):
        load_text_encoder("cpu", "own")
    (own / "config.json").write_text("{}")
    with pytest.raises(MarketError, match="models/pretrained/own holds no sentence encoder "):
        load_text_encoder("cpu", "own")


def test_metrics_count_listings_and_photos(
    ran: Path, saved: SearchIndex, listings: pd.DataFrame
) -> None:
    metrics = json.loads((ran / "metrics/index.json").read_text(encoding="utf-8"))
    assert metrics["listings"] == len(listings)
    assert metrics["photos"] == len(saved.photos)
    assert metrics["placed"] == listings["latitude"].notna().sum() > len(listings) / 2
    assert metrics["text_recall@10_of_exact"] == metrics["photo_recall@10_of_exact"] == 1
    assert metrics["text_width"] == 384 and "seed" in metrics


def test_unknown_places_are_listed(ran: Path, listings: pd.DataFrame) -> None:
    table = pd.read_csv(ran / "models/index/unknown_places.csv")
    assert table["listings"].sum() == listings["latitude"].isna().sum()


def test_listings_are_in_the_country(listings: pd.DataFrame) -> None:
    coordinates = listings[["latitude", "longitude"]].to_numpy()
    distances = distance_km(54.0, -2.5, on_sphere(coordinates))
    assert np.nanmax(distances) < 800
