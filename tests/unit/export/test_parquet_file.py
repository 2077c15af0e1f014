"""Parquet exports: in chunks, whole or not at all, equal bytes, and the models' versions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from market.core.errors import MarketError
from market.export.parquet_file import check_out, versions, write_chunks

SCHEMA = pa.schema([("product_id", pa.string()), ("score", pa.float64())])


def chunks(count: int = 3) -> Iterator[pa.Table]:
    for number in range(count):
        yield pa.table({"product_id": [f"p{number}"] * 2, "score": [0.5, 1.0]})


def test_each_chunk_is_a_row_group(tmp_path: Path) -> None:
    out = tmp_path / "new" / "out.parquet"
    assert write_chunks(out, SCHEMA, chunks(), []) == 6
    assert pq.ParquetFile(out).num_row_groups == 3
    assert pq.read_table(out)["product_id"].to_pylist() == ["p0", "p0", "p1", "p1", "p2", "p2"]


def test_without_chunks_the_file_has_the_columns(tmp_path: Path) -> None:
    assert write_chunks(tmp_path / "out.parquet", SCHEMA, chunks(0), []) == 0
    assert pq.read_table(tmp_path / "out.parquet").schema.names == ["product_id", "score"]


def test_equal_chunks_are_equal_bytes(tmp_path: Path) -> None:
    for name in ("a.parquet", "b.parquet"):
        write_chunks(tmp_path / name, SCHEMA, chunks(), [Path("models/index")])
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_a_fault_half_way_leaves_the_former_file(tmp_path: Path) -> None:
    def breaking() -> Iterator[pa.Table]:
        yield from chunks(1)
        raise MarketError("half way")

    out = tmp_path / "out.parquet"
    out.write_bytes(b"former")
    with pytest.raises(MarketError, match="half way"):
        write_chunks(out, SCHEMA, breaking(), [])
    assert out.read_bytes() == b"former"
    assert [*tmp_path.iterdir()] == [out]


def test_metadata_has_the_versions_of_dvc_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    artefacts = [Path("models/index"), Path("models/new")]
    assert versions(artefacts) == {"models/index": "unknown", "models/new": "unknown"}
    outs = [{"path": "models/index", "hash": "md5", "md5": "5f.dir"}]
    lock = {"schema": "2.0", "stages": {"index": {"cmd": "x", "outs": outs}, "check": {"cmd": "x"}}}
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump(lock), encoding="utf-8")
    write_chunks(tmp_path / "out.parquet", SCHEMA, chunks(), artefacts)
    metadata = pq.read_schema(tmp_path / "out.parquet").metadata
    assert metadata == {b"models/index": b"5f.dir", b"models/new": b"unknown"}


def test_another_ending_is_refused() -> None:
    with pytest.raises(MarketError, match=r"--out out.csv: the name must end in .parquet"):
        check_out(Path("out.csv"))
