"""params.yaml, the only configuration: each stage reads the keys it lists in dvc.yaml, no more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from click import ClickException

PARAMS = Path("params.yaml")


def load_params(*keys: str) -> Any:
    """Return the value of each dotted key ("train" or "train.backbone"): one value, or a tuple.

    A test demands that a stage's keys equal the `params` of its entry in dvc.yaml, so the keys are
    written out where they are read. Raises ClickException naming the key that is missing.
    """
    try:
        tree = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ClickException(
            f"{PARAMS} is not in {Path.cwd()}: run from the project's folder"
        ) from None
    except yaml.YAMLError as error:
        raise ClickException(
            f"{PARAMS} is not valid YAML: {' '.join(str(error).split())}"
        ) from None
    values = tuple(_get(tree, key) for key in keys)
    return values[0] if len(values) == 1 else values


def _get(tree: Any, key: str) -> Any:
    value = tree
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            raise ClickException(f"{PARAMS} has no {key}: add it, or restore the file from git")
        value = value[part]
    return value
