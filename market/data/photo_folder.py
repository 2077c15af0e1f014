"""The folder of photos within a raw folder: its files, and the file that a reference means."""

from __future__ import annotations

import os
import posixpath
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote

from market.core.errors import MarketError
from market.data.photo_formats import PHOTO_SUFFIXES, UnusablePhoto
from market.data.photo_references import (
    OTHER_SCHEME,
    canonical_url,
    fetched_name,
    is_url,
)
from market.data.rejects import NO_FILE, NOT_FETCHED, printable_name

FETCHED = "fetched"  # the folder, within that of the photos, of what `market.fetch_photos` fetched
LEADS_OUT = "leads out of the raw folder"
WHOLE_RAW_FOLDER = ("", ".")
MAX_NAMED = 3  # files that a reason names
MAX_SHOWN = 100  # characters of a URL that a reason shows


def composed_name(name: str) -> str:
    """Return a printable name with each accented letter as one character; macOS writes two."""
    return unicodedata.normalize("NFC", printable_name(name))


def name_key(name: str) -> str:
    """Return a name in the form in which names are compared, where letter case does not count."""
    return composed_name(name).casefold()


def natural_key(name: str) -> tuple:
    """Return a key that sorts photo 2 before photo 10."""
    parts = re.split(r"(\d+)", name_key(name))
    return tuple(int(part) if part.isdecimal() else part for part in parts), name


class PhotoFolder:
    """The photo files of a raw folder, in folders of any depth.

    Hidden files and folders are ignored. Names may have any letter case.

    Parameters
    ----------
    raw
        The raw folder.
    name
        The folder of photos within it, as `input.photo_folder` says. If that is the raw folder
        itself, only files with the ending of a photo count, as the tables lie there too.
    partial
        Whether the folder may be absent, which then counts as empty.

    Raises
    ------
    MarketError
        If the folder is absent or cannot be read.
    """

    def __init__(self, raw: Path, name: str, *, partial: bool = False) -> None:
        self.raw = raw
        self.path = _find_folder(raw, name)
        self.exists = self.path.is_dir()
        if not self.exists and not partial:
            raise MarketError(f"{absence(self.path)}: put the photos there, {_remedy(raw, name)}")
        files = _walk(self.path) if self.exists else []
        if name in WHOLE_RAW_FOLDER:
            files = [path for path in files if path.suffix.lower() in PHOTO_SUFFIXES]
        self.files = files  # sorted by their path
        self._by_path: dict[str, list[Path]] = defaultdict(list)
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        self._by_stem: dict[str, list[Path]] = defaultdict(list)
        for path in files:
            self._by_path[name_key(path.relative_to(raw).as_posix())].append(path)
            self._by_name[name_key(path.name)].append(path)
            self._by_stem[name_key(path.stem)].append(path)

    def relative(self, path: Path) -> str:
        """Return a file's path within the raw folder, to name it in messages."""
        return printable_name(path.relative_to(self.raw).as_posix())

    @property
    def no_file(self) -> str:
        """Return the reason to reject a reference to a file that does not exist."""
        inside = self.path.relative_to(self.raw).as_posix()
        return NO_FILE + ("the raw folder" if inside == "." else f"{inside}/")

    def stem(self, path: Path) -> str:
        """Return a file's path within the folder of photos, without the ending of its name."""
        return (path.parent.relative_to(self.path) / path.stem).as_posix()

    def without(self, used: Iterable[Path | str]) -> list[Path]:
        """Return the files that are not among `used`."""
        known = set(used)
        return [path for path in self.files if path not in known]

    def by_id(self) -> tuple[dict[str, Path], list[Path]]:
        """Return the files by id, and the files whose id is already taken.

        The id is the file's name without its ending; of several files with one id the first by
        path counts.
        """
        photos: dict[str, Path] = {}
        clashing = []
        for path in self.files:
            if (image_id := printable_name(path.stem)) in photos:
                clashing.append(path)
            else:
                photos[image_id] = path
        return photos, clashing

    def find(self, reference: str) -> Path:
        """Return the file that a reference means.

        Parameters
        ----------
        reference
            A URL, whose photo `market.fetch_photos` has fetched; a path, relative to the raw folder
            or to the folder of photos; or a file name, with or without its ending, in any folder.

        Raises
        ------
        UnusablePhoto
            If there is no such file, or several.
        """
        if is_url(reference):
            stem = fetched_name(canonical_url(reference))
            fetched = [path for path in self._by_stem.get(stem, []) if path.parent.name == FETCHED]
            if not fetched:
                raise UnusablePhoto(f"{NOT_FETCHED} ({reference[:MAX_SHOWN]})")
            return fetched[0]
        text = re.sub(r"^file:(//(localhost)?(?=/))?", "", reference, flags=re.IGNORECASE)
        if OTHER_SCHEME.match(text):
            raise UnusablePhoto("neither a path nor an http address")
        found = self._find_path(text) or self._find_path(unquote(text))
        if found is None:
            raise UnusablePhoto(
                LEADS_OUT
                if _leads_out(unquote(text))
                else f"{self.no_file} ({printable_name(reference)[:60]})"
            )
        return found

    def _find_path(self, text: str) -> Path | None:
        # Some exports write paths from the root of a website: /media/a.jpg.
        path = posixpath.normpath(text.replace("\\", "/").lstrip("/") or ".")
        if path in (".", "..") or path.startswith("../"):
            return None
        folder = self.path.relative_to(self.raw).as_posix()
        candidates = [(self._by_path, path), (self._by_path, f"{folder}/{path}")]
        if "/" not in path:
            candidates += [(self._by_name, path), (self._by_stem, path)]
        for index, name in candidates:
            if files := index.get(name_key(name)):
                return self._only(files, printable_name(name))
        return None

    def _only(self, files: list[Path], name: str) -> Path:
        """Return the file with exactly this name, or else the only one."""
        exact = [path for path in files if name in (self.relative(path), printable_name(path.name))]
        if len(files) > 1 and len(exact) != 1:
            names = ", ".join(self.relative(path) for path in files[:MAX_NAMED])
            raise UnusablePhoto(f"several files have this name ({names})")
        return exact[0] if len(exact) == 1 else files[0]


