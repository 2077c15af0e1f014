"""The rows of the live catalogue in the rejects: they have the file and the row they stand in."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from market.data.catalogue_changes import KEEPS_RAW_PHOTOS, CatalogueChanges
from market.data.merged_changes import DELETED, mark_deleted, merge_listings, name_live_rows
from market.data.rejects import reject_rows
from market.data.tables import RawTable

LIVE = "data/changes/listings.parquet"


def test_a_rejected_change_is_a_row_of_the_live_catalogue() -> None:
    read = pd.DataFrame({"id": ["a", "b", "c", "b"], "name": ["x", "y", "z", "y"]}, dtype="str")
    table = RawTable.select(Path("Products.csv"), read, {"id": "id", "name": "name"})
    listings = pd.DataFrame({"id": ["a", "b", "new"], "name": ["p", "q", "r"]}, dtype="str")
    changes = CatalogueChanges(
        **{
            **vars(CatalogueChanges.none()),
            "through": 3,
            "listings": listings.assign(**{KEEPS_RAW_PHOTOS: True}),
            "removed": frozenset({"c"}),
        }
    )
    merged = merge_listings(table, changes)
    reasons = mark_deleted(merged, pd.Series(["", "bad", "", "repeats", "bad"]), changes)
    rejects = reject_rows("Products.csv", reasons, merged.rows["id"])
    named = name_live_rows(rejects, merged, changes)
    assert named.to_numpy().tolist() == [
        [LIVE, 2, "b", "bad"],
        ["Products.csv", 3, "c", DELETED],
        ["Products.csv", 4, "b", "repeats"],
        [LIVE, 3, "new", "bad"],
    ]
    assert name_live_rows(rejects, merged, CatalogueChanges.none()).equals(rejects)
