"""Write the modules that each stage imports into dvc.yaml: `make deps`.

DVC hashes what a stage declares and never follows imports. An undeclared module leaves a stage's
results stale, and a declared folder reruns it too often, so each stage lists exactly the files that
it reaches.
"""

from __future__ import annotations

import ast
from pathlib import Path

import click

from market.core.atomic import replace_when_done
from market.core.extras import needs_extra
from market.core.paths import DVC_FILES

ROOT = Path(__file__).parents[2]


def direct_imports(script: Path, root: Path = ROOT) -> set[Path]:
    """Return the project's files that a module imports itself, anywhere in it.

    Parameters
    ----------
    script
        A Python file.
    root
        The folder from which the project's packages are imported.

    Raises
    ------
    ValueError
        If an import is relative: only absolute ones can be resolved without running the module.
    """
    names: set[str] = set()
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{script}:{node.lineno}: a relative import: make it absolute")
            names |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    paths = {root / (name.replace(".", "/") + ".py") for name in names}
    return {path for path in paths if path.exists()}


def all_imports(script: Path, root: Path = ROOT) -> set[Path]:
    """Return `script` and every file of the project that it reaches by imports."""
    reached: set[Path] = set()
    waiting = {script}
    while waiting:
        path = waiting.pop()
        reached.add(path)
        waiting |= direct_imports(path, root) - reached
    return reached


def code_dependencies(script: Path, root: Path = ROOT) -> list[str]:
    """Return the paths of `all_imports`, relative to `root` and sorted, as dvc.yaml lists them.

    Examples
    --------
    >>> code_dependencies(ROOT / "market/core/paths.py")
    ['market/core/errors.py', 'market/core/paths.py']
    """
    return sorted(path.relative_to(root).as_posix() for path in all_imports(script, root))


@click.command(help=__doc__)
def main() -> None:
    with needs_extra("train"):
        from ruamel.yaml import YAML
    yaml = YAML()
    yaml.width = 100
    yaml.indent(mapping=2, sequence=4, offset=2)
    for path in (ROOT / file for file in DVC_FILES):
        content = yaml.load(path.read_text(encoding="utf-8"))
        for name, stage in content["stages"].items():
            other = [dep for dep in stage["deps"] if not dep.endswith(".py")]
            stage["deps"][:] = sorted(other + code_dependencies(ROOT / f"stages/{name}.py"))
        with replace_when_done(path) as temporary, temporary.open("w", encoding="utf-8") as file:
            yaml.dump(content, file)


if __name__ == "__main__":
    main()
