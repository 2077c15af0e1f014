"""The documents agree with the code: the data dictionary, links, and the list of pages."""

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
    """Return the tables of the data dictionary, by the path in their heading."""
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
    # pandas reads a column with gaps as floats, whatever its type.
    return pa.Schema.from_pandas(pd.read_csv(path).convert_dtypes(), preserve_index=False)


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def type_word(kind: pa.DataType) -> str:
    """Return the dictionary's word for an Arrow type."""
    tests = {
        "text": lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind),
        "whole number": pa.types.is_integer,
        "number": pa.types.is_floating,
        "yes or no": pa.types.is_boolean,
        "time": pa.types.is_timestamp,
        "texts": lambda kind: pa.types.is_list(kind) and not _is_number(kind.value_type),
        "numbers": lambda kind: pa.types.is_list(kind) and _is_number(kind.value_type),
        "bytes": pa.types.is_binary,
        "array": lambda kind: isinstance(kind, pa.FixedShapeTensorType),
    }
    return next(name for name, test in tests.items() if test(kind))


def fold(schema: pa.Schema, categories: set[str]) -> list[tuple[str, str]]:
    """Return name and type of each column, in order, with the dictionary's placeholders.

    Columns of one kind appear once: `text_<n>`, and `<category>` if every category has a column.
    """
    missing = categories - set(schema.names)
    columns: dict[tuple[str, str], None] = {}
    for field in schema:
        name = re.sub(r"^text_\d+$", "text_<n>", field.name)
        if name in categories and not missing:
            name = "<category>"
        columns[name, type_word(field.type)] = None
    return list(columns)


@pytest.fixture(scope="module")
def categories(ran: Path) -> set[str]:
    return set(pd.read_parquet(ran / "data/clean/products.parquet")["category"])


def test_dictionary_has_every_table_of_a_run(ran: Path) -> None:
    written = {
        path.relative_to(ran).as_posix()
        for path in (ran / "data").rglob("*")
        if path.suffix in (".parquet", ".csv", ".arrow") and "raw" not in path.parts
    }
    assert written == set(DICTIONARY)


@pytest.mark.parametrize("path", DICTIONARY)
def test_table_has_the_columns_of_the_dictionary(
    ran: Path, categories: set[str], path: str
) -> None:
    described = [(column.name, column.type) for column in DICTIONARY[path]]
    assert described == fold(read_schema(ran / path), categories)


@pytest.mark.parametrize("path", [path for path in DICTIONARY if "probabilities" in path])
def test_probabilities_add_up_to_one(ran: Path, categories: set[str], path: str) -> None:
    (unit,) = (column.unit for column in DICTIONARY[path] if column.name == "<category>")
    assert unit == "probability"
    probabilities = pd.read_parquet(ran / path)[sorted(categories)].dropna()
    assert len(probabilities) > 0
    assert probabilities.sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-5)


# --- Every document -------------------------------------------------------------------------------
def read_anchors(document: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in kept}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(REPO).as_posix())
def test_links_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)]+)\)|src=\"([^\"]+)\"", text)
    for link in (markdown or html for markdown, html in links):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        assert target.exists(), link
        assert not anchor or anchor in read_anchors(target), link


HISTORY = ("CHANGELOG.md", "docs/decisions.md", "docs/experiments.md")  # may name former files


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(REPO).as_posix())
def test_named_files_exist(document: Path) -> None:
    if document.relative_to(REPO).as_posix() in HISTORY:
        pytest.skip("it describes the past")
    names = re.findall(
        r"`((?:market|stages|tests|benchmarks|docs)/[\w/.*-]+)", document.read_text("utf-8")
    )
    for name in names:
        # CONTRIBUTING.md's recipe adds a stage "count".
        assert "count" in name or [*REPO.glob(name.rstrip("/"))], name


def test_every_page_is_linked_from_readme() -> None:
    links = set(re.findall(r"\]\((docs/[^)#]+)", (REPO / "README.md").read_text(encoding="utf-8")))
    assert {path.relative_to(REPO).as_posix() for path in REPO.glob("docs/*.md")} <= links


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(REPO).as_posix())
def test_page_opens_below_its_title(document: Path) -> None:
    title, blank, opening, *_ = document.read_text(encoding="utf-8").splitlines()
    assert title.startswith("# ") and not blank and opening[0] not in "#|-<"
