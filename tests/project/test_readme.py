"""Commands in README.md and docs/: each one runs and prints what the page shows.

The usual suite reads them, and asks DVC what those of "Change a setting" would run. A campaign of
several minutes runs all of them, in the order of the pages, in one repository of the tiny dataset:
python -m pytest -m campaign tests/project/test_readme.py
"""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
import yaml
from test_pipeline import REPO, commit, forget_everything, init, repo, reproduced, run

__all__ = ["repo", "reproduced"]  # fixtures

# The pages whose `sh` and `console` blocks are run, in this order.
PAGES = ("README.md", "docs/your-data.md", "docs/everyday.md", "docs/search.md", "docs/python.md")
MAX_README_LINES = 170
# Commands that are not run here, and why.
NOT_RUN = {
    "make test": "it runs this test",
    "python -m pytest -n 2 --dist loadgroup": "it is `make test`",
    "python3 -m venv .venv && . .venv/bin/activate && pip install -r requirements.lock": (
        "downloads gigabytes; `make` does the same wherever this runs"
    ),
    "pip install --no-deps --no-build-isolation --editable .": (
        "would install the copy of the project over the one under test"
    ),
}
# Commands that are run, but whose output the page shows without some of its columns.
SHORTENED = {"python benchmarks/interactions.py --log ratings.csv"}


class Example(NamedTuple):
    page: str
    section: str
    command: str
    shown: str  # the output on the page; "" if the page shows none


def read_examples(document: str, page: str = "") -> list[Example]:
    """Return the commands of all `sh` and `console` blocks of a document, in order."""
    examples = []
    for section in re.split(r"^## ", document, flags=re.MULTILINE):
        title = section.splitlines()[0]
        for kind, block in re.findall(r"^```(sh|console)\n(.*?)^```", section, re.M | re.S):
            lines = re.sub(r"^(?=.)", "$ ", block, flags=re.M) if kind == "sh" else block
            for part in re.split(r"^\$ ", lines, flags=re.MULTILINE)[1:]:
                line, _, shown = part.partition("\n")
                command = line.partition("  # ")[0].strip()
                examples.append(Example(page, title, command, shown.strip()))
    return examples


EXAMPLES = [
    example
    for page in PAGES
    for example in read_examples((REPO / page).read_text(encoding="utf-8"), page)
]
COMMANDS = [example.command for example in EXAMPLES]
README = (REPO / "README.md").read_text(encoding="utf-8")


def normalise(output: str) -> str:
    """Return the output with all numbers and rulers made equal, and without progress lines.

    Lines of progress bars and epochs appear or not depending on the speed of the machine.
    """
    output = re.sub(r"^(epoch \d+:|[\w ]+: \d+ of \d+,).*\n", "", output, flags=re.MULTILINE)
    output = re.sub(r"[-─]{3,}", "---", output)
    return re.sub(r"[-+]?\d+(,\d{3})*(\.\d+)?", "0", output)


def difference(shown: str, output: str) -> str:
    """Return how an output differs from the one shown; "" if they agree.

    Numbers do not count, and `...` stands for any text.
    """
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    want, got = normalise(shown) + "\n", normalise(output).strip() + "\n"
    want = re.sub(r"\s*^\.\.\.$\s*", "...", want, flags=re.MULTILINE)  # any lines, or none
    checker = doctest.OutputChecker()
    if not shown or checker.check_output(want, got, options):
        return ""
    return checker.output_difference(doctest.Example("", want), got, options)


