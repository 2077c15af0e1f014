"""Writing values into params.yaml: comments and all other keys stay."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from market.core.atomic import replace_when_done
from market.core.errors import MarketError
from market.core.extras import needs_extra
from market.core.params import parse_params
from market.core.paths import PARAMS

MAX_SHOWN = 60  # characters of a value in a message


def update_params(changes: Mapping[str, Any]) -> list[str]:
    """Write values into params.yaml, unless the file would not be valid with them.

    Parameters
    ----------
    changes
        The new value of a key, or the new values of some keys of a section.

    Returns
    -------
    list of str
        A line for each key that has changed, such as "input.currency: GBP -> EUR".

    Raises
    ------
    MarketError
        If the file cannot be read, or would not be valid.
    """
    with needs_extra("train"):
        from ruamel.yaml import YAML
    round_trip = YAML()
    round_trip.width = 100
    round_trip.preserve_quotes = True
    round_trip.indent(mapping=2, sequence=4, offset=2)
    round_trip.representer.add_representer(
        type(None), lambda writer, _: writer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    try:
        text = PARAMS.read_text(encoding="utf-8")
    except OSError as error:
        raise MarketError(f"{PARAMS} cannot be read: {error.strerror}") from None
    parse_params(text)  # a fault that was there before is not blamed on the changes
    tree = round_trip.load(text)
    lines = []
    for key, value in changes.items():
        section = value if isinstance(value, Mapping) else {None: value}
        for name, new in section.items():
            place, last = (tree, key) if name is None else (tree[key], name)
            old = place.get(last)
            if old == new:
                continue
            path = key if name is None else f"{key}.{name}"
            lines.append(f"{path}: {_shown(old)} -> {_shown(new)}")
            _set(place, last, new)
    buffer = io.StringIO()
    round_trip.dump(tree, buffer)
    try:
        parse_params(buffer.getvalue())
    except MarketError as error:
        raise MarketError(f"{error}: nothing was written") from None
    with replace_when_done(PARAMS) as temporary:
        temporary.write_text(buffer.getvalue(), encoding="utf-8")
    return lines


def _set(place: Any, key: str, new: Any) -> None:
    """Replace a value; a mapping or list is changed in place, so that its comments stay."""
    old: Any = place.get(key)
    if isinstance(new, Mapping) and hasattr(old, "items"):
        for name in [name for name in old if name not in new]:
            del old[name]
        for name, value in new.items():
            old[name] = value
    elif isinstance(new, list) and hasattr(old, "append"):
        old[:] = new
    else:
        place[key] = new
        return
    if new:
        old.fa.set_block_style()
    else:  # {} and [] stand on the line of the key
        old.fa.set_flow_style()


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        text = "{" + ", ".join(f"{key}: {value[key]}" for key in value) + "}"
    elif isinstance(value, str) and not value.strip(" .,;:|/\\>»-"):  # such as a separator
        text = repr(str(value))
    else:
        text = str(value)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"
