"""Fields of several requests: ids, and how the schema describes forms and URLs."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from market.data.ids import ID_PATTERN, ID_RULES, LONGEST_ID

MAX_SHOWN = 60  # characters of an unknown field that an error quotes
USE_KNOWN = "use a known field"
LIST_FIELDS = {"photos", "exclude", "exclude_seller"}  # fields that may be given more than once


def _check_id(text: str) -> str:
    for message, rule in ID_RULES.items():
        if not rule.fullmatch(text):
            raise ValueError(message)
    return text


# Stage clean applies the same rules with the same messages. The pattern only describes them.
_ID: dict[str, Any] = {
    "min_length": 1,
    "max_length": LONGEST_ID,
    "json_schema_extra": {"pattern": ID_PATTERN},
}
USER_ID = Field(
    **_ID,
    description="A user id, chosen by the caller, e.g. a random UUID.",
    examples=["anna"],
)
PRODUCT_ID = Field(**_ID, description="Id of a listing.")
SEARCH_ID = Field(**_ID, description="`search_id` of an answer.")
RECORD = Field(True, description="Whether the search may be recorded; false: nothing of it is.")
UserId = Annotated[str, USER_ID, AfterValidator(_check_id)]
ProductId = Annotated[str, PRODUCT_ID, AfterValidator(_check_id)]
SearchId = Annotated[str, SEARCH_ID, AfterValidator(_check_id)]


def without_null(schema: dict[str, Any]) -> None:
    """Describe fields of a form or a URL: optional, but never null, which neither can hold."""
    for field in schema["properties"].values():
        kinds = [kind for kind in field.get("anyOf", []) if kind != {"type": "null"}]
        if len(kinds) == 1:
            del field["anyOf"]
            field |= kinds[0]


def as_form(schema: dict[str, Any]) -> None:
    """Describe fields of a form: optional fields may also be empty, as browsers send them."""
    without_null(schema)
    annotations = {"title", "description", "default", "examples"}
    for name, field in schema["properties"].items():
        is_free = field.get("type") == "string" and "minLength" not in field
        if name in schema.get("required", []) or field.get("type") == "array" or is_free:
            continue
        kind = {key: field.pop(key) for key in [*field] if key not in annotations}
        field["anyOf"] = [kind, {"type": "string", "maxLength": 0}]


def describe_unknown(name: str, known: Sequence[str], instead: str) -> str:
    """Return one line about an unknown field of a request; parameters as in `RequestFields`.

    Examples
    --------
    >>> describe_unknown("nme", ["name", "price"], "use a known field")
    "unknown field 'nme' (known: name, price): remove it, or rename it to 'name'"
    """
    similar = difflib.get_close_matches(name, known, n=1)
    quoted = repr(name[:MAX_SHOWN])  # one line, whatever the name contains
    instead = f"rename it to {similar[0]!r}" if similar else instead.format(name=quoted[1:-1])
    return f"unknown field {quoted} (known: {', '.join(known)}): remove it, or {instead}"


class RequestFields(BaseModel):
    """The fields of a body, a form or a URL. Unknown ones are refused, before anything else.

    Attributes
    ----------
    instead
        What to do with an unknown field instead of removing it; {name} stands for the field.
    """

    model_config = ConfigDict(extra="forbid")
    instead: ClassVar[str] = USE_KNOWN

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, fields: Any) -> Any:
        if isinstance(fields, Mapping):
            known = [field.alias or name for name, field in cls.model_fields.items()]
            unknown = [str(name) for name in fields if name not in known]
            if unknown:
                raise ValueError(describe_unknown(unknown[0], known, cls.instead))
        return fields


class Error(BaseModel):
    """Every error: one line that says what is wrong."""

    error: str = Field(examples=["price_min is above price_max"])
