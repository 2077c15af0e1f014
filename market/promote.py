"""Serve the ranking models of a version or of any revision, or go back to those before.

In:  NAME, a registered version (v1.2.0), a git revision or a DVC experiment, whose models/rank
     comes from DVC's cache or remote. Without NAME: the version that the git tags name for the
     stage, for example after `git pull --tags`.
Out: models/promoted, which the service serves instead of models/rank. It notices a change within
     seconds and needs no restart. Git tags in GTO's convention: rank@v1.2.0 registers the version,
     rank#prod#3 assigns the stage. The workspace stays as it is.

--rollback takes the last assignment of the stage back and brings the version before.
--clear removes models/promoted: models/rank serves again. The tags stay.
"""

from __future__ import annotations

import shutil
from dataclasses import replace

import click

from market.core.atomic import replace_when_done
from market.core.errors import MarketError
from market.core.paths import PROMOTED, RANKER, SEARCH_INDEX, require
from market.core.stage import stage
from market.search.model_registry import Assignment, ModelRegistry


@stage
@click.argument("name", required=False)
@click.option("--stage", default="prod", show_default=True, help="Stage of the tag.")
@click.option("--version", help="Version to register, such as v1.2.0. Default: the next one.")
@click.option("--rollback", is_flag=True, help="Go back to the version before.")
@click.option("--clear", is_flag=True, help="Serve models/rank again.")
def main(name: str | None, stage: str, version: str | None, rollback: bool, clear: bool) -> str:
    if (name is not None) + rollback + clear > 1:
        raise MarketError("give one of NAME, --rollback and --clear")
    if version is not None and name is None:
        raise MarketError("--version needs the NAME of a revision to register")
    if clear:
        return clear_promoted()
    require(SEARCH_INDEX)
    registry = ModelRegistry()
    if rollback:
        return roll_back(registry, stage)
    if name is not None:
        return promote(registry, name, stage, version)
    return bring_assigned(registry, stage)


def promote(registry: ModelRegistry, name: str, stage: str, version: str | None) -> str:
    """Register a revision, assign the stage to it, and bring its models."""
    revision = registry.resolve(name)
    assigned = registry.assigned(stage)
    with replace_when_done(PROMOTED) as folder:
        brought = registry.bring(revision, name, folder)  # no tag for models that do not fit
        registered = registry.register(revision, version)
        tags = [f"rank@{registered}"]
        if not assigned or assigned[-1].revision != revision:
            tags.append(registry.assign(revision, stage))
        replace(brought, name=registered).save(folder)
    return f"{registered} ({name}) serves as {stage}; share it: git push origin {' '.join(tags)}"


def roll_back(registry: ModelRegistry, stage: str) -> str:
    """Take the last assignment back, and bring the version before."""
    assigned = registry.assigned(stage)
    if len(assigned) < 2:
        only = f": {assigned[0].name} is the only one" if assigned else ""
        raise MarketError(
            f"stage {stage!r} has no earlier version to go back to{only}; `python -m "
            f"market.promote --clear` serves {RANKER} again"
        )
    former, current = assigned[-2:]
    with replace_when_done(PROMOTED) as folder:
        registry.bring(former.revision, former.name, folder)
        tag = registry.unassign(current.revision, stage)
    return (
        f"{former.name} serves as {stage} instead of {current.name}; share it: git push origin "
        f"{tag}"
    )


def bring_assigned(registry: ModelRegistry, stage: str) -> str:
    """Bring the version that the tags assign to a stage."""
    assigned: list[Assignment] = registry.assigned(stage)
    if not assigned:
        raise MarketError(
            f"no git tag assigns stage {stage!r} to a version: name one, such as `python -m "
            "market.promote HEAD`"
        )
    with replace_when_done(PROMOTED) as folder:
        registry.bring(assigned[-1].revision, assigned[-1].name, folder)
    return f"{assigned[-1].name} serves as {stage}"


def clear_promoted() -> str:
    """Remove the promoted models."""
    if not PROMOTED.exists():
        raise MarketError(f"no version is promoted: {RANKER} serves already")
    # In one step, because the service may look at any moment.
    removed = PROMOTED.rename(PROMOTED.with_name(f".{PROMOTED.name}.former.partial"))
    shutil.rmtree(removed)
    return f"{RANKER} serves again"


if __name__ == "__main__":
    main()
