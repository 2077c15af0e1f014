"""`Predictor`: listings and photos as the caller has them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

from market import MarketError, Predictor, clean_table
from market.data.images import decode_photo


class RecordingModels:
    """Remembers the listings and photos that it is given; a photo without bytes is unusable."""

    classes = ("A", "B")

    def predict(
        self, products: pd.DataFrame, owners: pd.Series, sources: list[Path | bytes]
    ) -> tuple[pd.DataFrame, list[str | None]]:
        self.products, self.photos = products, list(zip(owners, sources, strict=True))
        return products[["product_id"]], [None if source else "empty file" for source in sources]


@pytest.fixture
def predict(root: Path) -> Predictor:
    predictor = Predictor.__new__(Predictor)
    predictor.root, predictor._models = root, RecordingModels()  # type: ignore[assignment]
    return predictor


def models(predict: Predictor) -> Any:
    return predict._models


NEW = pd.DataFrame({"id": [1, 2], "product_name": ["Oak table", "Lamp"], "price": ["£5", None]})


def test_a_table_is_cleaned_first_unless_it_is_clean(predict: Predictor) -> None:
    assert predict(NEW)["product_id"].tolist() == ["1", "2"]
    raw = models(predict).products
    listings, _ = clean_table(NEW, labelled=False, root=predict.root)
    predict(listings.iloc[::-1])
    pd.testing.assert_frame_equal(models(predict).products, raw.iloc[::-1].reset_index(drop=True))
    assert predict.classes == ["A", "B"]


def test_photos_belong_to_the_listing_of_their_key(predict: Predictor) -> None:
    image = Image.new("RGB", (9, 9), "red")
    with pytest.warns(UserWarning, match="unusable photos: 1 \\(of '1': empty file\\)"):
        predict(NEW, photos={"2": "lamp.jpg", 1: [image, b""]})  # type: ignore[dict-item]
    (lamp, path), (table, png), (_, empty) = models(predict).photos
    assert (lamp, path, table, empty) == ("2", Path("lamp.jpg"), "1", b"")
    assert Image.open(io.BytesIO(png)).getpixel((4, 4)) == (255, 0, 0)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "CMYK", "I;16", "F", "YCbCr", "LAB"])
def test_an_image_of_any_mode_can_be_decoded(predict: Predictor, mode: str) -> None:
    predict(NEW, photos={"1": Image.new(mode, (20, 10))})
    ((_, source),) = models(predict).photos
    assert decode_photo(source, size=8, min_side=1, max_megapixels=1).size == (20, 10)


def test_an_image_is_turned_upright_as_its_file_is(predict: Predictor) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90°
    file = io.BytesIO()
    Image.new("RGB", (20, 10)).save(file, "JPEG", exif=exif)
    predict(NEW, photos={"1": Image.open(file)})
    ((_, source),) = models(predict).photos
    assert Image.open(io.BytesIO(source)).size == (10, 20)


def test_prices_that_cannot_be_read_are_named(predict: Predictor) -> None:
    with pytest.warns(UserWarning, match="unreadable prices.*: 1 \\(the first of '2': price"):
        predict(NEW.assign(price=["£5", "swap"]))


def test_faults_of_a_prediction_name_the_remedy(predict: Predictor) -> None:
    with pytest.raises(MarketError, match="has no rows"):
        predict(NEW.iloc[:0])
    with pytest.raises(MarketError, match="photos of '9': no listing has this id"):
        predict(NEW, photos={"9": b"x"})
