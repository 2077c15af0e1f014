"""How photos belong to listings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from market.data.inspection.columns import ColumnMatch
from market.data.inspection.finding import percent
from market.data.inspection.names import PHOTO_NAMES, match_name, normalise
from market.data.inspection.profiles import SEPARATORS_OF_PHOTOS, Profile, photo_references
from market.data.photo_folder import PhotoFolder, name_key
from market.data.photo_formats import UnusablePhoto
from market.data.photo_owners import OwnerFinder
from market.data.photo_references import is_url, split_references
from market.data.rejects import printable_name

DEFAULT_FOLDER, DEFAULT_SEPARATOR = "images", ","
MAX_TRIED = 500  # references or files that are tried
MIN_SHARE = 0.05  # of them that must fit
# Names that photos have, but other things as well.
VAGUE_NAMES = frozenset({"url", "path", "file", "filename", "file name", "media", "cover", "datei"})


@dataclass(frozen=True)
class PhotoLayout:
    """How photos belong to listings, in the terms of section `input`.

    Attributes
    ----------
    photos
        The value of `input.photos`; "" if there are none.
    folder, columns, separator
        The values of `input.photo_folder`, `photo_columns` and `photo_separator`.
    image_columns
        The value of `input.image_columns`.
    share
        The share of the tried references or files that fit.
    evidence
        In a few words.
    unfetched
        The share of the tried references that are URLs not fetched yet.
    """

    photos: str
    folder: str = DEFAULT_FOLDER
    columns: tuple[str, ...] = ()
    separator: str = DEFAULT_SEPARATOR
    image_columns: dict[str, str | None] = field(default_factory=dict)
    share: float = 0.0
    evidence: str = ""
    unfetched: float = 0.0


@dataclass(frozen=True)
class PhotoFiles:
    """The photo files of an export.

    Attributes
    ----------
    raw
        The raw folder.
    whole
        All files under it that have the ending of a photo.
    folders
        The folders directly in it that hold photos, the fullest first.
    """

    raw: Path
    whole: PhotoFolder
    folders: tuple[str, ...]

    @classmethod
    def find(cls, raw: Path, *, named_only: bool = False) -> PhotoFiles:
        """Look for photos under a raw folder, or only in its folder named "images" or the like."""
        name = "."
        if named_only:
            folders = sorted(path.name for path in raw.iterdir() if path.is_dir())
            named = [folder for folder in folders if match_name(folder, PHOTO_NAMES).is_exact]
            name = named[0] if named else DEFAULT_FOLDER
        whole = PhotoFolder(raw, name, partial=True)
        counts = Counter(path.relative_to(raw).parts[0] for path in whole.files
                         if path.parent != raw)  # fmt: skip
        return cls(raw, whole, tuple(name for name, _ in counts.most_common()))

    @property
    def folder(self) -> str:
        """The folder that holds all photos: one folder, or the raw folder itself."""
        if not self.whole.files:
            return DEFAULT_FOLDER
        at_top = any(path.parent == self.raw for path in self.whole.files[:MAX_TRIED])
        return self.folders[0] if len(self.folders) == 1 and not at_top else "."


def detect_photos(
    files: PhotoFiles,
    ids: Iterable[str],
    candidates: list[Profile],
    images: pd.DataFrame | None,
    matches: dict[str, ColumnMatch],
) -> PhotoLayout:
    """Return the layout that fits the most photos.

    Parameters
    ----------
    files
        The photo files.
    ids
        The ids of the listings.
    candidates
        The columns of the listings that no other field has.
    images
        The table of photos, if there is one.
    matches
        Its columns, by field.
    """
    layouts = []
    if images is not None:
        layouts.append(_by_table(files, images, matches))
    stems = frozenset(name_key(path.stem) for path in files.whole.files)
    if columns := photo_columns(candidates, stems):
        layouts.append(_by_column(files, columns))
    for layout in layouts:
        if layout.share >= MIN_SHARE:
            return layout
    layouts += _by_owner(files, ids) if files.whole.files else []
    best = max(layouts, key=lambda layout: layout.share, default=PhotoLayout(""))
    if best.share < MIN_SHARE:
        count = len(files.whole.files)
        evidence = f"none of the photo files ({count:,}) fits a listing" if count else "no photos"
        # What the tables say stays: the photos may be put there later.
        return best if best.image_columns or best.columns else PhotoLayout("", evidence=evidence)
    return best


# --- A table of photos ----------------------------------------------------------------------------
def _by_table(
    files: PhotoFiles, images: pd.DataFrame, matches: dict[str, ColumnMatch]
) -> PhotoLayout:
    columns = {name: match.column for name, match in matches.items()}
    own: dict[str, str | None] = {
        name: column for name, column in columns.items() if name != column and name != "image_ref"
    }
    stems = {printable_name(path.stem) for path in files.whole.files}
    by_id = 0.0
    if "id" in columns:
        known = images[columns["id"]].dropna()
        by_id = float(known.isin(stems).mean()) if len(known) else 0.0
    reference = columns.get("image_ref")
    if reference is None or by_id >= MIN_SHARE:
        evidence = f"{percent(by_id)} of its ids are names of files"
        return PhotoLayout("table", files.folder, image_columns=own, share=by_id, evidence=evidence)
    if "id" not in columns:
        own["id"] = None
    references = images[reference].dropna().head(MAX_TRIED).tolist()
    folder, share, unfetched = _folder_of(files, references)
    return PhotoLayout(
        "table",
        folder,
        image_columns={**own, "image_ref": reference},
        share=share + unfetched,
        evidence=_evidence(share, unfetched),
        unfetched=unfetched,
    )


# --- Columns of the listings ----------------------------------------------------------------------
def photo_columns(candidates: list[Profile], stems: frozenset[str] = frozenset()) -> list[Profile]:
    """Return the columns that hold paths or URLs of photos.

    Parameters
    ----------
    candidates
        Columns of the listings.
    stems
        The names of the photo files without their endings, as `name_key` returns them: a column
        named like photos may hold these.
    """
    chosen = []
    for profile in candidates:
        name = match_name(profile.name, PHOTO_NAMES)
        is_named = name.score >= 0.4 and normalise(profile.name) not in VAGUE_NAMES
        urls = profile.some.str.contains(r"^\W*(?:https?:)?//", regex=True).mean()
        names_files = is_named and profile.some.map(name_key).isin(stems).mean() > 0.5
        if profile.photos > 0.5 or (is_named and urls > 0.5) or names_files:
            chosen.append(profile)
    return chosen


def _by_column(files: PhotoFiles, columns: list[Profile]) -> PhotoLayout:
    values = [value for profile in columns for value in profile.some]
    separator = _photo_separator(values)
    references = [reference for value in values for reference in split_references(value, separator)]
    step = -(-len(references) // MAX_TRIED) or 1
    folder, share, unfetched = _folder_of(files, references[::step])
    return PhotoLayout(
        "column",
        folder,
        tuple(profile.name for profile in columns),
        separator,
        share=share + unfetched,
        evidence=_evidence(share, unfetched),
        unfetched=unfetched,
    )


def _photo_separator(values: list[str]) -> str:
    """Return the separator that splits the most values into several photos."""
    counts: Counter[str] = Counter()
    for value in values:
        most = len(photo_references(value, any_url=True))
        if most < 2 or value.lstrip().startswith("["):
            continue
        for separator in SEPARATORS_OF_PHOTOS:
            if len(split_references(value, separator)) == most:
                counts[separator] += 1
                break
    return counts.most_common(1)[0][0] if counts else DEFAULT_SEPARATOR


def _folder_of(files: PhotoFiles, references: list[str]) -> tuple[str, float, float]:
    """Return the folder of photos, and the shares of references with a file and not yet fetched."""
    if not references:
        return files.folder, 0.0, 0.0
    tops = {name.casefold() for name in files.folders}
    paths = [reference for reference in references if not is_url(reference)]
    begins = [path.replace("\\", "/").lstrip("./").partition("/")[0].casefold() for path in paths]
    from_raw = bool(paths) and sum(begin in tops for begin in begins) > len(paths) / 2
    names = [".", *files.folders[:3]] if from_raw else [files.folder, *files.folders[:3], "."]
    best, most = names[0], -1.0
    for name in dict.fromkeys(names):
        photos = files.whole if name == "." else PhotoFolder(files.raw, name, partial=True)
        share = sum(_has_file(photos, reference) for reference in references) / len(references)
        if share > most:
            best, most = name, share
    if not files.whole.files:
        best = DEFAULT_FOLDER
    urls = sum(map(is_url, references)) / len(references)
    return best, most, max(0.0, urls - most)


def _has_file(photos: PhotoFolder, reference: str) -> bool:
    try:
        photos.find(reference)
    except UnusablePhoto:
        return False
    return True


def _evidence(share: float, unfetched: float) -> str:
    if unfetched:
        return f"{percent(unfetched)} of its photos are URLs not fetched yet"
    return f"{percent(share)} of its photos exist"


# --- Names of folders and files -------------------------------------------------------------------
def _by_owner(files: PhotoFiles, ids: Iterable[str]) -> list[PhotoLayout]:
    owners = OwnerFinder(ids)
    inside = [path.relative_to(files.raw) for path in files.whole.files]
    tried = inside[:: -(-len(inside) // MAX_TRIED) or 1]
    layouts = []
    ways = {"folders": owners.by_folders, "names": owners.by_name}
    for photos, find in ways.items():
        fitting = 0
        for path in tried:
            try:
                find(path)
            except UnusablePhoto:
                continue
            fitting += 1
        share = fitting / len(tried)
        evidence = f"{percent(share)} of files begin with the id of a listing"
        if photos == "folders":
            evidence = f"{percent(share)} of files lie in a folder named after a listing"
        layouts.append(PhotoLayout(photos, files.folder, share=share, evidence=evidence))
    return layouts