def execute(example: Example, folder: Path) -> str:
    """Run a command with bash in `folder`, whose parent is the home folder; return its output."""
    # The packages are those of the tests, so `make` must not install any.
    command = re.sub(r"^make ", "make --assume-old=.venv/.installed ", example.command)
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env={
            **os.environ,
            "HOME": str(folder.parent),
            "DVC_SITE_CACHE_DIR": str(folder.parent / "site-cache"),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, f"{example.command}\n{result.stdout}"
    if example.command not in SHORTENED:
        unlike = difference(example.shown, result.stdout)
        assert not unlike, f"{example.page}: {example.command}\n{unlike}"
    return result.stdout


@pytest.fixture
def checkout(repo: Path) -> Path:
    """The tiny project with everything that the commands need, committed."""
    for name in ("Makefile", "README.md", "benchmarks", ".dvc/plots", ".dvc/offline.html"):
        source = REPO / name
        shutil.copytree(source, repo / name) if source.is_dir() else shutil.copy(
            source, repo / name
        )
    commit(repo)
    return repo


# --- How pages are read ---------------------------------------------------------------------------
def test_examples_are_read_from_both_kinds_of_block() -> None:
    document = "# A\n```sh\none  # why\ntwo\n```\n## B\n```console\n$ three\nsaid\n\n$ four\n```\n"
    assert read_examples(document, "page") == [
        ("page", "# A", "one", ""),
        ("page", "# A", "two", ""),
        ("page", "B", "three", "said"),
        ("page", "B", "four", ""),
    ]


@pytest.mark.parametrize(
    ("shown", "output"),
    [
        ("a 0.71 per photo, n=195", "a 0.5 per photo, n=7"),
        ("first\n...\nlast", "first\nmore\nand more\nlast"),
        ("first\n...\nlast\n...", "first\nlast"),
        ("n=1,000; ..., wrote a", "n=7; 0:00:03, wrote a"),
        ("x  y\n──── ─────\n1  2", "x y\n─── ──────────\n0.5 -17,000.25"),
        ("done", "train: 3 of 9,  2.5s/step, 00:09 left\nepoch 2: loss 1.0\ndone"),
    ],
)
def test_other_numbers_widths_and_progress_agree(shown: str, output: str) -> None:
    assert not difference(shown, output)


@pytest.mark.parametrize(
    "output", ["a 0.5 for each photo", "", "a 0.5 per photo\nb", "a per photo"]
)
def test_other_words_differ(output: str) -> None:
    assert difference("a 0.5 per photo", output)


# --- The pages against the project ----------------------------------------------------------------
def test_readme_is_short() -> None:
    assert len(README.splitlines()) <= MAX_README_LINES


def test_tree_in_readme_names_existing_paths() -> None:
    tree = README.partition("## Where things are")[2].split("```")[1]
    parent, paths = "", []
    for line in tree.strip().splitlines():
        name = line.lstrip("├└─ ").split()[0]
        if line[0] in "├└":
            paths.append(parent + name)
        else:
            parent = name
            paths.append(name)
    assert len(paths) > 15
    for path in paths:
        # Folders of outputs are not in git; they are in .gitignore.
        if path.rstrip("/") not in ("models", "plots", "data/<dataset>/raw"):
            assert (REPO / path).exists(), path


def test_exceptions_name_existing_examples() -> None:
    assert {*NOT_RUN, *SHORTENED} <= set(COMMANDS)
    assert len(COMMANDS) > 25


def test_commands_name_existing_targets_scripts_modules_and_keys() -> None:
    params = yaml.safe_load((REPO / "params.yaml").read_text(encoding="utf-8"))
    targets = re.findall(r"^(\w+):", (REPO / "Makefile").read_text(encoding="utf-8"), re.M)
    for command in COMMANDS:
        for target in re.findall(r"\bmake (\w+)", command):
            assert target in targets, command
        for script in re.findall(r"\bpython (\S+\.py)", command):
            assert (REPO / script).is_file(), command
        for module in re.findall(r"\bpython -m (market\S*)", command):
            path = REPO / module.replace(".", "/")
            assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), command
        for key in re.findall(r"-S ([\w.]+)=", command):
            section, _, name = key.partition(".")
            assert section in params and (not name or name in params[section]), command


def test_commands_without_make_are_those_of_the_makefile() -> None:
    def recipe(target: str) -> str:
        return run(
            REPO, "make", "--no-print-directory", "-n", "--assume-old=.venv/.installed", target
        ).stdout

    assert recipe("test").strip() in COMMANDS
    (both,) = (command for command in COMMANDS if command.startswith("dvc repro && "))
    assert recipe("run").split("\n")[:2] == both.split(" && ")


