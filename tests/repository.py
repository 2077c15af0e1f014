"""A git and DVC repository with this one's settings, for tests of what DVC does."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

REPO = Path(__file__).parent.parent


def environment(folder: Path) -> dict[str, str]:
    """That of a command in `folder`, whose hashes DVC remembers beside it."""
    return {**os.environ, "DVC_SITE_CACHE_DIR": str(folder.parent / "site-cache")}


def run(folder: Path, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(
        command,
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert not check or result.returncode == 0, result.stdout
    return result


def ran_stages(output: str) -> list[str]:
    """Return the names of the stages that DVC says it runs, in order."""
    addresses = [
        line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage '")
    ]
    return [address.rpartition(":")[2] for address in addresses]


def init(repo: Path) -> None:
    """Make `repo` a git and DVC repository with this one's settings; its remote lies beside it."""
    repo.mkdir(parents=True, exist_ok=True)
    for name in (".gitignore", ".dvcignore"):
        shutil.copy(REPO / name, repo)
    run(repo, "git", "init", "-q")
    for key, value in {"user.name": "A", "user.email": "a@example.com"}.items():
        run(repo, "git", "config", key, value)
    run(repo, "dvc", "init", "-q")
    shutil.copy(REPO / ".dvc/config", repo / ".dvc/config")


def commit(repo: Path) -> None:
    run(repo, "git", "add", ".")
    run(repo, "git", "commit", "-qm", "state")


def contents(folder: Path) -> dict[str, bytes]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def forget_everything(repo: Path) -> None:
    """Remove the cache and all that is not in git."""
    shutil.rmtree(repo / ".dvc/cache")
    for folder in ("data", "models", "plots"):
        shutil.rmtree(repo / folder, ignore_errors=True)
    run(repo, "git", "checkout", "-q", ".")
