"""Checks of the values of section `input`; each raises ValueError with one line."""

from __future__ import annotations

import difflib
from encodings import aliases
from typing import Any

from babel.core import get_global
from babel.numbers import get_territory_currencies
from pydantic import AfterValidator


def known_currency(value: str) -> str:
    if value in get_global("all_currencies"):
        return value
    # The code of a country is often mistaken for that of its currency, as are common symbols.
    known = value[:2] in get_global("territory_currencies")
    used = get_territory_currencies(value[:2]) if known else []
    remedy = f"did you mean {used[-1]}?" if used else "use an ISO 4217 code, such as GBP"
    raise ValueError(f"input.currency is {value!r}, which is no currency: {remedy}")


def text_encoding(value: str) -> str:
    try:
        "".encode(value)  # refuses base64, which is no encoding of text
        return value
    except LookupError:
        pass
    similar = difflib.get_close_matches(value.lower(), sorted(set(aliases.aliases.values())), n=1)
    remedy = f"did you mean {similar[0]}?" if similar else "use one such as utf-8 or cp1252"
    raise ValueError(f"input.encoding is {value!r}, which Python does not know: {remedy}")


def field_separator(value: str) -> str:
    if value in '"\r\n':
        raise ValueError(f"input.separator is {value!r}: use the character between fields, as ','")
    return value


def file_name(value: str) -> str:
    if "/" in value or "\\" in value or value in (".", ".."):
        raise ValueError(f"input: {value!r} is a path: use the name of a file in the raw folder")
    return value


def each_column_once(key: str) -> AfterValidator:
    """Return a check that no column is mapped to two fields."""

    def check(mapping: dict[str, str | None]) -> dict[str, str | None]:
        columns = [column for column in mapping.values() if column is not None]
        for column in columns:
            fields = [field for field in mapping if mapping[field] == column]
            if not column.strip():
                raise ValueError(f"{key}.{fields[0]} is empty: name a column, or write null")
            if len(fields) > 1:
                raise ValueError(
                    f"{key}: column {column!r} is mapped to {' and '.join(fields)}: "
                    "map it to one field"
                )
        return mapping

    return AfterValidator(check)


def has_id(mapping: dict[str, str | None]) -> dict[str, str | None]:
    if mapping.get("id") is None:
        raise ValueError("input.columns.id is missing: name the column that identifies a listing")
    return mapping


def one_of(key: str, known: tuple[str, ...], *, values: bool = False) -> AfterValidator:
    """Return a check that the keys of a mapping, or its values, are among `known`."""

    def check(mapping: dict[str, Any]) -> dict[str, Any]:
        for name in mapping.values() if values else mapping:
            if name not in known:
                raise ValueError(f"{key}: {name!r} is unknown: use one of {', '.join(known)}")
        return mapping

    return AfterValidator(check)
