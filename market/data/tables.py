"""The raw folder: Products.csv, Images.csv and images/, read whole, checked, faults listed.

Used by `clean` for training data and by `predict` for new listings.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from market.core.errors import MarketError

MOST_CHARACTERS = 100_000  # of a field: a listing's description has a few thousand
MOST_SAID = 300  # characters of a file that an error repeats

# One record of a well-formed table: fields that are quoted whole, or do not begin with a quote.
# pandas reads others too, and takes all between two stray quotes, rows too, for one field.
_FIELD = r'(?:"(?:[^"]++|"")*+"\r?|[^",\n][^,\n]*+|)'
RECORD = re.compile(rf"(?:{_FIELD},)*+{_FIELD}(?:\n|\Z)")
FILLED = re.compile(r'[^\s,"]')

REJECT_COLUMNS = ["source", "record", "id", "reason"]
PRODUCT_REJECTED = "its product was rejected"  # a consequence, never a cause to report
SHOWN = 60  # characters of a value that an error shows

_SHORT = pa.Check.str_length(
    max_value=MOST_CHARACTERS, error=f"a field has over {MOST_CHARACTERS} characters"
)


def _text(*checks: pa.Check, required: bool = True, nullable: bool = True, unique: bool = False):
    return pa.Column(str, list(checks), required=required, nullable=nullable, unique=unique)


def products_schema(
    labelled: bool, id_rules: Mapping[str, re.Pattern[str]] | None = None
) -> pa.DataFrameSchema:
    """What Products.csv must hold.

    `labelled`: for training, where every column must be there, and a category and a price in each
    row. Otherwise the id alone is needed. What a price is, listings.price_faults says. `id_rules`:
    patterns that an id must match whole, by what is wrong with one that does not (ids.ID_RULES).
    """
    id_checks = [
        pa.Check(lambda ids, rule=rule: ids.str.fullmatch(rule), error=f"id {fault}")
        for fault, rule in (id_rules or {}).items()
    ]
    # A listing to be scored is never refused: clean_products cuts its text.
    short = [_SHORT] if labelled else []
    return pa.DataFrameSchema(
        {
            "id": _text(*short, *id_checks, nullable=not labelled, unique=labelled),
            "product_name": _text(*short, required=labelled),
            "category": _text(*short, required=labelled, nullable=not labelled),
            "product_description": _text(*short, required=labelled),
            "price": _text(required=labelled, nullable=not labelled),
            "location": _text(*short, required=labelled),
        }
    )


IMAGES_SCHEMA = pa.DataFrameSchema(
    {
        # The id names a file: anything that could leave the folder is refused here.
        "id": _text(
            pa.Check.str_matches(r"^[A-Za-z0-9][A-Za-z0-9._-]*$", error="id is not a file name"),
            nullable=False,
            unique=True,
        ),
        "product_id": _text(nullable=False),
        "image_ref": _text(required=False),
        "create_time": _text(required=False),
    }
)


def read_table(path: Path) -> pd.DataFrame:
    """Read a raw CSV as strings; empty fields are missing, the words "NA" and "null" are not.

    Lines end at \\n only: the real Products.csv holds bare \\r inside unquoted fields, and with its
    defaults pandas breaks 7,156 rows into 11,318. Files with \\r\\n line ends read the same.
    Every record of the file is a row, but for those without any content; what pandas would read as
    fewer, or of which it would not read a column, raises MarketError, as does any other fault.
    """
    if path.exists() and not path.is_file():  # a pipe would be waited for, a device read for ever
        raise MarketError(f"{path} is no file")
    try:
        records = _count_records(path)
        table = pd.read_csv(
            path,
            lineterminator="\n",
            dtype=str,
            keep_default_na=False,
            na_values=[""],
            encoding="utf-8-sig",
        )
    except FileNotFoundError:
        raise MarketError(
            f"{say_absent(path)}: `dvc pull` it, or set `dataset` in params.yaml to a folder "
            "under data/ that has raw/Products.csv, raw/Images.csv and raw/images/"
        ) from None
    except OSError as error:
        raise MarketError(f"{path} cannot be read: {error.strerror}") from None
    except MemoryError:
        raise MarketError(f"{path} is too large for the memory of this machine") from None
    except (ValueError, pd.errors.ParserError) as error:  # UnicodeDecodeError is a ValueError
        reason = " ".join(str(error).split())[:MOST_SAID]
        raise MarketError(f"{path} is not a UTF-8 CSV table: {reason}") from None
    if not isinstance(table.index, pd.RangeIndex):  # pandas took the first column for labels
        raise MarketError(f"{path}: its rows have more fields than its header")
    # Before the columns without a name go: a row of which only its number is left is a row.
    filled = table.apply(lambda column: column.str.strip().fillna("").ne("")).any(axis=1)
    if filled.sum() != records:
        raise MarketError(
            f"{path}: {records} rows were read as {filled.sum()}: look for stray quotation marks "
            "and line ends"
        )
    table.columns = table.columns.str.strip()
    # The index that pandas wrote, or Excel's empty columns.
    table = table.loc[:, ~table.columns.str.match(r"^(Unnamed: \d+)?$")]
    table = table.astype(str).where(table.notna()).apply(lambda column: column.str.strip())
    # Only now is a last field empty that was the \r of a \r\n.
    table = table.where(table.ne(""))
    return table[filled].reset_index(drop=True)


def _count_records(path: Path) -> int:
    """Count a table's records after its header, those with content; check their form."""
    text = path.read_bytes().decode("utf-8-sig")
    header = RECORD.match(text)
    if header is not None:
        _check_header(path, header.group())
    end = count = 0
    for record in RECORD.finditer(text):
        if record.start() != end:
            break
        end = record.end()
        count += FILLED.search(record.group()) is not None
    if end < len(text):
        line = text.count("\n", 0, end) + 1
        raise MarketError(
            f"{path} is not a UTF-8 CSV table: line {line} begins a row with a quotation mark that "
            "is not closed, or not at the end of its field: double the marks within a field"
        )
    return max(count - 1, 0)


