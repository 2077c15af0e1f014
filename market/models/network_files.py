"""The files of a network's artefact: its weights, and the settings to load and use them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from market.core.atomic import replace_when_done, write_json
from market.core.paths import require

WEIGHTS, SETTINGS = "model.safetensors", "model.json"


class Network(Protocol):
    """A network that writes its own weights."""

    def save(self, path: Path) -> None: ...


def save_network(folder: Path, network: Network, settings: Mapping[str, Any]) -> None:
    """Replace `folder` by a network and its settings, once both are written."""
    with replace_when_done(folder) as temporary:
        temporary.mkdir()
        network.save(temporary / WEIGHTS)
        write_json(temporary / SETTINGS, dict(settings))


def read_network_files(folder: Path) -> tuple[Path, dict[str, Any]]:
    """Return the path of the weights, and the settings, that `save_network` wrote.

    Raises
    ------
    MarketError
        If a file is missing.
    """
    require(folder / SETTINGS, folder / WEIGHTS)
    return folder / WEIGHTS, json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
