"""Ranking models of a revision, kept beside the models of the workspace.

A folder such as models/promoted holds `rank`, as stage `rank` wrote it in that revision, and
`version.json`, which says where it comes from and what it needs of the index. The models are only
read if the index is made with the same encoder, and the code computes all their features.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from market.core.errors import MarketError
from market.core.paths import PROMOTED, RANKER, SEARCH_INDEX, VARIANTS
from market.search.feature_names import PRIOR, QUERY_FEATURES
from market.search.index import SearchIndex
from market.search.ranking_models import RankingModels

RANK = "rank"  # the folder of the models
_VERSION = "version.json"
LATEST = "latest"  # the version of the models in models/rank


@dataclass(frozen=True)
class ModelVersion:
    """Where ranking models come from.

    Attributes
    ----------
    name
        The version, such as "v1.2.0", or the revision as a user named it.
    revision
        The git commit, as 40 hexadecimal digits.
    text_encoder
        Name of the sentence encoder of the index that the models were fitted on; None if the
        revision does not say.
    """

    name: str
    revision: str
    text_encoder: str | None = None

    def save(self, folder: Path) -> None:
        """Write the version into the folder of the models; equal versions are equal bytes."""
        text = json.dumps(asdict(self), indent=2, sort_keys=True)
        (folder / _VERSION).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> ModelVersion:
        """Read the version that `save` wrote.

        Raises
        ------
        MarketError
            If the folder holds none.
        """
        try:
            return cls(**json.loads((folder / _VERSION).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            raise MarketError(
                f"{folder / _VERSION} is missing or damaged: remove {folder} and bring the models "
                "again"
            ) from None


def served_version(folder: Path = PROMOTED) -> str:
    """Return the name of the version that is to be served: the promoted one, or "latest"."""
    return LATEST if promotion_stamp(folder) is None else ModelVersion.load(folder).name


def promotion_stamp(folder: Path = PROMOTED) -> tuple[int, int] | None:
    """Return what changes with each promotion: the time and inode of its file, None without one."""
    try:
        stat = (folder / _VERSION).stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ino


def load_served_models() -> tuple[str, RankingModels]:
    """Return the models to serve and the name of their version: the promoted ones, or models/rank.

    Raises
    ------
    MarketError
        If the promoted models do not fit the index.
    """
    if promotion_stamp() is not None:  # as the service watches it
        return load_version(PROMOTED)
    return LATEST, RankingModels.load(RANKER)


def load_variant(name: str) -> RankingModels:
    """Return the models of a variant.

    Parameters
    ----------
    name
        A folder as stage `rank` writes it, or a revision that `python -m market.variants` brought.

    Raises
    ------
    MarketError
        If there are no such models, or they do not fit the index.
    """
    folder = variant_folder(name)
    if not folder.exists():
        folder = Path(name)
    if not folder.is_dir():
        raise MarketError(
            f"{name}: no such folder, and no models of this revision in {VARIANTS}: run `python -m "
            f"market.variants {name}`, which brings them"
        )
    return load_version(folder)[1] if (folder / _VERSION).exists() else read_models(folder)


def variant_folder(name: str) -> Path:
    """Return the folder that holds the models of a revision for an experiment."""
    return VARIANTS / name.replace("/", "-")


def load_version(folder: Path, index: Path = SEARCH_INDEX) -> tuple[str, RankingModels]:
    """Return the models in a folder with `version.json`, and the name of their version.

    Raises
    ------
    MarketError
        If the index was made with another encoder, or the models do not fit the code.
    """
    version = ModelVersion.load(folder)
    check_encoder(version, index)
    return version.name, read_models(folder / RANK)


def check_encoder(version: ModelVersion, index: Path = SEARCH_INDEX) -> None:
    """Raise MarketError if models were fitted on an index with another encoder."""
    encoder, _ = SearchIndex.read_encoder(index)
    if version.text_encoder not in (None, encoder):
        raise MarketError(
            f"the models of {version.name} do not fit {index}: they were fitted with the encoder "
            f"{version.text_encoder!r}, and it is made with {encoder!r}: use a version of the same "
            "encoder, or run `dvc repro` with the former one"
        )


def read_models(folder: Path) -> RankingModels:
    """Read a folder as stage `rank` writes it, and check that the code computes its features.

    Query features that came later have a weight of 0.

    Raises
    ------
    MarketError
        If the folder holds no models, or the ranker has features that the code lacks.
    """
    try:
        models = RankingModels.load(folder)
    except (OSError, ValueError, KeyError):
        raise MarketError(
            f"{folder} holds no ranking models that can be read: it must be a folder as stage "
            "`rank` writes it"
        ) from None
    ranker = models.ranker
    columns = set(ranker.weights)
    for trees in (ranker.trees, ranker.search_trees):
        columns |= set() if trees is None else set(trees.feature_name())
    if unknown := sorted(columns - set(PRIOR)):
        raise MarketError(
            f"{folder} does not fit this version of the code, which ranks by other features "
            f"(unknown: {', '.join(unknown)}): run the code of that revision, or fit the models "
            "again"
        )
    # A ranker from before a feature existed ranks without it.
    missing = {name: 0.0 for name in QUERY_FEATURES if name not in ranker.weights}
    return replace(models, ranker=ranker.with_weights(missing))
