"""Unknown fields of requests: every kind of request names them, the known ones and a remedy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import BaseModel, ValidationError

from market.service import schemas
from market.service.errors import describe_faults
from market.service.schemas.fields import RequestFields


def kinds(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for kind in model.__subclasses__():
        yield kind
        yield from kinds(kind)


def fault(model: type[BaseModel], fields: dict[str, object]) -> str:
    with pytest.raises(ValidationError) as refused:
        model.model_validate(fields)
    return describe_faults(refused.value.errors())


@pytest.mark.parametrize("model", [*kinds(RequestFields)], ids=lambda model: model.__name__)
def test_every_request_names_unknown_and_known_fields(model: type[BaseModel]) -> None:
    line = fault(model, {"qwxz\n": 1})
    names = [field.alias or name for name, field in model.model_fields.items()]
    assert line.startswith(f"unknown field 'qwxz\\n' (known: {', '.join(names)}): ")
    assert line.count("remove it, or ") == 1 and "\n" not in line


def test_every_model_that_forbids_fields_is_a_request() -> None:
    forbidding = {
        kind for kind in vars(schemas).values()
        if isinstance(kind, type) and issubclass(kind, BaseModel)
        and kind.model_config.get("extra") == "forbid"
    }  # fmt: skip
    assert len(forbidding) > 5 and forbidding <= {*kinds(RequestFields)}


def test_the_remedy_fits_the_field() -> None:
    assert fault(schemas.NewEvent, {"usr_id": "a"}).endswith("or rename it to 'user_id'")
    assert fault(schemas.SearchQuery, {"wheels": "3"}).endswith("attribute with attr.wheels")
    assert fault(schemas.BulkLine, {"{x}": 3}).endswith('"attributes": {"{x}": …}')
    assert fault(schemas.SearchBatch, {"x" * 900: 3}).endswith("or use a known field")
    assert len(fault(schemas.SearchBatch, {"x" * 900: 3})) < 150


def test_attributes_are_no_unknown_fields() -> None:
    assert schemas.SearchQuery.model_validate({"q": "x", "attr.wheels": "3"}).q == "x"
