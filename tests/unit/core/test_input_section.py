"""Section `input` of params.yaml: a wrong value is one clear line."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from raw_input import ORIGINAL, input_settings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"currency": "UK"}, "three capital letters"),
        ({"currency": "GBX"}, "input.currency is 'GBX', which is no currency: did you mean GBP?"),
        ({"currency": "QQQ"}, "which is no currency: use an ISO 4217 code, such as GBP"),
        ({"encoding": "utf8x"}, "input.encoding is 'utf8x', which Python does not know"),
        ({"encoding": "base64"}, "input.encoding is 'base64', which Python does not know"),
        ({"separator": '"'}, "use the character between fields"),
        ({"separator": "\n"}, "use the character between fields"),
        ({"products": "../Products.csv"}, "is a path: use the name of a file"),
        ({"columns": {"name": "title"}}, "input.columns.id is missing"),
        ({"columns": {"id": None}}, "input.columns.id is missing"),
        ({"columns": {"id": "id", "title": "title"}}, "input.columns: 'title' is unknown"),
        ({"columns": {"id": "a", "name": "b", "price": "b"}}, "'b' is mapped to name and price"),
        ({"columns": {"id": "a", "name": ""}}, "input.columns.name is empty"),
        ({"image_columns": {"id": "a", "product_id": "a"}}, "mapped to id and product_id"),
        ({"event_columns": {"user": "a"}}, "input.event_columns: 'user' is unknown"),
        ({"events": {"click": "see"}}, "input.events: 'see' is unknown"),
        ({"attributes": {"brand": "string"}}, "input.attributes: 'string' is unknown"),
    ],
)
def test_a_wrong_value_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as error:
        input_settings(**change)
    fault = error.value.errors()[0]
    if fault["type"] == "value_error":
        assert message in str(fault["ctx"]["error"]) and "\n" not in str(fault["ctx"]["error"])


def test_any_text_encoding_and_separator_is_allowed() -> None:
    for encoding in ("utf-16", "UTF-8", "cp1252", "shift_jis", "gb18030", "latin-1"):
        assert input_settings(encoding=encoding).encoding == encoding
    for separator in (";", "\t", "|", "§", " "):
        assert input_settings(separator=separator).separator == separator
    assert input_settings(columns={"id": "sku"}).columns == {"id": "sku"}
    assert input_settings().columns == ORIGINAL["columns"]
