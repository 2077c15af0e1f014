"""The pipeline as a whole: what dvc.yaml declares is what the code reads, and DVC acts on it."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from repository import REPO, commit, contents, forget_everything, init, ran_stages, run

import market
from market.core.dependencies import code_dependencies, direct_imports
from market.core.stage import pipeline_stages

SCRIPTS = sorted((REPO / "stages").glob("*.py"))
STAGES = pipeline_stages(REPO)


# --- What dvc.yaml declares -----------------------------------------------------------------------
def declared(stage: dict[str, Any], kind: str) -> set[str]:
    """Return the paths or keys of a stage's deps, params, outs or metrics, without options."""
    entries = stage.get(kind, [])
    return {entry if isinstance(entry, str) else next(iter(entry)) for entry in entries}


def test_imports_of_every_form_are_found(tmp_path: Path) -> None:
    for name in ("clean", "data/tables", "core/atomic", "core/params"):
        (tmp_path / f"market/{name}.py").parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"market/{name}.py").touch()
    script = tmp_path / "script.py"
    script.write_text(
        "import market.clean\nfrom market.data.tables import read_table\n"
        "def main():\n    from market.core import atomic\n    import numpy, market.core.params\n"
    )
    assert code_dependencies(script, tmp_path) == [
        "market/clean.py",
        "market/core/atomic.py",
        "market/core/params.py",
        "market/data/tables.py",
        "script.py",
    ]
    script.write_text("from . import clean\n")
    with pytest.raises(ValueError, match="relative import"):
        code_dependencies(script, tmp_path)


@pytest.mark.parametrize("name", STAGES)
def test_code_deps_are_what_the_stage_imports(name: str) -> None:
    stage = STAGES[name]
    assert stage["cmd"] == f"python stages/{name}.py"
    code = {dep for dep in declared(stage, "deps") if dep.endswith(".py")}
    assert code == set(code_dependencies(REPO / f"stages/{name}.py")), "run `make deps`"


@pytest.mark.parametrize("name", STAGES)
def test_params_are_the_keys_that_the_stage_reads(name: str) -> None:
    script = REPO / f"stages/{name}.py"
    read: set[str] = set()
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "load_params":
            read |= {ast.literal_eval(key) for key in node.args}
    assert read == declared(STAGES[name], "params")


def test_every_param_belongs_to_a_stage() -> None:
    params = yaml.safe_load((REPO / "params.yaml").read_text(encoding="utf-8"))
    used = {key for stage in STAGES.values() for key in declared(stage, "params")}
    assert set(params) == {key.split(".")[0] for key in used}
    for key in used:
        value = params
        for part in key.split("."):
            value = value[part]


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_says_what_it_does(name: str) -> None:
    assert len(STAGES[name]["desc"]) > 20
    assert "persist" not in str(STAGES[name])


# Each layer imports only those to the left of it; stages and commands stand on all of them.
LAYERS = ("core", "data", "models", "search")
TOP = ("reporting", "service", "api", "export")
MODULES = sorted((REPO / "market").rglob("*.py"))


def layer(path: Path) -> str:
    """Return the folder of market/ that a module stands in; "" for a command."""
    parts = path.relative_to(REPO).parts
    return parts[0] if parts[0] != "market" else "" if len(parts) == 2 else parts[1]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.relative_to(REPO).as_posix())
def test_a_module_imports_only_lower_layers(module: Path) -> None:
    own = layer(module)
    allowed = {own, *LAYERS}
    if own in LAYERS:
        allowed = set(LAYERS[: LAYERS.index(own) + 1])
    elif not own:
        allowed |= set(TOP)
    assert {layer(path) for path in direct_imports(module)} <= allowed


@pytest.mark.parametrize("script", [*SCRIPTS, *MODULES], ids=lambda path: path.stem)
def test_nothing_imports_a_stage(script: Path) -> None:
    assert not direct_imports(script) & set(SCRIPTS)


