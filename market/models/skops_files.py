"""scikit-learn models as skops files: equal models are equal bytes, and loading runs no code."""

from __future__ import annotations

import hashlib
import io
import json
import re
import time
import zipfile
from pathlib import Path
from typing import Any

import skops.io

from market.core.errors import MarketError

# What the models here hold beyond the types skops trusts by itself.
ALLOWED_TYPES = {
    "numpy.dtype",
    "numpy.reshape",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
}

# TfidfVectorizer keeps the address of its stop words to warn once; without it, it warns again.
_ADDRESSES = {"_stop_words_id"}

MOST_SAID = 200  # characters of an error that a message repeats

_MEMBER = re.compile(r"\d+(\.\w+)")


def save_model(model: Any, path: Path) -> None:
    """Write a fitted estimator to `path` (.skops).

    skops names a file's members, and the objects in its schema, after their addresses in memory,
    and dates them: both differ from run to run. Here both are numbered by what they hold, in order
    of appearance, and what is there twice is written once. So it makes no difference whether equal
    parts were one object, as the trees' settings are in one process, or came from several.
    Raises MarketError if the clock shows a date before 1980, which a zip file cannot hold.
    """
    if (year := time.localtime().tm_year) < 1980:
        raise MarketError(f"{path}: the clock of this machine says {year}: set it, and run again")
    source = zipfile.ZipFile(io.BytesIO(skops.io.dumps(model)))
    members: dict[str, bytes] = {}
    numbers: dict[str, int] = {}

    def number(content: bytes) -> int:
        return numbers.setdefault(hashlib.sha256(content).hexdigest(), len(numbers))

    def brief(node: Any) -> Any:
        """The node with numbers in place of what has one."""
        if isinstance(node, list):
            return [brief(item) for item in node]
        if not isinstance(node, dict):
            return node
        return node["__id__"] if "__id__" in node else {of: brief(node[of]) for of in node}

    def renumber(node: Any) -> Any:
        if isinstance(node, list):
            return [renumber(item) for item in node]
        if not isinstance(node, dict):
            return node
        node = {key: renumber(node[key]) for key in sorted(node) if key not in _ADDRESSES}
        if isinstance(member := node.get("file"), str):
            match = _MEMBER.fullmatch(member)
            if match is None:
                raise ValueError(f"skops named a member {member!r}: teach model_file.py its form")
            content = source.read(member)
            node["file"] = f"{number(content)}{match[1]}"
            members[node["file"]] = content
        if node.pop("__id__", None) is not None:
            node["__id__"] = number(json.dumps({of: brief(node[of]) for of in node}).encode())
        return node

    schema = renumber(json.loads(source.read("schema.json")))
    members["schema.json"] = json.dumps(schema, sort_keys=True).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for member in sorted(members):
            info = zipfile.ZipInfo(member, date_time=(1980, 1, 1, 0, 0, 0))
            # An entry with a date of its own takes nothing from the archive's settings.
            archive.writestr(info, members[member], zipfile.ZIP_DEFLATED, compresslevel=1)


def load_model(path: Path) -> Any:
    """Load an estimator written by `save_model`; refuse a file that holds any other type."""
    if not path.exists():
        raise MarketError(f"{path} does not exist: run `dvc repro` or `dvc pull` first")
    try:
        unknown = set(skops.io.get_untrusted_types(file=path)) - ALLOWED_TYPES
    except zipfile.BadZipFile:
        raise MarketError(f"{path} is no skops file: run `dvc repro` or `dvc pull`") from None
    except Exception as error:  # whatever skops makes of a schema that it does not know
        raise _unreadable(path, error) from None
    if unknown:
        raise MarketError(f"{path} holds types that no model here has: {sorted(unknown)}")
    try:
        return skops.io.load(path, trusted=sorted(ALLOWED_TYPES))
    except Exception as error:  # or scikit-learn of a state that it does not know
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> MarketError:
    cause = " ".join(f"{type(error).__name__}: {error}".split())[:MOST_SAID]
    return MarketError(
        f"{path} cannot be read ({cause}): it is damaged or of other versions of skops and "
        "scikit-learn: install those of requirements.lock, or make it anew with `dvc repro`"
    )
