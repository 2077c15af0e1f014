"""Promotion and rollback of ranking models by git tag, in a small git and DVC repository."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import gto.api
import pytest
import yaml
from click.testing import CliRunner, Result
from dvc.repo import Repo
from repository import commit, init, run

from market import promote, variants
from market.core.errors import MarketError
from market.core.paths import PROMOTED, RANKER, SEARCH_INDEX
from market.search.model_registry import ModelRegistry
from market.search.model_versions import (
    ModelVersion,
    load_served_models,
    load_variant,
    served_version,
)
from market.search.ranker import Ranker
from market.search.ranking_models import RankingModels

ENCODER = "all-MiniLM-L6-v2"
MODELS = {
    "first": (1.0, ENCODER),
    "second": (2.0, ENCODER),
    "another-encoder": (4.0, "another-encoder"),
}


def weight_of(models: RankingModels) -> float:
    return models.ranker.weights["bm25"]


def version_by_gto() -> str:
    """Return the version in stage prod as GTO itself reads the tags."""
    return gto.api.show(".", "rank#prod")[0]["version"]


def write_fitted(weight: float, **more: float) -> None:
    """Write the models that the stage `rank` of the repository copies."""
    shutil.rmtree("fitted", ignore_errors=True)
    RankingModels(Ranker.prior().with_weights({"bm25": weight, **more})).save(Path("fitted"))


def write_index(encoder: str = ENCODER) -> None:
    SEARCH_INDEX.mkdir(parents=True, exist_ok=True)
    content = {"encoder": {"name": encoder, "sha256": "0"}}
    (SEARCH_INDEX / "index.json").write_text(json.dumps(content))


def commit_models(repo: Path, weight: float, encoder: str) -> None:
    """Fit models of a weight on an index with an encoder, and commit the lock."""
    write_fitted(weight)
    (repo / "params.yaml").write_text(yaml.safe_dump({"index": {"encoder": encoder}}))
    with Repo(str(repo)) as project:  # in this process: a command of DVC takes seconds to start
        project.reproduce()
        project.push()
    commit(repo)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a repository whose tags are commits, each with other models, and its remote."""
    base = tmp_path_factory.mktemp("promotion")
    repo = base / "team/repo"
    init(repo)
    stages = {
        "index": {"cmd": "true", "params": ["index"]},
        "rank": {
            "cmd": "mkdir -p models && cp -r fitted models/rank",
            "deps": ["fitted"],
            "outs": ["models/rank"],
        },
    }
    (repo / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_SITE_CACHE_DIR", str(base / "site-cache"))
        patch.chdir(repo)
        for name, (weight, encoder) in MODELS.items():
            commit_models(repo, weight, encoder)
            run(repo, "git", "branch", name)
        yield base


@pytest.fixture
def repo(history: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the repository, at the commit `second`, with an index."""
    shutil.copytree(history, tmp_path / "copy")
    repo = tmp_path / "copy/team/repo"
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site-cache"))
    monkeypatch.chdir(repo)
    run(repo, "git", "checkout", "-q", "second")
    shutil.rmtree(RANKER)
    shutil.copytree("fitted", RANKER)
    write_index()
    return repo


@pytest.fixture
def promoted() -> Callable[..., Result]:
    """Return promoted(*arguments), which runs the command, and succeeds unless `fails`."""

    def invoke(*arguments: str, fails: bool = False) -> Result:
        result = CliRunner().invoke(promote.main, arguments)
        assert (result.exit_code != 0) == fails, result.output
        assert result.output.count("\n") == 1
        return result

    return invoke


def test_promotion_and_rollback_by_git_tag(repo: Path, promoted: Callable[..., Result]) -> None:
    assert served_version() == "latest" and weight_of(load_served_models()[1]) == 2.0
    promoted("first")
    assert served_version() == "v0.0.1" and weight_of(load_served_models()[1]) == 1.0
    shutil.rmtree(repo / ".dvc/cache")  # the next ones come from the remote
    time.sleep(1.1)  # GTO orders tags by their time in seconds
    promoted("second", "--version", "v1.2.0")
    assert (served_version(), weight_of(load_served_models()[1])) == ("v1.2.0", 2.0)
    tags = run(repo, "git", "tag").stdout.split()
    assert tags == ["rank#prod#1", "rank#prod#2", "rank@v0.0.1", "rank@v1.2.0"]
    assert version_by_gto() == "v1.2.0"

    promoted("--rollback")
    assert (served_version(), weight_of(load_served_models()[1])) == ("v0.0.1", 1.0)
    assert version_by_gto() == "v0.0.1"
    assert "v0.0.1 is the only one" in promoted("--rollback", fails=True).output

    promoted("v1.2.0")  # a registered version: again in front
    assert weight_of(load_served_models()[1]) == 2.0
    promoted("--clear")
    assert served_version() == "latest"
    promoted()  # what the tags say
    assert served_version() == "v1.2.0"
    assert weight_of(RankingModels.load(RANKER)) == 2.0
    assert run(repo, "git", "status", "--porcelain").stdout == ""


def test_models_that_do_not_fit_are_refused_and_nothing_changes(
    repo: Path, promoted: Callable[..., Result]
) -> None:
    assert "no git tag assigns" in promoted(fails=True).output
    promoted("first")
    tags = run(repo, "git", "tag").stdout
    assert "another-encoder" in promoted("another-encoder", fails=True).output
    assert "'nonsense' is no version" in promoted("nonsense", fails=True).output
    assert "give one of" in promoted("second", "--rollback", fails=True).output
    shutil.rmtree(repo / ".dvc/cache")
    shutil.rmtree(repo.parent / "shared")
    assert "neither DVC's cache nor its remote" in promoted("second", fails=True).output
    assert ModelVersion.load(PROMOTED).name == "v0.0.1"
    assert run(repo, "git", "tag").stdout == tags
    write_index("another-encoder")
    with pytest.raises(MarketError, match="fitted with the encoder 'all-MiniLM-L6-v2'"):
        load_served_models()


def test_models_of_a_revision_serve_as_variant_b(repo: Path) -> None:
    result = CliRunner().invoke(variants.main, ["second"])
    assert result.exit_code == 0, result.output
    assert weight_of(load_variant("second")) == 2.0
    write_fitted(3.0)
    assert weight_of(load_variant("fitted")) == 3.0  # a folder
    write_fitted(3.0, magnetism=1.0)
    with pytest.raises(MarketError, match=r"other features \(unknown: magnetism"):
        load_variant("fitted")
    with pytest.raises(MarketError, match=r"python -m market\.variants missing"):
        load_variant("missing")
    with pytest.raises(MarketError, match="no ranking models"):
        load_variant("models")
    assert ModelRegistry().assigned("prod") == []


@pytest.mark.campaign
def test_an_experiment_of_dvc_serves_as_variant_b(repo: Path) -> None:
    write_fitted(7.0)
    run(repo, "dvc", "exp", "run", "-q", "-n", "try-seven")
    run(repo, "git", "checkout", "-q", ".")
    result = CliRunner().invoke(variants.main, ["try-seven"])
    assert result.exit_code == 0, result.output
    assert weight_of(load_variant("try-seven")) == 7.0