@pytest.mark.parametrize("module", sorted((REPO / "market").rglob("__init__.py")), ids=str)
def test_no_result_depends_on_an_init_file(module: Path) -> None:
    """dvc.yaml lists modules only, so DVC would not see what an __init__.py does.

    That of market/ imports names lazily, for notebooks. That of core/ sets a variable of torch.
    That of service/schemas puts the names for the routes together: no stage imports it.
    """
    first, *others = ast.parse(module.read_text(encoding="utf-8")).body
    assert isinstance(first, ast.Expr)
    exceptions = (REPO / "market", REPO / "market/core", REPO / "market/service/schemas")
    assert not others or module.parent in exceptions
    assert "market/service/schemas" not in (REPO / "dvc.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("script", [*SCRIPTS, *MODULES], ids=lambda path: path.stem)
def test_nothing_uses_the_names_of_the_package_itself(script: Path) -> None:
    """`from market import Search` is for notebooks: no dependency would appear in dvc.yaml."""
    imported = {
        alias.name
        for node in ast.walk(ast.parse(script.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module == "market"
        for alias in node.names
    }
    assert not imported & {*market.__all__}


# --- Faults of the input --------------------------------------------------------------------------
def drop_column(raw: Path) -> None:
    table = raw / "Products.csv"
    table.write_bytes(table.read_bytes().replace(b",location\n", b",place\n", 1))


def write_latin_1(raw: Path) -> None:
    (raw / "Products.csv").write_bytes("id,name\n1,café\n".encode("latin-1"))


@pytest.mark.parametrize(
    ("stage", "changes", "damage", "message"),
    [
        ("sample", {"sample.products": 39}, None, "39"),
        ("check", {"dataset": "absent"}, None, "data/absent/raw does not exist"),
        ("clean", {"dataset": "absent"}, None, "data/absent/raw/Products.csv does not exist"),
        ("clean", {}, write_latin_1, "Products.csv is not a UTF-8 CSV table"),
        ("merge", {"merge.val_folds": 0}, None, "merge.val_folds"),
        ("embed_photos", {"train.backbone": "resnet18"}, None, "train.backbone is 'resnet18'"),
        ("train_cnn", {"train.epochs": 0, "train.finetune_epochs": 0}, None, "epochs"),
        ("train_text", {"train_text.epochs": 0}, None, "train_text.epochs"),
    ],
)
def test_a_fault_is_one_line_and_leaves_nothing(
    ran: Path,
    make_project: Callable[..., Path],
    invoke_stage: Callable,
    tmp_path: Path,
    stage: str,
    changes: dict[str, Any],
    damage: Callable[[Path], None] | None,
    message: str,
) -> None:
    project = prepare(make_project(tmp_path / "project", changes), stage, ran, damage)
    before = all_paths(project)
    result = invoke_stage(project, stage, check=False)
    assert result.exit_code == 1
    assert_one_line(result.stderr, message)
    assert not new_outputs(project, stage, before)


def test_a_fault_of_a_script_is_one_line_and_leaves_nothing(
    ran: Path, make_project: Callable[..., Path], run_stage: Callable, tmp_path: Path
) -> None:
    project = prepare(make_project(tmp_path / "project"), "clean", ran, drop_column)
    before = all_paths(project)
    result = run_stage(project, "clean", check=False)
    assert result.returncode == 1
    assert_one_line(result.stderr, "Products.csv: no column 'location'")
    assert not new_outputs(project, "clean", before)


def prepare(project: Path, stage: str, ran: Path, damage: Callable[[Path], None] | None) -> Path:
    """Give a project what its stage reads, then damage its raw folder."""
    if damage is not None:
        damage(project / "data/sample/raw")
    for dep in declared(STAGES[stage], "deps"):
        path = project / dep
        if "$" not in dep and not path.exists():  # an output of an earlier stage
            path.parent.mkdir(parents=True, exist_ok=True)
            source = ran / dep
            shutil.copytree(source, path) if source.is_dir() else shutil.copy(source, path)
    return project


def all_paths(project: Path) -> set[Path]:
    return {path for path in project.rglob("*") if "__pycache__" not in path.parts}


def assert_one_line(stderr: str, message: str) -> None:
    (line,) = stderr.splitlines()
    assert line.startswith("Error: ") and message in line


def new_outputs(project: Path, stage: str, before: set[Path]) -> set[Path]:
    """Return the outputs of a stage, whole or partial, that were not there before."""
    outs = {project / out for kind in ("outs", "metrics") for out in declared(STAGES[stage], kind)}
    new = all_paths(project) - before
    return {path for path in new if path in outs or ".partial" in path.name}


# --- What DVC does --------------------------------------------------------------------------------
@pytest.fixture(scope="session")
def reproduced(once: Callable[..., Path], make_project: Callable[..., Path]) -> Path:
    """Return a folder whose repo/ has run `dvc repro`. Only to be copied."""

    def build(folder: Path) -> None:
        repo = make_project(folder / "repo")
        shutil.rmtree(repo / "data/sample/raw")
        init(repo)
        commit(repo)
        (folder / "output.txt").write_text(run(repo, "dvc", "repro").stdout, encoding="utf-8")

    return once("reproduced", build)


@pytest.fixture
def repo(reproduced: Path, tmp_path: Path) -> Path:
    shutil.copytree(reproduced / "repo", tmp_path / "repo")
    return tmp_path / "repo"


def test_repro_runs_every_stage_once(reproduced: Path, repo: Path) -> None:
    assert ran_stages((reproduced / "output.txt").read_text(encoding="utf-8")) == list(STAGES)
    for name, stage in STAGES.items():
        for out in declared(stage, "outs") | declared(stage, "metrics"):
            assert (repo / out).exists(), f"{name}: {out}"
    untracked = run(repo, "git", "status", "--short").stdout.split()
    expected = ["??", "data/sample/dvc.lock", "??", "dvc.lock", "??", "metrics/"]
    assert untracked == expected, "outs and runs are ignored by git"
    again = run(repo, "dvc", "repro").stdout
    assert not ran_stages(again)
    assert "Data and pipelines are up to date." in again


def test_stages_run_again_elsewhere_give_the_same_bytes(
    reproduced: Path, ran: Path, tmp_path: Path
) -> None:
    other = tmp_path / "elsewhere" / "repo"
    shutil.copytree(ran, other, ignore=shutil.ignore_patterns("__pycache__", "runs"))
    init(other)
    run(other, "dvc", "commit", "--force")
    for lock in ("dvc.lock", "data/sample/dvc.lock"):
        expected = (reproduced / "repo" / lock).read_text(encoding="utf-8")
        assert (other / lock).read_text(encoding="utf-8") == expected
    assert contents(other / "metrics") == contents(reproduced / "repo/metrics")


@pytest.mark.parametrize(
    ("dataset", "expected"), [("sample", ["sample", "check"]), ("mine", ["check"])]
)
def test_the_sample_is_generated_for_its_own_dataset_only(
    make_project: Callable[..., Path], raw: Path, tmp_path: Path, dataset: str, expected: list[str]
) -> None:
    repo = make_project(tmp_path / "repo", {"dataset": dataset})
    shutil.copytree(raw, repo / "data/mine/raw")
    init(repo)
    assert ran_stages(run(repo, "dvc", "repro", "--dry", "check").stdout) == expected


def test_an_unknown_dataset_is_refused_before_anything_is_touched(repo: Path) -> None:
    commit(repo)
    before = {name: contents(repo / name) for name in ("data/clean", "metrics")}
    result = run(repo, "dvc", "exp", "run", "-S", "dataset=nope", check=False)
    assert result.returncode != 0 and "data/nope/raw" in result.stdout
    assert {name: contents(repo / name) for name in before} == before
    params = yaml.safe_load((repo / "params.yaml").read_text(encoding="utf-8"))
    (repo / "params.yaml").write_text(yaml.safe_dump(params | {"dataset": "nope"}), "utf-8")
    result = run(repo, "dvc", "repro", check=False)
    assert result.returncode != 0 and "data/nope/raw" in result.stdout
    assert {name: contents(repo / name) for name in before} == before


def test_outputs_come_back_from_the_remote_instead_of_a_run(repo: Path) -> None:
    before = {folder: contents(repo / folder) for folder in ("data", "models", "plots")}
    commit(repo)
    run(repo, "dvc", "push")
    forget_everything(repo)
    assert not ran_stages(run(repo, "dvc", "repro", "--pull").stdout)
    for folder, content in before.items():
        assert contents(repo / folder) == content, folder


@pytest.fixture
def with_remote(raw: Path, tmp_path: Path) -> Path:
    """Return a repository whose raw folder is only in the remote."""
    repo = tmp_path / "repo"
    init(repo)
    shutil.copytree(raw, repo / "data/mine/raw", ignore=shutil.ignore_patterns("*[2-9a-f].jpg"))
    run(repo, "dvc", "add", "data/mine/raw")
    run(repo, "git", "add", "-f", "data/mine/raw.dvc")
    commit(repo)
    run(repo, "dvc", "push")
    forget_everything(repo)
    assert not (repo / "data/mine/raw").exists()
    return repo


def test_the_raw_folder_comes_back_from_the_remote(with_remote: Path, raw: Path) -> None:
    run(with_remote, "dvc", "pull")
    pulled = contents(with_remote / "data/mine/raw")
    expected = contents(raw)
    assert {"Products.csv", "Images.csv"} < set(pulled)
    assert pulled == {name: expected[name] for name in pulled}


def test_a_tampered_object_is_refused(with_remote: Path, raw: Path) -> None:
    objects = with_remote.parent / "shared/remote/files/md5"
    genuine = (raw / "Products.csv").read_bytes()
    (stored,) = (path for path in objects.glob("*/*") if path.read_bytes() == genuine)
    stored.chmod(0o644)
    stored.write_bytes(genuine.replace(b"\xc2\xa3", b"\xc2\xa39"))
    assert run(with_remote, "dvc", "pull", check=False).returncode != 0
    assert not (with_remote / "data/mine/raw/Products.csv").exists()
