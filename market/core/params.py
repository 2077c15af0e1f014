"""params.yaml, the only configuration: loads the settings, and names the first wrong key."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from market.core.errors import MarketError
from market.core.paths import PARAMS
from market.core.settings import Params

WHOLE_NUMBER = re.compile(r"0|[1-9][0-9]*")
# Strings to PyYAML, which reads YAML 1.1, but numbers to DVC, which reads YAML 1.2: the two would
# use different folders.
NUMBER_TO_DVC = re.compile(r"0o[0-7]+|[-+]?\.?[0-9][0-9._]*(?:e[-+]?[0-9]+)?", re.IGNORECASE)


def load_params(*keys: str, root: Path = Path(), changes: Mapping[str, Any] | None = None) -> Any:
    """Return the value of each dotted key: one value, or a tuple of several.

    The whole file is checked, whichever keys are read.

    Parameters
    ----------
    *keys
        Sections, such as "train", or keys in them, such as "train.backbone". Write them out as
        literals: a test compares them with the `params` of the stage in dvc.yaml.
    root
        The project's folder, which holds params.yaml; by default the current folder.
    changes
        Values to use instead of the file's, by dotted key.

    Returns
    -------
    object
        A section is an object of its class in `settings`. To have its fields checked by mypy,
        annotate it: `settings: Train = load_params("train")`.

    Raises
    ------
    MarketError
        If the file does not exist, is not valid YAML, or a key is wrong.
    """
    params = _read(root, changes or {})
    values = tuple(_get(params, key) for key in keys)
    return values[0] if len(values) == 1 else values


def dataset_name() -> str:
    """Return the name of the dataset, to label a run.

    For labels only: DVC does not rerun a stage when the name changes. A stage whose outputs depend
    on it declares the param `dataset` and calls `load_params`.
    """
    return _read().dataset


def ranges() -> dict[str, str]:
    """Return the range of every dotted key in words, such as "a number above 0".

    Examples
    --------
    >>> ranges()["train.momentum"]
    'a number above 0 below 1'
    """
    schema = Params.model_json_schema()
    return dict(_ranges(schema, schema["$defs"], ""))


def _ranges(
    schema: dict[str, Any], sections: dict[str, Any], prefix: str
) -> Iterator[tuple[str, str]]:
    for name, field in schema["properties"].items():
        if "$ref" in field:
            section = sections[field["$ref"].rpartition("/")[2]]
            yield from _ranges(section, sections, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _range(field)


def _range(field: dict[str, Any]) -> str:
    if "description" in field:
        return field["description"]
    if "enum" in field:
        return f"one of {', '.join(field['enum'])}"
    words = ["a whole number" if field["type"] == "integer" else "a number"]
    if "multipleOf" in field:
        words = [f"a multiple of {field['multipleOf']:g}"]
    for bound, preposition in (
        ("exclusiveMinimum", "above"),
        ("minimum", "from"),
        ("exclusiveMaximum", "below"),
        ("maximum", "to"),
    ):
        if bound in field:
            words.append(f"{preposition} {field[bound]}")
    return " ".join(words)


def _read(root: Path = Path(), changes: Mapping[str, Any] | None = None) -> Params:
    try:
        text = (root / PARAMS).read_text(encoding="utf-8")
    except FileNotFoundError:
        remedy = "run from the project's folder"
        if root != Path():
            remedy += ", or pass its path as `root`"
        raise MarketError(f"{PARAMS} not found in {root.absolute()}: {remedy}") from None
    except UnicodeDecodeError as error:
        raise MarketError(f"{PARAMS} is not valid YAML: {error}") from None
    return parse_params(text, changes)


def parse_params(text: str, changes: Mapping[str, Any] | None = None) -> Params:
    """Return the content of params.yaml, checked.

    Parameters
    ----------
    text
        The file's content.
    changes
        Values to use instead of the file's, by dotted key.

    Raises
    ------
    MarketError
        On the first wrong key.
    """
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise MarketError(f"{PARAMS} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(tree, dict):
        raise MarketError(f"{PARAMS} has no sections: restore it from git")
    if "dataset" in tree:
        tree["dataset"] = _as_folder_name(text, tree["dataset"])
    for key, value in (changes or {}).items():
        section, _, name = key.partition(".")
        tree[section] = {**tree.get(section, {}), name: value}
    try:
        return Params.model_validate(tree)
    except ValidationError as error:
        # A misspelt key counts as unknown and as missing; "unknown" comes with the right spelling.
        faults = sorted(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
        message = _message(faults[0])
        if ".".join(map(str, faults[0]["loc"][:2])) in (changes or {}):
            message = message.removeprefix(f"{PARAMS}: ")
        raise MarketError(message) from None


def _as_folder_name(text: str, value: Any) -> Any:
    """Return `dataset` as it is written, if DVC reads the same name into the paths of dvc.yaml.

    A string or a whole number is accepted: `dvc exp run -S dataset=2024` writes no quotation marks.
    Anything else without quotation marks, such as 1e3 or true, raises MarketError.
    """
    for key, node in yaml.compose(text).value:
        if key.value != "dataset" or not isinstance(node, yaml.ScalarNode) or node.style:
            continue
        if WHOLE_NUMBER.fullmatch(node.value):
            return node.value
        if node.value and (not isinstance(value, str) or NUMBER_TO_DVC.fullmatch(node.value)):
            kind = node.tag.rpartition(":")[2]
            names = {"bool": "truth value", "null": "missing value", "timestamp": "date"}
            raise MarketError(
                f"{PARAMS}: dataset is {node.value}, which YAML reads as a "
                f"{names.get(kind, 'number')}: quote it (dataset: '{node.value}'), or rename the "
                "folder"
            )
    return value


def _message(fault: Any) -> str:
    """Return one line on a fault that pydantic found: the key, its value and the remedy."""
    key = ".".join(map(str, fault["loc"]))
    known = ranges()
    if fault["type"] == "extra_forbidden":
        section, dot, name = key.rpartition(".")
        in_section = [known_key for known_key in known if known_key.startswith(section + ".")]
        names = {known_key.rpartition(".")[2] for known_key in in_section}
        names = names or {known_key.partition(".")[0] for known_key in known}
        # A key of that name in another section: it may have moved there.
        moved = [known_key for known_key in sorted(known) if known_key.endswith(f".{name}")]
        if dot and len(moved) == 1:
            return f"{PARAMS}: {key} is unknown: did you mean {moved[0]}?"
        similar = difflib.get_close_matches(name, sorted(names), n=1)
        remedy = (
            f"did you mean {section}{dot}{similar[0]}?"
            if similar
            else "use one of " + ", ".join(sorted(section + dot + name for name in names))
        )
        return f"{PARAMS}: {key} is unknown: {remedy}"
    if fault["type"] == "missing":
        return f"{PARAMS} has no {key}: add it, or restore the file from git"
    if fault["type"] == "value_error":
        return f"{PARAMS}: {fault['ctx']['error']}"
    expected = known.get(key, "a section of keys")
    return f"{PARAMS}: {key} is {fault['input']!r}, must be {expected}"


def _get(params: Params, key: str) -> Any:
    value: Any = params
    for part in key.split("."):
        value = getattr(value, part)
    return value
