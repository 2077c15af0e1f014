"""scikit-learn models as skops files: equal models give equal bytes, and loading runs no code."""

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
from market.core.paths import require

# The types of this project's models beyond those that skops trusts by default.
ALLOWED_TYPES = {
    "market.data.words.WordVectorizer",
    "numpy.dtype",
    "numpy.reshape",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
}

# TfidfVectorizer stores the address of its stop words, so as to warn about them only once.
_ADDRESSES = {"_stop_words_id"}

MAX_CAUSE = 200  # characters of a library's error in our message

_MEMBER = re.compile(r"\d+(\.\w+)")


def save_model(model: Any, path: Path) -> None:
    """Write a fitted estimator.

    skops names the members of a file and the objects in its schema after their addresses in memory,
    and dates them, so that two runs give different bytes. Here both are numbered by their content,
    in order of appearance, and equal content is written once. The bytes therefore do not depend on
    whether equal parts are one object, as in one process, or copies from several.

    Parameters
    ----------
    model
        A scikit-learn estimator.
    path
        A file with the ending .skops.

    Raises
    ------
    MarketError
        If the clock shows a date before 1980, which a zip file cannot hold.
    """
    if (year := time.localtime().tm_year) < 1980:
        raise MarketError(f"{path}: the clock of this machine says {year}: set it and run again")
    members = _numbered_members(model)
    with zipfile.ZipFile(path, "w") as archive:
        for member in sorted(members):
            info = zipfile.ZipInfo(member, date_time=(1980, 1, 1, 0, 0, 0))
            # With an own ZipInfo, the settings of the archive do not apply.
            archive.writestr(info, members[member], zipfile.ZIP_DEFLATED, compresslevel=1)


def _numbered_members(model: Any) -> dict[str, bytes]:
    """Return the members of the model's skops file, by names that depend on their content alone."""
    source = zipfile.ZipFile(io.BytesIO(skops.io.dumps(model)))
    members: dict[str, bytes] = {}
    numbers: dict[str, int] = {}

    def number(content: bytes) -> int:
        return numbers.setdefault(hashlib.sha256(content).hexdigest(), len(numbers))

    def brief(node: Any) -> Any:
        """Return the node with numbers in place of its numbered parts."""
        if isinstance(node, list):
            return [brief(item) for item in node]
        if not isinstance(node, dict):
            return node
        return node["__id__"] if "__id__" in node else {key: brief(node[key]) for key in node}

    def renumber(node: Any) -> Any:
        if isinstance(node, list):
            return [renumber(item) for item in node]
        if not isinstance(node, dict):
            return node
        node = {key: renumber(node[key]) for key in sorted(node) if key not in _ADDRESSES}
        if isinstance(member := node.get("file"), str):
            match = _MEMBER.fullmatch(member)
            if match is None:
                raise ValueError(f"skops named a member {member!r}: extend _MEMBER in {__name__}")
            content = source.read(member)
            node["file"] = f"{number(content)}{match[1]}"
            members[node["file"]] = content
        if node.pop("__id__", None) is not None:
            node["__id__"] = number(json.dumps({key: brief(node[key]) for key in node}).encode())
        return node

    schema = renumber(json.loads(source.read("schema.json")))
    members["schema.json"] = json.dumps(schema, sort_keys=True).encode()
    return members


def load_model(path: Path) -> Any:
    """Load an estimator that `save_model` wrote.

    Raises
    ------
    MarketError
        If the file is absent or damaged, if other versions of skops or scikit-learn wrote it, or if
        it holds a type that is not in ALLOWED_TYPES.
    """
    require(path)
    try:
        unknown = set(skops.io.get_untrusted_types(file=path)) - ALLOWED_TYPES
    except zipfile.BadZipFile:
        raise MarketError(f"{path} is not a skops file: run `dvc repro` or `dvc pull`") from None
    except Exception as error:  # of any kind, if skops does not know the schema
        raise _unreadable(path, error) from None
    if unknown:
        raise MarketError(
            f"{path} holds types that no model here has ({', '.join(sorted(unknown))}): do not use "
            "it; run `dvc repro` or `dvc pull`"
        )
    try:
        return skops.io.load(path, trusted=sorted(ALLOWED_TYPES))
    except Exception as error:  # of any kind, if scikit-learn does not know the state
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> MarketError:
    cause = " ".join(f"{type(error).__name__}: {error}".split())[:MAX_CAUSE]
    return MarketError(
        f"{path} cannot be read ({cause}): it is damaged or from other versions of skops and "
        "scikit-learn: install those of requirements.lock, or make it again with `dvc repro`"
    )
