"""Archives of an export: described, and unpacked whole, inside the folder, or not at all."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from market import inspect, unpack
from market.core.errors import MarketError
from market.data.archives import Archive

TABLE = "id,name,price\n1,Oak table,5\n"
LIMIT = 10**9


def archive_of(folder: Path, members: dict[str, str | bytes]) -> Path:
    path = folder / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*")
                  if path.is_file())  # fmt: skip


def test_it_is_unpacked_without_its_outer_folder_and_system_files(tmp_path: Path) -> None:
    path = archive_of(
        tmp_path,
        {"shop/Products.csv": TABLE, "shop/images/1.JPG": b"x", "shop/.DS_Store": b"",
         "__MACOSX/shop/._Products.csv": b""},
    )  # fmt: skip
    archive = Archive.open(path)
    assert "1 tables (Products.csv), 1 photos and 0 other files" in archive.summary()
    archive.unpack(tmp_path / "raw", max_bytes=LIMIT)
    assert files_in(tmp_path / "raw") == ["Products.csv", "images/1.JPG"]
    assert (tmp_path / "raw/Products.csv").read_text() == TABLE


def test_it_joins_a_folder_that_has_none_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "raw/images").mkdir(parents=True)
    (tmp_path / "raw/Products.csv").write_text("mine")
    path = archive_of(tmp_path, {"images/1.jpg": b"x", "images/2.jpg": b"y"})
    Archive.open(path).unpack(tmp_path / "raw/images", max_bytes=LIMIT)
    assert files_in(tmp_path / "raw") == ["Products.csv", "images/1.jpg", "images/2.jpg"]
    again = archive_of(tmp_path, {"Products.csv": TABLE, "more.csv": TABLE})
    with pytest.raises(MarketError, match=r"Products\.csv exists already: nothing was unpacked"):
        Archive.open(again).unpack(tmp_path / "raw", max_bytes=LIMIT)
    assert (tmp_path / "raw/Products.csv").read_text() == "mine"
    assert not (tmp_path / "raw/more.csv").exists()


@pytest.mark.parametrize(
    "name", ["../evil.csv", "/etc/evil.csv", "a/../../evil.csv", "..\\evil.csv", "C:\\evil.csv"]
)
def test_a_member_that_leads_out_of_the_folder_is_refused(name: str, tmp_path: Path) -> None:
    path = archive_of(tmp_path, {"Products.csv": TABLE, name: "evil"})
    with pytest.raises(MarketError, match="leads out of the folder"):
        Archive.open(path)


def test_links_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("images")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc")
    with pytest.raises(MarketError, match="is a link"):
        Archive.open(path)


def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive, pytest.warns(UserWarning):
        archive.writestr("Products.csv", TABLE)
        archive.writestr("Products.csv", TABLE)
    with pytest.raises(MarketError, match=r"has 'Products\.csv' twice"):
        Archive.open(path)
    path = archive_of(tmp_path, {"images": "x", "images/1.jpg": "x"})
    with pytest.raises(MarketError, match="a file and a folder of one name"):
        Archive.open(path)


def test_a_bomb_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive_of(tmp_path, {"Products.csv": b"0" * 5_000_000})
    with pytest.raises(MarketError, match="raise --max-gigabytes"):
        Archive.open(path).unpack(tmp_path / "raw", max_bytes=1000)
    monkeypatch.setattr("market.data.archives.GIGABYTE", 1000)
    with pytest.raises(MarketError, match="over 200 times its own size"):
        Archive.open(path).unpack(tmp_path / "raw", max_bytes=LIMIT)
    assert not (tmp_path / "raw").exists()


def test_a_damaged_archive_leaves_nothing(tmp_path: Path) -> None:
    path = archive_of(tmp_path, {"a.csv": TABLE, "b.csv": "id\n" + "x" * 500})
    content = bytearray(path.read_bytes())
    content[content.index(b"b.csv") + 6] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(MarketError, match=r"export\.zip is not a whole \.zip file"):
        Archive.open(path).unpack(tmp_path / "raw", max_bytes=LIMIT)
    assert not (tmp_path / "raw").exists()
    path.write_bytes(b"PK nonsense")
    with pytest.raises(MarketError, match="is not a whole"):
        Archive.open(path)


def test_japanese_names_of_old_programs_are_read(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    name = "商品一覧表_出品データ.csv"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a" * len(name.encode("cp932")), TABLE)
    content = path.read_bytes().replace(b"a" * len(name.encode("cp932")), name.encode("cp932"))
    path.write_bytes(content)
    Archive.open(path).unpack(tmp_path / "raw", max_bytes=LIMIT)
    assert files_in(tmp_path / "raw") == [name]


def test_inspect_names_the_command_and_unpack_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    archive_of(tmp_path, {"Products.csv": TABLE})
    run = CliRunner().invoke
    looked = run(inspect.main, ["export.zip"])
    assert looked.exit_code == 0 and looked.output.strip().endswith(
        "Next: python -m market.unpack export.zip data/mine/raw && "
        "python -m market.inspect data/mine/raw --write"
    )
    assert run(inspect.main, ["export.zip", "--write"]).exit_code == 1
    assert not Path("data").exists()
    done = run(unpack.main, ["export.zip", "data/mine/raw"])
    assert "Next: python -m market.inspect data/mine/raw --write" in done.output
    assert Path("data/mine/raw/Products.csv").read_text() == TABLE


def test_a_folder_with_an_archive_alone_names_the_command(tmp_path: Path) -> None:
    path = archive_of(tmp_path, {"Products.csv": TABLE})
    looked = CliRunner().invoke(inspect.main, [str(tmp_path)])
    assert f"python -m market.unpack {path} {tmp_path}" in looked.output
