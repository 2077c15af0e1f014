"""Generate a small synthetic marketplace that is as messy as a real one.

All of it is invented: words come from tables, photos are drawn from shapes, users are simulated,
and telephone numbers are from Ofcom's range for drama. One seed gives the same bytes in every file.

Out: data/sample/raw (Products.csv, Images.csv, images/, interactions.csv, searches.csv,
     README.txt).
"""

from __future__ import annotations

from market.core.atomic import replace_when_done
from market.core.params import load_params
from market.core.paths import SAMPLE_RAW
from market.core.stage import stage
from market.data.synthetic.marketplace import write_marketplace


@stage
def main() -> str:
    settings = load_params("sample")
    with replace_when_done(SAMPLE_RAW) as folder:
        write_marketplace(folder, settings.products, settings.seed)
    return f"{settings.products} synthetic products in {SAMPLE_RAW}"


if __name__ == "__main__":
    main()
