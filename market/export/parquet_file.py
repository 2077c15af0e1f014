"""A Parquet file that is written in chunks, and names the models that it was made with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import click
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from market.core.atomic import replace_when_done
from market.core.errors import MarketError
from market.core.paths import DVC_FILES

# The option of every export.
out_option: Callable = click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="The .parquet file to write."
)


def check_out(out: Path) -> None:
    """Raise MarketError unless the name of an export ends in .parquet."""
    if out.suffix != ".parquet":
        raise MarketError(f"--out {out}: the name must end in .parquet")


def write_chunks(
    out: Path, schema: pa.Schema, chunks: Iterable[pa.Table], artefacts: Iterable[Path]
) -> int:
    """Write a Parquet file, whole or not at all; return its number of rows.

    Memory holds one chunk at a time. Equal chunks give equal bytes.

    Parameters
    ----------
    out
        The file.
    schema
        Of every chunk.
    chunks
        Each becomes a row group.
    artefacts
        The outputs of the pipeline that the rows come from. The file's metadata has their versions:
        see `versions`.
    """
    rows = 0
    schema = schema.with_metadata(versions(artefacts))
    with replace_when_done(out) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        for chunk in chunks:
            writer.write_table(chunk.cast(schema))
            rows += len(chunk)
    return rows


def versions(artefacts: Iterable[Path]) -> dict[str, str]:
    """Return the MD5 of each artefact by its path, as dvc.lock records it.

    `git log -S <md5> -- dvc.lock` finds the commit that made an artefact. One that dvc.lock does
    not know is "unknown".
    """
    hashes: dict[str, str] = {}
    for lock in (file.with_suffix(".lock") for file in DVC_FILES):
        if lock.exists():
            stages = yaml.safe_load(lock.read_text(encoding="utf-8")).get("stages", {})
            outs = (out for stage in stages.values() for out in stage.get("outs", []))
            hashes |= {out["path"]: out["md5"] for out in outs}
    return {path.as_posix(): hashes.get(path.as_posix(), "unknown") for path in artefacts}
