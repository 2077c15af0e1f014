"""The exports and the Python example of the documents, on a small marketplace."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from repository import REPO

from market import Predictor, Search
from market.core import paths
from market.export.__main__ import main
from market.search.engine import Engine

README = (REPO / "README.md").read_text(encoding="utf-8")
(EXAMPLE,) = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def project(ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the outputs of `ran`, to write into."""
    for name in ("data", "models", "params.yaml", "rules.yaml"):
        (tmp_path / name).symlink_to(ran / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_example_of_the_readme_runs(project: Path) -> None:
    raw = pd.read_csv(project / "data/sample/raw/Products.csv", lineterminator="\n", dtype=str)
    raw.head(12).to_csv(project / "listings.csv", index=False)
    names: dict = {}
    exec(EXAMPLE, names)
    listings, rejects = names["listings"], names["rejects"]
    assert len(listings) + len(rejects) == 12
    assert names["predictions"]["product_id"].tolist() == listings["product_id"].tolist()
    assert names["predictions"].iloc[:, 6:].sum(axis=1).to_numpy() == pytest.approx(1)
    assert (names["results"]["price"] <= 100).all()
    assert names["results"]["distance_km"].notna().any()


def test_the_example_of_the_documentation_runs_from_elsewhere(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    page = (REPO / "docs/python.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    *_, last = searches = re.findall(r"^search.*", example, re.MULTILINE)
    assert len(searches) == 3 and searches[0] == "search = Search()"
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    names: dict = {"search": Search(project)}
    exec(f"picks = {last}", names)
    assert len(names["picks"]) == 5
    new = pd.DataFrame({"id": ["1"], "product_name": ["Oak table"]})
    assert Predictor(project)(new)["price"].gt(0).tolist() == [True]


def test_exports_hold_every_listing_and_user(project: Path, engine: Engine) -> None:
    for command in ("embeddings", "predictions", "recommendations"):
        result = CliRunner().invoke(main, [command, "--out", f"{command}.parquet"])
        assert result.exit_code == 0, result.output
    ids = engine.listings["product_id"].tolist()
    assert pq.read_table("embeddings.parquet")["product_id"].to_pylist() == ids
    predictions = pd.read_parquet("predictions.parquet")
    assert sorted(predictions["product_id"]) == ids
    assert list(predictions)[:6] == [
        "product_id", "category", "price", "price_low", "price_high", "price_flag",
    ]  # fmt: skip
    assert predictions.iloc[:, 6:].sum(axis=1).to_numpy() == pytest.approx(1)
    table = pd.read_parquet("recommendations.parquet")
    log = pd.read_parquet(project / paths.INTERACTIONS)
    assert table["user_id"].dropna().drop_duplicates().tolist() == sorted(set(log["user_id"]))
    assert not len(table.merge(log, on=["user_id", "product_id"]))
    new = table[table["user_id"].isna()]
    hits = engine.recommend(None, limit=20).hits
    assert new["product_id"].tolist() == [hit.product_id for hit in hits]
    assert new["rank"].tolist() == [*range(1, len(hits) + 1)]
