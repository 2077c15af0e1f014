"""Resize each photo that stage clean kept, for people to see: whole, in two sizes.

In:  data/<dataset>/raw, data/changes and data/clean/images.parquet.
Out: data/display, packed JPEGs in the order of data/clean/photos; metrics/resize.json.
"""

from __future__ import annotations

import pandas as pd

from market.core.atomic import replace_when_done, write_json
from market.core.cluster import cluster
from market.core.params import load_params
from market.core.paths import CHANGES, DISPLAY_PHOTOS, IMAGES, METRICS, raw_folder, require
from market.core.stage import stage
from market.data.catalogue_changes import CatalogueChanges
from market.data.cleaning import Cleaner
from market.data.display_store import files_of_photos, folder_size, write_display_photos


@stage
def main() -> str:
    dataset, clean, input_settings, settings = load_params("dataset", "clean", "input", "resize")
    require(IMAGES)
    ids = pd.read_parquet(IMAGES, columns=["image_id"])["image_id"].tolist()
    changes = CatalogueChanges.load(CHANGES)
    cleaner = Cleaner(raw_folder(dataset), clean, input_settings, changes)
    files = files_of_photos(cleaner.photo_files(), ids)
    with replace_when_done(DISPLAY_PHOTOS) as out, cluster():
        quality = write_display_photos(files, ids, out, settings, clean)
    size = folder_size(DISPLAY_PHOTOS)
    metrics = {"bytes": size, "photos": len(ids), "quality": quality}
    write_json(METRICS / "resize.json", metrics)
    per_photo = size / max(1, len(ids)) / 1000
    return f"{len(ids)} photos at quality {quality}, {size / 1e6:.1f} MB, {per_photo:.0f} kB each"


if __name__ == "__main__":
    main()