# --- The commands ---------------------------------------------------------------------------------
def test_a_changed_setting_concerns_the_stages_that_the_page_shows(repo: Path) -> None:
    (example,) = (example for example in EXAMPLES if "-n longer -S" in example.command)
    _, _, setting = example.command.partition("-S train.epochs=")
    params = yaml.safe_load((repo / "params.yaml").read_text(encoding="utf-8"))
    params["train"]["epochs"] = int(setting)
    (repo / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    concerned = yaml.safe_load(run(repo, "dvc", "status", "--json").stdout)
    shown = re.findall(r"^Running stage '(\w+)'", example.shown, re.M)
    unchanged = re.findall(r"^Stage '(\w+)' didn't change", example.shown, re.M)
    assert shown[0] in concerned and {"train_text", "regress"} == {*unchanged}
    assert not concerned.keys() & {*unchanged}


@pytest.mark.campaign  # 45 seconds
def test_changing_a_setting_prints_what_the_page_shows(checkout: Path) -> None:
    *examples, back = (
        example
        for example in EXAMPLES
        if (example.page, example.section) == ("docs/everyday.md", "Change a setting")
    )
    assert "git checkout HEAD" in back.command
    for example in examples:
        execute(example, checkout)
    epochs = yaml.safe_load((checkout / "params.yaml").read_text("utf-8"))["train"]["epochs"]
    phases = pd.read_csv(checkout / "plots/train_cnn.csv")["phase"].tolist()
    assert phases.count("head") == epochs == 160
    changed = run(checkout, "git", "status", "--short").stdout.splitlines()
    assert [line.split()[-1] for line in changed] == [
        "dvc.lock",
        "metrics/classify.json",
        "metrics/train_cnn.json",
        "params.yaml",
    ]
    execute(back, checkout)
    assert not run(checkout, "git", "status", "--short").stdout
    assert len(pd.read_csv(checkout / "plots/train_cnn.csv")) < epochs


def offer_marketplace(checkout: Path, raw: Path) -> None:
    """Push a raw folder to the remote as the marketplace's, from another checkout."""
    other = checkout.parent / "other"
    init(other)
    shutil.copytree(raw, other / "data/marketplace/raw")
    for photo in sorted((other / "data/marketplace/raw/images").glob("*.jpg"))[:3]:
        photo.write_bytes(photo.read_bytes() + b"\0")  # else the cache would already hold them
    run(other, "dvc", "add", "-q", "data/marketplace/raw")
    run(other, "dvc", "push", "-q")
    (checkout / "data/marketplace").mkdir()
    shutil.copy(other / "data/marketplace/raw.dvc", checkout / "data/marketplace")


def go_back(checkout: Path) -> None:
    run(checkout, "git", "checkout", "-q", ".")
    run(checkout, "dvc", "checkout", "-q", "--force")


def forget(checkout: Path) -> None:
    commit(checkout)
    forget_everything(checkout)


@pytest.mark.campaign
def test_every_command_prints_what_its_page_shows(checkout: Path, raw: Path) -> None:
    home = checkout.parent
    for name in ("my-listings", "new-listings"):
        shutil.copytree(raw, home / name)
    (home / "remote").mkdir()
    shutil.copy(raw / "interactions.csv", checkout / "ratings.csv")
    before: dict[str, Callable[[], None]] = {
        "dvc pull data/marketplace/raw": lambda: offer_marketplace(checkout, raw),
        "dvc repro --pull": lambda: forget(checkout),
    }
    section = ("", "")
    for example in EXAMPLES:
        if example.command in NOT_RUN:
            continue
        if (example.page, example.section) != section:
            go_back(checkout)
            if example.page != section[0]:  # else a page could not show a run of an earlier one
                shutil.rmtree(checkout / ".dvc/cache/runs", ignore_errors=True)
            section = (example.page, example.section)
        before.get(example.command, lambda: None)()
        print(f"$ {example.command}\n{execute(example, checkout)}", flush=True)
    predictions = pd.read_csv(checkout / "predictions.csv")
    assert len(predictions) == len(pd.read_csv(raw / "Products.csv", lineterminator="\n"))
