"""The parameters attr.NAME, attr.NAME_min, attr.NAME_max and attr.NAME_exists of a request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from market.core.errors import MarketError
from market.search.attributes import PREFIX, AttributeColumns, Condition

MAX_PARAMETERS = 100
MAX_VALUE_LENGTH = 300
TRUTH = {"true": True, "1": True, "false": False, "0": False}
DESCRIPTION = (
    "Filter by attributes with `attr.NAME=VALUE`: repeat it for any of several values. "
    "`attr.NAME_min` and `attr.NAME_max` bound a number or a date, which are included; "
    "`attr.NAME_exists` is true or false. `GET /api/attributes` has the names and the values."
)


def is_attribute_parameter(name: str) -> bool:
    """Return whether a parameter is a condition on an attribute."""
    return name.startswith(PREFIX)


def parse_conditions(
    parameters: Iterable[tuple[str, str]], columns: AttributeColumns
) -> dict[str, Condition]:
    """Read the conditions on attributes, and check their values.

    Parameters
    ----------
    parameters
        Names and values of the parameters, in which others than those of attributes are ignored.
        An empty value sets no condition.
    columns
        The attributes. The name of an attribute means that attribute even if it ends in "_min".

    Raises
    ------
    MarketError
        If an attribute is unknown, a value is of another type, or there are too many.
    """
    given = [(name.removeprefix(PREFIX), value) for name, value in parameters
             if is_attribute_parameter(name) and value]  # fmt: skip
    if len(given) > MAX_PARAMETERS:
        raise MarketError(f"more than {MAX_PARAMETERS} conditions on attributes")
    fields: dict[str, dict[str, Any]] = {}
    for name, value in given:
        if len(value) > MAX_VALUE_LENGTH:
            raise MarketError(f"{PREFIX}{name:.60}: longer than {MAX_VALUE_LENGTH} characters")
        attribute, part = _split(name, columns)
        own = fields.setdefault(attribute, {})
        if part == "any_of":
            own["any_of"] = (*own.get("any_of", ()), value)
        elif part in own:
            raise MarketError(f"{PREFIX}{name:.60}: given more than once")
        else:
            own[part] = _truth(name, value) if part == "exists" else value
    conditions = {name: Condition(**parts) for name, parts in fields.items()}
    columns.passes(conditions)  # raises the error of a value of another type
    for name, condition in conditions.items():
        low, high = condition.minimum, condition.maximum
        bounds = columns[name].bounds
        if low is not None and high is not None and bounds(low)[0] > bounds(high)[1]:
            raise MarketError(f"{PREFIX}{name}_min is above {PREFIX}{name}_max")
    return conditions


def _split(name: str, columns: AttributeColumns) -> tuple[str, str]:
    """Return the attribute of a parameter, and the field of Condition that it sets."""
    if name not in columns:
        for ending, part in (("_min", "minimum"), ("_max", "maximum"), ("_exists", "exists")):
            if name.removesuffix(ending) in columns and name.endswith(ending):
                return name.removesuffix(ending), part
    return columns.column(name).attribute.name, "any_of"


def _truth(name: str, value: str) -> bool:
    if value.lower() not in TRUTH:
        raise MarketError(f"{PREFIX}{name}: {value!r} is neither true nor false")
    return TRUTH[value.lower()]
