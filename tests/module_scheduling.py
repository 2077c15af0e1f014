"""How xdist shares out the tests: each module, or group of modules, runs in one process.

A module's fixtures are then built once. `--dist loadgroup` alone would hand out the tests of a
module in turns: pytest-xdist 3.8 does not see the mark `xdist_group` with pytest 9.2
(pytest-dev/pytest-xdist#1386).
"""

from __future__ import annotations

import re
from functools import cache

from repository import REPO
from xdist.scheduler import LoadScopeScheduling

GROUP = re.compile(r'pytest\.mark\.xdist_group\("(\w+)"\)')


@cache
def group_of(module: str) -> str:
    """Return the group that a test module is marked with; its path if there is none.

    Parameters
    ----------
    module
        Relative to the repository.
    """
    path = REPO / module
    group = GROUP.search(path.read_text(encoding="utf-8")) if path.is_file() else None
    return group[1] if group else module


class ModuleScheduling(LoadScopeScheduling):
    """Hands out whole groups of modules, in the order of their first tests."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid.partition("::")[0])