def _leads_out(text: str) -> bool:
    path = text.replace("\\", "/")
    is_absolute = path.startswith("/") or re.match(r"[a-z]:", path, re.IGNORECASE)
    return bool(is_absolute) or posixpath.normpath(path).split("/")[0] == ".."


def _find_folder(raw: Path, name: str) -> Path:
    """Return the folder with this name in any letter case; an exact match comes first."""
    path = raw
    for part in Path(name).parts:
        exact = path / part
        if not exact.exists() and path.is_dir():
            similar = (other for other in sorted(path.iterdir()) if other.is_dir())
            exact = next((o for o in similar if name_key(o.name) == name_key(part)), exact)
        path = exact
    return path


def _remedy(raw: Path, name: str) -> str:
    others = [path.name for path in sorted(raw.iterdir()) if path.is_dir()] if raw.is_dir() else []
    visible = [other for other in others if not other.startswith(".")]
    hint = f"or set input.photo_folder to the folder that has them ({', '.join(visible)[:60]})"
    return "each as <id>.jpg" + (f", {hint}" if visible else "")


def absence(folder: Path) -> str:
    """Return why a path is no folder."""
    return f"{folder} is not a folder" if folder.exists() else f"{folder} does not exist"


def _walk(folder: Path) -> list[Path]:
    """Return all files under a folder, sorted by path. Links to folders count as files.

    A link could lead out of the raw folder, or in a circle, so it is listed and not followed.
    """
    files: list[Path] = []

    def fail(error: OSError) -> None:
        raise MarketError(f"{error.filename} cannot be read: {error.strerror}")

    for root, folders, names in os.walk(folder, onerror=fail):
        links = [name for name in folders if (Path(root) / name).is_symlink()]
        folders[:] = [name for name in folders if not name.startswith(".") and name not in links]
        files += [Path(root) / name for name in [*names, *links] if not name.startswith(".")]
    return sorted(files)
