"""Archives (.zip) of an export: what they hold, and safe unpacking."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath

from market.core.atomic import replace_when_done
from market.core.errors import MarketError
from market.core.stage import progress
from market.data.inspection.dialect import detect_encoding
from market.data.photo_formats import PHOTO_SUFFIXES
from market.data.tables import is_table_name

ENDING = ".zip"
MAX_FILES = 5_000_000
MAX_RATIO = 200  # of the size unpacked to that of the archive: tables seldom exceed 30
UTF8_NAME = 0x800  # bits of a member's flags
ENCRYPTED = 0x1
SYSTEM_FILES = ("__MACOSX", "Thumbs.db", "desktop.ini")
CHUNK = 2**20
GIGABYTE = 10**9


@dataclass(frozen=True)
class Archive:
    """A .zip file whose members may be unpacked.

    Attributes
    ----------
    path
        The file.
    files
        The path of each member within the folder to unpack to, by its place in the archive.
        A folder that holds everything is left out, and so are files of the operating system.
    size
        Bytes of all members, unpacked.
    """

    path: Path
    files: dict[int, PurePosixPath]
    size: int

    @classmethod
    def open(cls, path: Path) -> Archive:
        """Read the list of members.

        Raises
        ------
        MarketError
            If the file is no such archive, is encrypted or empty, or if a member could be written
            outside the folder, is a link, or is named twice.
        """
        with _opened(path) as archive:
            members = archive.infolist()
        if len(members) > MAX_FILES:
            raise MarketError(f"{path} has {len(members):,} files, more than {MAX_FILES:,}")
        names = _names(members)
        files = {
            i: _safe_path(path, names[i], member)
            for i, member in enumerate(members)
            if not member.is_dir()
        }
        files = {i: file for i, file in files.items() if not _is_hidden(file)}
        if not files:
            raise MarketError(f"{path} has no files")
        tops = {file.parts[0] for file in files.values()}
        if len(tops) == 1 and all(len(file.parts) > 1 for file in files.values()):
            files = {i: PurePosixPath(*file.parts[1:]) for i, file in files.items()}
        _check_names(path, files)
        return cls(path, files, sum(members[i].file_size for i in files))

    def summary(self) -> str:
        """Return a line on what the archive holds."""
        tables = sorted(
            str(file)
            for file in self.files.values()
            if is_table_name(file.name) and file.suffix.lower() != ".txt"  # such as README.txt
        )
        photos = sum(file.suffix.lower() in PHOTO_SUFFIXES for file in self.files.values())
        others = len(self.files) - len(tables) - photos
        named = f" ({', '.join(tables[:5])}{', …' if len(tables) > 5 else ''})" if tables else ""
        return (
            f"{self.path} is an archive: {len(tables)} tables{named}, {photos:,} photos and "
            f"{others:,} other files, {self.size / 1e6:,.1f} MB unpacked"
        )

    def unpack(self, folder: Path, *, max_bytes: int) -> None:
        """Unpack all members, or none.

        Parameters
        ----------
        folder
            May exist, if it has none of the files yet.
        max_bytes
            The largest size that may be unpacked.

        Raises
        ------
        MarketError
            If a file exists already, the archive is damaged, or its members are too large.
        """
        self._check_size(folder, max_bytes)
        for file in self.files.values():
            if (folder / file).exists():
                raise MarketError(
                    f"{folder / file} exists already: nothing was unpacked: remove it, or name "
                    "another folder"
                )
        target = folder / ".unpacked" if folder.exists() else folder
        with replace_when_done(target) as partial, _opened(self.path) as archive:
            members = archive.infolist()
            partial.mkdir()
            for i, file in progress(
                self.files.items(), total=len(self.files), desc="unpack", unit="file"
            ):
                self._write(archive, members[i], partial / file)
        if target != folder:
            self._move(target, folder)

    def _write(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(member) as source, path.open("xb") as file:
            # It reads no more than the size that the archive states, which was checked.
            shutil.copyfileobj(source, file, CHUNK)

    def _move(self, unpacked: Path, folder: Path) -> None:
        for file in self.files.values():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (unpacked / file).replace(folder / file)
        shutil.rmtree(unpacked)

    def _check_size(self, folder: Path, max_bytes: int) -> None:
        size = f"{self.path} is {self.size / GIGABYTE:,.1f} GB unpacked"
        if self.size > max_bytes:
            raise MarketError(
                f"{size}, more than {max_bytes / GIGABYTE:g}: raise --max-gigabytes if you trust it"
            )
        if self.size > max(GIGABYTE, MAX_RATIO * self.path.stat().st_size):
            raise MarketError(
                f"{size}, over {MAX_RATIO} times its own size, which no export is: nothing was "
                "unpacked"
            )
        existing = next(parent for parent in (folder, *folder.absolute().parents)
                        if parent.exists())  # fmt: skip
        free = shutil.disk_usage(existing).free
        if self.size > free:
            raise MarketError(f"{size}, but the disk has {free / GIGABYTE:,.1f} GB left: free some")


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive, and turn its faults into one line."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except FileNotFoundError:
        raise MarketError(f"{path} does not exist") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise MarketError(f"{path} is not a whole .zip file: {error}") from None


def _names(members: list[zipfile.ZipInfo]) -> list[str]:
    """Return the members' names. Old programs write them in the encoding of their system."""
    unmarked = [
        member.filename.encode("cp437")
        for member in members
        if not member.flag_bits & UTF8_NAME and not member.filename.isascii()
    ]
    encoding = detect_encoding(b"\n".join(unmarked)).value if unmarked else "ascii"
    names = []
    for member in members:
        name = member.filename
        if not member.flag_bits & UTF8_NAME and not name.isascii():
            name = name.encode("cp437").decode(encoding, "replace")
        names.append(name.replace("\\", "/"))
    return names


def _safe_path(archive: Path, name: str, member: zipfile.ZipInfo) -> PurePosixPath:
    """Return a member's path, if it leads into the folder and the member is a plain file."""
    path = PurePosixPath(name)
    mode = member.external_attr >> 16
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        raise MarketError(f"{archive}: {name!r:.100} leads out of the folder: nothing was unpacked")
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise MarketError(f"{archive}: {name!r:.100} is a link or a device: nothing was unpacked")
    if member.flag_bits & ENCRYPTED:
        raise MarketError(f"{archive} is encrypted: unpack it yourself, with its password")
    return path


def _is_hidden(file: PurePosixPath) -> bool:
    return any(part.startswith(".") or part in SYSTEM_FILES for part in file.parts)


def _check_names(path: Path, files: dict[int, PurePosixPath]) -> None:
    """Raise MarketError if two members have one path, or one is a folder of another."""
    paths = set(files.values())
    if len(paths) < len(files):
        ordered = sorted(files.values())
        twice = next(file for file, other in pairwise(ordered) if file == other)
        raise MarketError(f"{path} has {str(twice)!r:.100} twice: nothing was unpacked")
    for file in paths:
        if not paths.isdisjoint(file.parents):
            raise MarketError(f"{path} has a file and a folder of one name ({file.parent})")
