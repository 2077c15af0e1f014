"""YAML files of entries that people write, checked: an error names the line and the entry."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from market.core.errors import MarketError

Location = tuple[str | int, ...]
# What pydantic calls by the names of Python.
_EXPECTED = {
    "tuple_type": "must be a list, such as [a, b]",
    "dict_type": "must be a mapping, such as {name: value}",
    "model_type": "must be a mapping, such as {name: value}",
    "string_type": "must be a text",
    "too_short": "must have at least one entry",
    "float_parsing": "must be a number",
    "int_parsing": "must be a whole number",
}
Model = TypeVar("Model", bound=BaseModel)
# That of libyaml is ten times as fast; not every installation has it.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlText:
    """A YAML document whose scalars stay as they are written: `0123` and `no` are texts.

    Parameters
    ----------
    text
        The document; an empty one counts as an empty mapping.
    title
        The name in messages, such as "rules.yaml".

    Attributes
    ----------
    tree
        Mappings, lists, texts, and None for a missing value.

    Raises
    ------
    MarketError
        If the text is not valid YAML, or a mapping has a key twice.
    """

    def __init__(self, text: str, title: str) -> None:
        self.title = title
        self._lines: dict[Location, int] = {}
        try:
            node = yaml.compose(text, Loader=LOADER)
        except yaml.YAMLError as error:
            raise MarketError(
                f"{title} is not valid YAML: {' '.join(str(error).split())}"
            ) from None
        self.tree = {} if node is None else self._convert(node, ())

    def _convert(self, node: yaml.Node, location: Location) -> Any:
        self._lines[location] = node.start_mark.line + 1
        if isinstance(node, yaml.SequenceNode):
            return [self._convert(item, (*location, at)) for at, item in enumerate(node.value)]
        if not isinstance(node, yaml.MappingNode):
            return None if node.tag == "tag:yaml.org,2002:null" else node.value
        tree: dict[str, Any] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else "?"
            if name in tree:
                line = key.start_mark.line + 1
                raise MarketError(
                    f"{self.title}, line {line}: {name!r} stands twice: join the two, or remove one"
                )
            tree[name] = self._convert(value, (*location, name))
            self._lines[(*location, name)] = key.start_mark.line + 1
        return tree

    def place(self, location: Location) -> str:
        """Return where a value stands: the file, the line, and the name of its entry."""
        known = location
        while known not in self._lines:
            known = known[:-1]
        line = f"{self.title}, line {self._lines[known]}"
        if len(location) < 2 or not isinstance(location[1], int):
            return line
        section, number = location[0], location[1]
        entry = self.tree[section][number]
        name = entry.get("name") if isinstance(entry, dict) else None
        return f"{line}, {section}: " + (f"‘{name}’" if name else f"entry {number + 1}")

    def check(self, model: type[Model], *, secret: frozenset[str] = frozenset()) -> Model:
        """Return the document as an instance of a pydantic model.

        Parameters
        ----------
        model
            The model; it forbids unknown keys.
        secret
            Fields whose values no message quotes.

        Raises
        ------
        MarketError
            On the first fault.
        """
        if not isinstance(self.tree, dict):
            sections = ", ".join(_names(model))
            raise MarketError(f"{self.title} is no mapping: it has the sections {sections}")
        try:
            return model.model_validate(self.tree)
        except ValidationError as error:
            # A misspelt key counts as unknown and as missing; the first names the right spelling.
            faults = sorted(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
            raise MarketError(self._message(faults[0], model, secret)) from None

    def _message(self, fault: Any, model: type[BaseModel], secret: frozenset[str]) -> str:
        location = fault["loc"]
        place = self.place(location)
        in_entry = len(location) > 1 and isinstance(location[1], int)
        parts = location[2:] if in_entry else location
        key = ".".join(str(part + 1) if isinstance(part, int) else part for part in parts)
        if fault["type"] == "extra_forbidden":
            known = _names(_model_at(model, location[:-1]))
            similar = difflib.get_close_matches(str(location[-1]), known, n=1)
            remedy = f"did you mean {similar[0]}?" if similar else f"use one of {', '.join(known)}"
            return f"{place}: {key} is unknown: {remedy}"
        if fault["type"] == "missing":
            return f"{place} has no {key}: add it"
        reason = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "value_error":
            return f"{place}: {key + ': ' if key else ''}{reason}"
        reason = _EXPECTED.get(fault["type"]) or reason.replace("Input should be", "must be")
        quoted = "" if secret.intersection(map(str, location)) else f" is {_shown(fault['input'])}"
        return f"{place}: {key or 'it'}{quoted}, {reason}"


def without_missing(values: Any) -> Any:
    """Return a mapping without the keys whose value is missing; anything else as it is.

    A model calls it before its checks, so that `pins:` with nothing behind it is an empty list.
    """
    if not isinstance(values, Mapping):
        return values
    return {key: value for key, value in values.items() if value is not None}


def _names(model: type[BaseModel] | None) -> list[str]:
    if model is None:
        return []
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_at(model: type[BaseModel] | None, location: Location) -> type[BaseModel] | None:
    """Return the model of the value at a location; None if it is no model."""
    for part in location:
        if isinstance(part, int) or model is None:
            continue
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        model = _first_model(fields[part].annotation) if part in fields else None
    return model


def _first_model(annotation: Any) -> type[BaseModel] | None:
    """Return the pydantic model inside an annotation such as `tuple[Pin, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    models = (_first_model(part) for part in get_args(annotation))
    return next((model for model in models if model is not None), None)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"
