"""Versions of the ranking models: git tags in GTO's convention, files from DVC.

The tag `rank@v1.2.0` registers a version, and `rank#prod#3` assigns stage `prod` to the version of
its commit; the number counts all assignments. `rank#prod!#4` takes an assignment back. The models
of a revision come from DVC's cache or remote; the workspace stays as it is.

References
----------
https://github.com/iterative/gto
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import yaml

from market.core.atomic import replace_when_done
from market.core.errors import MarketError
from market.core.extras import needs_extra
from market.core.paths import DVC_LOCK, PARAMS, RANKER, SEARCH_INDEX
from market.search.model_versions import (
    RANK,
    ModelVersion,
    check_encoder,
    read_models,
    variant_folder,
)

with needs_extra("train"):
    import gto.api
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.scm import resolve_rev
    from dvc_data.index import DataIndexDirError
    from gto.constants import Action
    from gto.exceptions import GTOException
    from gto.tag import parse_name
    from scmrepo.exceptions import SCMError
    from scmrepo.git import Git

ARTIFACT = "rank"  # the name in tags
FAULTS = (
    SCMError, DvcException, DataIndexDirError, GTOException, OSError, yaml.YAMLError, KeyError,
)  # fmt: skip


class Assignment(NamedTuple):
    """A version that a stage is assigned to.

    `version` is None if the commit has no registered version.
    """

    revision: str
    version: str | None

    @property
    def name(self) -> str:
        """The version, or the beginning of the revision."""
        return self.version or self.revision[:7]


class ModelRegistry:
    """The versions of the ranking models in the git repository of a folder.

    Parameters
    ----------
    root
        The folder of the project.

    Raises
    ------
    MarketError
        If the folder is in no git repository with DVC.
    """

    def __init__(self, root: Path = Path()) -> None:
        with _one_line(f"{root.resolve()} is no git repository with DVC"):
            self._repo = Repo(str(root))
            if not isinstance(self._repo.scm, Git):
                raise MarketError("DVC runs without git here, so there are no revisions")
        self._scm: Git = self._repo.scm
        self._root = Path(self._repo.root_dir)

    def resolve(self, name: str) -> str:
        """Return the commit of a version, a revision, or an experiment of DVC.

        Raises
        ------
        MarketError
            If there is none of this name.
        """
        if (revision := self.versions().get(name)) is not None:
            return revision
        with _one_line(f"{name!r} is no version, git revision or DVC experiment"):
            return str(resolve_rev(self._scm, name))

    def versions(self) -> dict[str, str]:
        """Return the commit of each registered version, such as "v1.2.0", in order of the tags."""
        registered: dict[str, str] = {}
        for tag, parts in self._tags():
            if parts.get("action") == Action.REGISTER:
                registered[parts["version"]] = self._commit(tag)
            elif parts.get("action") == Action.DEREGISTER:
                registered.pop(parts["version"], None)
        return registered

    def assigned(self, stage: str) -> list[Assignment]:
        """Return the versions that a stage was assigned to, and still is, the current one last."""
        numbered = [
            (parts["counter"], parts["action"], tag)
            for tag, parts in self._tags()
            if parts.get("stage") == stage and "counter" in parts
        ]
        names = {revision: version for version, revision in self.versions().items()}
        revisions: list[str] = []
        for _, action, tag in sorted(numbered, key=lambda each: each[0]):
            revision = self._commit(tag)
            if revision in revisions:
                revisions.remove(revision)
            if action == Action.ASSIGN:
                revisions.append(revision)
        return [Assignment(revision, names.get(revision)) for revision in revisions]

    def register(self, revision: str, version: str | None = None) -> str:
        """Register a commit as a version, if it has none; return the version.

        Parameters
        ----------
        revision
            The commit.
        version
            Such as "v1.2.0"; None counts the last number of the latest version up.

        Raises
        ------
        MarketError
            If the version is another commit's, or the commit has another version.
        """
        registered = {commit: name for name, commit in self.versions().items()}.get(revision)
        if registered is not None and version in (None, registered):
            return registered
        with _one_line("git cannot tag the version"):
            event = gto.api.register(self._scm, ARTIFACT, revision, version=version)
        return str(event.version)

    def assign(self, revision: str, stage: str) -> str:
        """Assign a stage to a registered commit; return the tag."""
        with _one_line(f"git cannot tag stage {stage!r}"):
            event = gto.api.assign(
                self._scm, ARTIFACT, stage, ref=revision, force=True, skip_registration=True
            )
        return str(event.tag)

    def unassign(self, revision: str, stage: str) -> str:
        """Take the assignment of a stage to a commit back; return the tag."""
        with _one_line(f"git cannot tag stage {stage!r}"):
            event = gto.api.unassign(self._scm, ARTIFACT, ref=revision, stage=stage)
        return str(event.tag)

    def bring(self, revision: str, name: str, folder: Path) -> ModelVersion:
        """Bring the models of a commit into a new folder, and check that they fit the index.

        Raises
        ------
        MarketError
            If DVC has no models of that commit, or they do not fit the index or the code.
        """
        version = ModelVersion(name, revision, self._text_encoder(revision))
        check_encoder(version, self._root / SEARCH_INDEX)
        folder.mkdir(parents=True)
        with _one_line(
            f"{RANKER} of {name} is in neither DVC's cache nor its remote: run `dvc push` where it "
            "was fitted, or `dvc repro` in that revision"
        ):
            files = DVCFileSystem(str(self._root), rev=revision)
            files.get(RANKER.as_posix(), str(folder / RANK), recursive=True)
        read_models(folder / RANK)
        version.save(folder)
        return version

    def bring_variant(self, name: str) -> Path:
        """Bring the models of a version, revision or experiment; return their folder.

        Raises
        ------
        MarketError
            As `resolve` and `bring` do.
        """
        target = self._root / variant_folder(name)
        with replace_when_done(target) as folder:
            self.bring(self.resolve(name), name, folder)
        return target

    def _text_encoder(self, revision: str) -> str | None:
        """Return the sentence encoder that dvc.lock of a commit names; None without one."""
        with _one_line(f"{revision[:7]} has no dvc.lock that can be read: run `dvc repro` there"):
            text = DVCFileSystem(str(self._root), rev=revision).read_text(DVC_LOCK.as_posix())
            params = yaml.safe_load(text)["stages"].get("index", {}).get("params", {})
        return params.get(PARAMS.as_posix(), {}).get("index", {}).get("encoder")

    def _tags(self) -> Iterator[tuple[str, dict]]:
        """Yield each tag of ARTIFACT with its parts, as GTO reads them."""
        for tag in self._scm.list_tags():
            parts = parse_name(tag, raise_on_fail=False)
            if parts and parts["name"] == ARTIFACT:
                yield tag, parts

    def _commit(self, tag: str) -> str:
        return str(self._scm.resolve_rev(f"refs/tags/{tag}^{{commit}}"))


@contextmanager
def _one_line(message: str) -> Iterator[None]:
    """Turn errors of git, DVC and GTO into a MarketError that begins with a message."""
    try:
        yield
    except FAULTS as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise MarketError(f"{message} ({reason:.200})") from None
