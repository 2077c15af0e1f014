"""Our side of the cases that run a whole stage."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from cases import Job
from measuring import run_stage, write_params

from market.core.paths import LISTINGS, METRICS, raw_folder

DATASET = "bench"


def clean(job: Job) -> dict[str, Any]:
    """Run stage clean in a project of its own, whose dataset is the raw folder."""
    raw = job.out / raw_folder(DATASET)
    raw.parent.mkdir(parents=True)
    raw.symlink_to(job.raw)
    write_params(job.out, {"dataset": DATASET})
    os.chdir(job.out)
    run_stage("clean")
    return {"photos": read_metrics("clean")["photos"]["kept"]}


def merge(job: Job) -> dict[str, Any]:
    """Run stage merge."""
    run_stage("merge")
    return {"rows": pq.read_metadata(LISTINGS).num_rows}


def forest(job: Job) -> dict[str, Any]:
    """Run stage classify_rf."""
    run_stage("classify_rf")
    return {"accuracy": round(read_metrics("classify_rf")["accuracy"], 6)}


def read_metrics(stage: str) -> dict[str, Any]:
    """Return the metrics of a stage that ran in the current folder."""
    return json.loads(Path(METRICS, f"{stage}.json").read_text(encoding="utf-8"))
