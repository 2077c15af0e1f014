"""Fetch the changes of the live catalogue and the events of its users from the service's database.

They are off by default (fold.store is empty). After changes over the API, run
`dvc repro --force --single-item fold && dvc repro`, then send the service a SIGHUP (docs/serve.md).

Out: data/changes (listings, photos, events, and the number of the last change).
"""

from __future__ import annotations

from market.core.extras import needs_extra
from market.core.params import load_params
from market.core.paths import CHANGES
from market.core.stage import stage
from market.data.catalogue_changes import CatalogueChanges


def _no_photo(sha256: str) -> bytes:
    raise LookupError(sha256)


@stage
def main() -> str:
    settings, input_settings = load_params("fold", "input")
    if not settings.store:
        CatalogueChanges.none().save(CHANGES, _no_photo)
        return "no changes of a live catalogue, as fold.store in params.yaml is empty"
    with needs_extra("service"):  # a machine that only trains need not have a driver of databases
        from market.service.folding import fold
    changes = fold(settings.store, input_settings, CHANGES)
    return (
        f"{len(changes.listings)} changed and {len(changes.removed)} deleted listings up to change "
        f"{changes.through}, and {len(changes.events)} events in {CHANGES}"
    )


if __name__ == "__main__":
    main()