def _check_header(path: Path, header: str) -> None:
    if header.count("\r") > 1:
        raise MarketError(f"{path}: its lines end in \\r alone: make it \\n")
    names = [name.strip(' "') for name in re.findall(rf"({_FIELD})(?:,|$)", header.strip())]
    twice = {name for name in names if name and names.count(name) > 1}
    if twice:
        raise MarketError(
            f"{path}: column {', '.join(map(repr, sorted(twice)))[:MOST_SAID]} is there twice: "
            "rename or remove one"
        )


def check_rows(
    table: pd.DataFrame,
    schema: pa.DataFrameSchema,
    path: Path,
    faults: pd.Series | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows that satisfy `schema`, and a table of those that do not (REJECT_COLUMNS).

    `faults` (n,) says why a row that satisfies it is refused all the same; "" if it is not. A fault
    of the whole table (a column is absent) raises MarketError with one line; `record` counts a
    table's records from 1, which is not its line number where fields span lines.
    """
    reasons = pd.Series("", index=table.index) if faults is None else faults.copy()
    try:
        schema.validate(table, lazy=True)
    except SchemaErrors as error:
        of_schema = _schema_faults(error.failure_cases, table, path)
        reasons[of_schema.index] = of_schema
    bad = reasons.ne("")
    rejects = pd.DataFrame(
        {
            "source": path.name,
            "record": table.index[bad] + 1,
            "id": table.loc[bad, "id"].to_numpy(),
            "reason": reasons[bad].to_numpy(),
        },
        columns=REJECT_COLUMNS,
    )
    return table[~bad], rejects


def _schema_faults(faults: pd.DataFrame, table: pd.DataFrame, path: Path) -> pd.Series:
    """Return a reason for each row that pandera faults, by its label; the first column's."""
    absent = faults.loc[faults["check"] == "column_in_dataframe", "failure_case"]
    if len(absent):
        raise MarketError(
            f"{path}: no column {', '.join(map(repr, absent))} "
            f"(it has {', '.join(map(repr, table.columns))[:MOST_SAID]}): rename or add it"
        )
    of_table = faults[faults["index"].isna()]
    if len(of_table):
        first = of_table.iloc[0]
        raise MarketError(f"{path}: column {first['column']!r}: {first['check']}")
    # pandera reports both copies of a repeated id; the first one is fine.
    repeated = (faults["check"] == "field_uniqueness") & ~faults["index"].isin(
        table.index[table["id"].duplicated()]
    )
    faults = faults[~repeated].drop_duplicates("index")
    reasons = faults["check"].where(
        ~faults["check"].isin(["not_nullable", "field_uniqueness"]),
        faults["column"]
        + faults["check"].map(
            {"not_nullable": " is missing", "field_uniqueness": " repeats an earlier row's"}
        ),
    )
    return pd.Series(reasons.to_numpy(), index=faults["index"].astype(int))


def check_share(
    path: Path, table: pd.DataFrame, rejects: pd.DataFrame, *, allowed: float, some: bool
) -> None:
    """Raise MarketError if one reason refuses more of a table's rows than the share `allowed`.

    Also, with `some`, if any row must be kept and none is. `table` (n rows) is what was read of
    `path`, `rejects` are those of its rows, or of their photos. The line names the commonest cause
    and its first row; that a product was rejected is no cause, but for want of another.
    """
    if table.empty:
        if some:
            raise MarketError(f"{path} has no rows: add some")
        return
    reasons = rejects["reason"].map(lambda reason: reason.partition(" (")[0]).astype("str")
    causes = reasons[reasons.ne(PRODUCT_REJECTED)]
    nothing_left = some and len(rejects) == len(table)
    if causes.empty:
        causes = reasons if nothing_left else causes
    counts = causes.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    if counts.empty or (counts.iloc[0] <= allowed * len(table) and not nothing_left):
        return
    reason = str(counts.index[0])
    first = rejects[reasons.eq(reason)].iloc[0]
    remedy = "correct them"
    if not nothing_left:
        remedy += f", or raise clean.max_rejected_share ({allowed:g})"
    raise MarketError(
        f"{path}: {counts.iloc[0]} of {len(table)} rows are refused: {reason} "
        f"({_example(first, table)}): {remedy}"
    )


def _example(reject: pd.Series, table: pd.DataFrame) -> str:
    """Say which row or file a reject is, and the value that it is refused for."""
    if pd.isna(reject["record"]):
        return f"the first is {reject['source']}"
    row = table.iloc[int(reject["record"]) - 1]
    words = str(reject["reason"]).split()
    named = next((word for word in words if word in table.columns and word != "id"), None)
    if words[:2] == ["its", "product"] and "product_id" in table.columns:
        named = "product_id"
    value = "" if named is None or pd.isna(row[named]) else f", {named} {row[named]!r:.{SHOWN}}"
    key = "" if pd.isna(reject["id"]) else f", {str(reject['id'])!r:.{SHOWN}}"
    return f"the first is row {reject['record']}{key}{value}"


def ignored_columns(table: pd.DataFrame, read: Iterable[str]) -> dict[str, int]:
    """Return the columns of a table that are not `read`, each with how many of its fields are full.

    A column without a field that is full is not missed, and not among them.
    """
    counts = table.drop(columns=list(read), errors="ignore").notna().sum()
    return {str(name): int(count) for name, count in counts.items() if count}


def say_ignored(path: Path, ignored: dict[str, int], read: Iterable[str], has: Iterable[str]):
    """Return a line for each ignored column, with the name that may be meant: of those that are
    `read` one that the table does not have."""
    absent = sorted(set(read) - set(has))
    lines = []
    for name, count in ignored.items():
        near = difflib.get_close_matches(name.lower().replace(" ", "_"), absent, n=1)
        meant = f": rename it if {near[0]!r} is meant" if near else ""
        lines.append(f"{path}: column {name!r:.{SHOWN}} ({count} values) is not read{meant}")
    return lines


def check_nothing_lost(source: Path | str, read: int, kept: int, rejected: int) -> None:
    """Raise MarketError unless each of `read` things is kept or rejected, and none is both."""
    if read != kept + rejected:
        raise MarketError(
            f"{source}: {read} in, but {kept} out and {rejected} rejects: nothing was written, as "
            "this is a fault of the program; please report it with the file"
        )


def say_absent(path: Path) -> str:
    """Return that a part of the raw folder does not exist, and its name in other letters if any."""
    others = path.parent.iterdir() if path.parent.is_dir() else []
    near = [other.name for other in others if other.name.lower() == path.name.lower()]
    return f"{path} does not exist" + (f" (but {near[0]!r} does: rename it)" if near else "")


def find_photos(folder: Path) -> tuple[dict[str, Path], list[Path]]:
    """Return the photo files by image id (the name before the ending), and those that clash.

    Of several files with one id the first by name is taken. Hidden files are no photos.
    """
    if not folder.is_dir():
        fault = f"{folder} is no folder" if folder.exists() else say_absent(folder)
        raise MarketError(f"{fault}: the photos belong there, <id>.jpg")
    found: dict[str, Path] = {}
    clashing = []
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise MarketError(f"{folder} cannot be read: {error.strerror}") from None
    for path in paths:
        if path.name.startswith("."):
            continue
        if readable(path.stem) in found:
            clashing.append(path)
        else:
            found[readable(path.stem)] = path
    return found, clashing


def match_images(
    images: pd.DataFrame,
    photos: dict[str, Path],
    product_ids: pd.Series,
    rejected_ids: Iterable[str] = (),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of Images.csv with a known product and a file, and rejects for the others.

    A file that no row names is rejected too. `rejected_ids` are products that were refused.
    """
    unknown = ~images["product_id"].isin(product_ids)
    no_file = ~images["id"].isin(photos.keys())
    reason = pd.Series("its product is not in Products.csv", index=images.index).where(
        unknown, "no file in images/"
    )
    reason[unknown & images["product_id"].isin(list(rejected_ids))] = PRODUCT_REJECTED
    bad = unknown | no_file
    rejected_rows = pd.DataFrame(
        {
            "source": "Images.csv",
            "record": images.index[bad] + 1,
            "id": images.loc[bad, "id"].to_numpy(),
            "reason": reason[bad].to_numpy(),
        }
    )
    named = set(images["id"])
    unnamed = [path for stem, path in photos.items() if stem not in named]
    return images[~bad], pd.concat(
        [rejected_rows, reject_files(unnamed, ["no row in Images.csv"] * len(unnamed))]
    )


class RawImages(NamedTuple):
    """What `read_images` makes of Images.csv and images/: every row and file is in one of two."""

    usable: pd.DataFrame  # rows of Images.csv, sorted by id, with the `path` of their photo
    rejects: pd.DataFrame  # REJECT_COLUMNS, of rows and of files
    files: int  # photos in images/
    table: pd.DataFrame  # Images.csv as it was read


def read_images(
    raw: Path,
    product_ids: pd.Series,
    rejected_ids: Iterable[str] = (),
    *,
    partial: bool = False,
) -> RawImages:
    """Return the usable rows of Images.csv, and rejects for all other rows and files.

    Sorted by id, so that the order of the raw rows does not change what is made of them. Photos of
    `rejected_ids` are refused as their products were. Where Images.csv or images/ is absent it is a
    MarketError; with `partial` it is one without rows or files.
    """
    table = pd.DataFrame({"id": [], "product_id": []}, dtype="str")
    files: dict[str, Path] = {}
    clashing: list[Path] = []
    if not partial or (raw / "Images.csv").exists():
        table = read_table(raw / "Images.csv")
    rows, malformed = check_rows(table, IMAGES_SCHEMA, raw / "Images.csv")
    if not partial or (raw / "images").is_dir():
        files, clashing = find_photos(raw / "images")
    images, unmatched = match_images(rows, files, product_ids, rejected_ids)
    clashes = reject_files(clashing, ["another file has this id"] * len(clashing))
    rejects = pd.concat([malformed, unmatched, clashes], ignore_index=True)
    check_nothing_lost(
        raw / "Images.csv", len(table), len(images), int(rejects["source"].eq("Images.csv").sum())
    )
    ids = set(images["id"]) | set(rejects["id"].dropna())
    check_nothing_lost(raw / "images", len(files), sum(name in ids for name in files), 0)
    images = images.assign(path=images["id"].map(files))
    images = images.sort_values("id", ignore_index=True)
    return RawImages(images, rejects, len(files) + len(clashing), table)


def readable(name: str) -> str:
    """A file's name as it can be written: bytes that are not UTF-8 become \\x…"""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def reject_files(paths: list[Path], reasons: list[str]) -> pd.DataFrame:
    """Rejects (REJECT_COLUMNS) for photo files, one reason each."""
    return pd.DataFrame(
        {
            "source": [f"images/{readable(path.name)}" for path in paths],
            "record": pd.NA,
            "id": [readable(path.stem) for path in paths],
            "reason": reasons,
        },
        columns=REJECT_COLUMNS,
    )
