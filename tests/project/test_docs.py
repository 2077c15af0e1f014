"""The documents: what they say is what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from repository import REPO

DOCUMENTS = [*REPO.glob("*.md"), *REPO.glob("docs/*.md"), *REPO.glob("results/**/*.md")]


# --- docs/data.md ---------------------------------------------------------------------------------
class Column(NamedTuple):
    name: str
    type: str
    unit: str
    meaning: str


def read_dictionary(text: str) -> dict[str, list[Column]]:
    """The tables of the data dictionary by the path in their heading."""
    tables = {}
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        path = re.match(r"`(.+)`\n", section)
        assert path, section.splitlines()[0]
        rows = re.findall(r"^\| `(.+?)` \| (.+?) \| (.+?) \| (.+?) \|$", section, re.MULTILINE)
        tables[path[1]] = [Column(*row) for row in rows]
    return tables


DICTIONARY = read_dictionary((REPO / "docs/data.md").read_text(encoding="utf-8"))


def read_schema(path: Path) -> pa.Schema:
    if path.suffix == ".parquet":
        return pq.read_schema(path)
    if path.suffix == ".arrow":
        with pa.ipc.open_file(path) as reader:
            return reader.schema
    # A column with gaps is read as floats, of whatever it is.
    return pa.Schema.from_pandas(pd.read_csv(path).convert_dtypes(), preserve_index=False)


def word(kind: pa.DataType) -> str:
    """The dictionary's word for an Arrow type."""
    tests = {
        "text": lambda of: pa.types.is_string(of) or pa.types.is_large_string(of),
        "whole number": pa.types.is_integer,
        "number": pa.types.is_floating,
        "yes or no": pa.types.is_boolean,
        "time": pa.types.is_timestamp,
        "texts": pa.types.is_list,
        "bytes": pa.types.is_binary,
        "array": lambda of: isinstance(of, pa.FixedShapeTensorType),
    }
    return next(name for name, test in tests.items() if test(kind))


def fold(schema: pa.Schema, categories: set[str]) -> list[tuple[str, str]]:
    """Name and type of each column, in order; those of one kind once, as the dictionary has them.

    `<category>` is there only if each category has its column.
    """
    missing = categories - set(schema.names)
    columns: dict[tuple[str, str], None] = {}
    for field in schema:
        name = re.sub(r"^text_\d+$", "text_<n>", field.name)
        if name in categories and not missing:
            name = "<category>"
        columns[name, word(field.type)] = None
    return list(columns)


@pytest.fixture(scope="module")
def categories(ran: Path) -> set[str]:
    return set(pd.read_parquet(ran / "data/clean/products.parquet")["category"])


def test_the_dictionary_has_every_table_that_a_run_writes(ran: Path) -> None:
    written = {
        path.relative_to(ran).as_posix()
        for path in (ran / "data").rglob("*")
        if path.suffix in (".parquet", ".csv", ".arrow") and "raw" not in path.parts
    }
    assert written == set(DICTIONARY)


@pytest.mark.parametrize("path", DICTIONARY)
def test_a_table_has_the_columns_of_the_dictionary(
    ran: Path, categories: set[str], path: str
) -> None:
    described = [(column.name, column.type) for column in DICTIONARY[path]]
    assert described == fold(read_schema(ran / path), categories)


@pytest.mark.parametrize("path", [path for path in DICTIONARY if "probabilities" in path])
def test_what_is_called_a_probability_adds_up_to_one(
    ran: Path, categories: set[str], path: str
) -> None:
    (unit,) = (column.unit for column in DICTIONARY[path] if column.name == "<category>")
    assert unit == "probability"
    answered = pd.read_parquet(ran / path)[sorted(categories)].dropna()
    assert len(answered) > 0
    assert answered.sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-5)


# --- Every document -------------------------------------------------------------------------------
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)[^)]*\)|src=\"([^\"]+)\"", text)
    for link in (one or other for one, other in links):
        if "://" not in link:
            assert (document.parent / link).exists(), link
