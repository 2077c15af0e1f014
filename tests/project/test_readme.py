"""README's examples: each command runs, and what it says has the shape that README shows.

Those of everyday run in the usual suite. All of them, in README's order and in one repository of
the tiny dataset, are a campaign of minutes:
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

README = (REPO / "README.md").read_text(encoding="utf-8")
# Not run here, and why.
ELSEWHERE = {
    "make test": "it is what runs this",
    "python -m pytest -n 2 --dist loadgroup": "it is `make test`",
    "make serve": "test_search_serve.py runs it",
    "python3.11 -m venv .venv && . .venv/bin/activate && pip install -r requirements.lock": (
        "gigabytes from the network; `make` does the same wherever this runs"
    ),
}
# Run, but of what they say README leaves columns out.
SHORTENED = {"python benchmarks/interactions.py --log ratings.csv"}


class Example(NamedTuple):
    section: str
    command: str
    shown: str  # of its output; "" where README shows none


def read_examples(document: str) -> list[Example]:
    """The commands of all `sh` and `console` blocks, in order."""
    found = []
    for section in re.split(r"^## ", document, flags=re.MULTILINE):
        title = section.splitlines()[0]
        for kind, block in re.findall(r"^```(sh|console)\n(.*?)^```", section, re.M | re.S):
            lines = re.sub(r"^(?=.)", "$ ", block, flags=re.M) if kind == "sh" else block
            for part in re.split(r"^\$ ", lines, flags=re.MULTILINE)[1:]:
                line, _, shown = part.partition("\n")
                found.append(Example(title, line.partition("  # ")[0].strip(), shown.strip()))
    return found


EXAMPLES = read_examples(README)
COMMANDS = [example.command for example in EXAMPLES]


def shape(output: str) -> str:
    """The output with all numbers and rulers made alike, without the lines of bars and epochs: they
    come and go with a machine's speed."""
    output = re.sub(r"^(epoch \d+:|[\w ]+: \d+ of \d+,).*\n", "", output, flags=re.MULTILINE)
    output = re.sub(r"[-─]{3,}", "---", output)
    return re.sub(r"[-+]?\d+(,\d{3})*(\.\d+)?", "0", output)


def differs(shown: str, output: str) -> str:
    """How the shape of an output is not the one shown, where `...` stands for anything; or ""."""
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    want, got = shape(shown) + "\n", shape(output).strip() + "\n"
    want = re.sub(r"\s*^\.\.\.$\s*", "...", want, flags=re.MULTILINE)  # any lines, or none
    checker = doctest.OutputChecker()
    if not shown or checker.check_output(want, got, options):
        return ""
    return checker.output_difference(doctest.Example("", want), got, options)


def execute(example: Example, folder: Path) -> str:
    """Run a command in bash, in `folder` and with it as the home; return what it said."""
    # As `make` finds it in a checkout; the packages are those of the tests.
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
    difference = "" if command in SHORTENED else differs(example.shown, result.stdout)
    assert not difference, f"{example.command}\n{difference}"
    return result.stdout


@pytest.fixture
def checkout(repo: Path) -> Path:
    """The tiny project with all that README's commands need, committed."""
    for name in ("Makefile", "README.md", "benchmarks", ".dvc/plots", ".dvc/offline.html"):
        source = REPO / name
        shutil.copytree(source, repo / name) if source.is_dir() else shutil.copy(
            source, repo / name
        )
    commit(repo)
    return repo


# --- The reading of README ------------------------------------------------------------------------
def test_examples_are_read_as_they_are_shown() -> None:
    document = "# A\n```sh\none  # why\ntwo\n```\n## B\n```console\n$ three\nsaid\n\n$ four\n```\n"
    assert read_examples(document) == [
        ("# A", "one", ""), ("# A", "two", ""), ("B", "three", "said"), ("B", "four", "")
    ]  # fmt: skip


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
def test_numbers_widths_and_bars_are_no_difference(shown: str, output: str) -> None:
    assert not differs(shown, output)


