"""Sections `input` of datasets that params.yaml does not name at the moment.

params.yaml describes one dataset. Before another one takes its place, its section is kept in
data/<dataset>/input.yaml, with the corrections that were made by hand; no stage reads this file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from market.core.atomic import replace_when_done
from market.core.errors import MarketError
from market.core.params import load_params, parse_params
from market.core.paths import DATA, PARAMS, SAMPLE_RAW, kept_section, raw_folder
from market.data.described_export import describes


def keep_section(new: str) -> Path | None:
    """Keep the section `input` of params.yaml, if it describes another dataset than `new`.

    The sample's is not kept, as it is always the same.

    Returns
    -------
    Path or None
        The file that was written.
    """
    dataset = _described_dataset()
    if dataset in (None, new, SAMPLE_RAW.parent.name):
        return None
    path = kept_section(dataset)
    section = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))["input"]
    with replace_when_done(path) as temporary:
        temporary.write_text(
            yaml.safe_dump(section, allow_unicode=True, sort_keys=False), encoding="utf-8"
        )
    return path


def read_kept_section(dataset: str) -> dict[str, Any] | None:
    """Return the section that was kept of a dataset.

    None if none was kept, params.yaml has it, or it does not describe the raw folder.

    Raises
    ------
    MarketError
        If the file is no such section.
    """
    path = kept_section(dataset)
    if not path.is_file() or _described_dataset() == dataset:
        return None
    remedy = "correct it, or remove it to have the export looked at anew"
    try:
        section = yaml.safe_load(path.read_text(encoding="utf-8"))
        params = {**yaml.safe_load(PARAMS.read_text(encoding="utf-8")), "input": section}
        settings = parse_params(yaml.safe_dump(params)).input
    except MarketError as error:
        raise MarketError(f"{path}: {str(error).removeprefix(f'{PARAMS}: ')}: {remedy}") from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise MarketError(f"{path} cannot be read: {reason}: {remedy}") from None
    return section if describes(raw_folder(dataset), settings) else None  # another export by now


def _described_dataset() -> str | None:
    """Return the dataset that the section describes: first the one that params.yaml names."""
    named, settings = load_params("dataset", "input")
    if not raw_folder(named).is_dir():  # such as a sample that is not generated yet
        return named
    others = sorted(folder.parent.name for folder in DATA.glob("*/raw") if folder.is_dir())
    return next((name for name in (named, *others) if describes(raw_folder(name), settings)), None)
