"""Fields of several requests: ids, and how the schema describes forms and URLs."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field

from market.data.ids import ID_PATTERN, ID_RULES, LONGEST_ID

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


class Error(BaseModel):
    """Every error: one line that says what is wrong."""

    error: str = Field(examples=["price_min is above price_max"])