@pytest.mark.parametrize(
    "output", ["a 0.5 for each photo", "", "a 0.5 per photo\nb", "a per photo"]
)
def test_other_words_are_one(output: str) -> None:
    assert differs("a 0.5 per photo", output)


# --- README against the project -------------------------------------------------------------------
def test_what_is_not_run_is_in_readme() -> None:
    assert {*ELSEWHERE, *SHORTENED} <= set(COMMANDS)
    assert len(COMMANDS) > 20


def test_commands_name_what_there_is() -> None:
    params = yaml.safe_load((REPO / "params.yaml").read_text(encoding="utf-8"))
    targets = re.findall(r"^(\w+):", (REPO / "Makefile").read_text(encoding="utf-8"), re.M)
    for command in COMMANDS:
        for target in re.findall(r"\bmake (\w+)", command):
            assert target in targets, command
        for script in re.findall(r"\bpython (\S+\.py)", command):
            assert (REPO / script).is_file(), command
        for key in re.findall(r"-S ([\w.]+)=", command):
            section, _, name = key.partition(".")
            assert section in params and (not name or name in params[section]), command


def test_the_plain_commands_are_those_of_make() -> None:
    def recipe(target: str) -> str:
        return run(
            REPO, "make", "--no-print-directory", "-n", "--assume-old=.venv/.installed", target
        ).stdout

    assert recipe("test").strip() in COMMANDS
    (both,) = (command for command in COMMANDS if command.startswith("dvc repro && "))
    assert recipe("run").split("\n")[:2] == both.split(" && ")


# --- README's commands ----------------------------------------------------------------------------
def test_everyday_commands_say_what_is_shown(checkout: Path) -> None:
    everyday = [example for example in EXAMPLES if example.section == "Everyday DVC"]
    back = next(place for place, of in enumerate(everyday) if "git checkout HEAD" in of.command)
    for example in everyday[:back]:
        execute(example, checkout)
    epochs = yaml.safe_load((checkout / "params.yaml").read_text("utf-8"))["train"]["epochs"]
    phases = pd.read_csv(checkout / "plots/train_cnn.csv")["phase"].tolist()
    assert phases == ["head"] * epochs + ["finetune"]
    changed = run(checkout, "git", "status", "--short").stdout.splitlines()
    assert [line.split()[-1] for line in changed] == [
        "dvc.lock",
        "metrics/classify.json",
        "metrics/train_cnn.json",
        "params.yaml",
    ]
    execute(everyday[back], checkout)
    assert not run(checkout, "git", "status", "--short").stdout
    assert len(pd.read_csv(checkout / "plots/train_cnn.csv")) < epochs


def offer_marketplace(checkout: Path, raw: Path) -> None:
    """Put a raw folder into the remote under the marketplace's name, from another checkout."""
    other = checkout.parent / "other"
    init(other)
    shutil.copytree(raw, other / "data/marketplace/raw")
    for photo in sorted((other / "data/marketplace/raw/images").glob("*.jpg"))[:3]:
        photo.write_bytes(photo.read_bytes() + b"\0")  # or the cache would have them already
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
def test_every_command_says_what_is_shown(checkout: Path, raw: Path) -> None:
    home = checkout.parent
    for name in ("my-listings", "new-listings"):
        shutil.copytree(raw, home / name)
    (home / "remote").mkdir()
    shutil.copy(raw / "interactions.csv", checkout / "ratings.csv")
    before: dict[str, Callable[[], None]] = {
        "dvc pull data/marketplace/raw": lambda: offer_marketplace(checkout, raw),
        "dvc repro --pull": lambda: forget(checkout),
    }
    section = ""
    for example in EXAMPLES:
        if example.command in ELSEWHERE:
            continue
        if example.section != section:
            go_back(checkout)
            section = example.section
        before.get(example.command, lambda: None)()
        print(f"$ {example.command}\n{execute(example, checkout)}", flush=True)
    answers = pd.read_csv(checkout / "predictions.csv")
    assert len(answers) == len(pd.read_csv(raw / "Products.csv", lineterminator="\n"))
