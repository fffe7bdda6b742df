"""Zip archives: the members that `zipfile` finds; a bad member affects only itself."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelmill.domain.codecs import IMAGE_ENDINGS
from labelmill.domain.images.paths import uri_of
from labelmill.errors import InputError
from labelmill.sources.archives import source as archive_source
from labelmill.sources.archives import zip_directory
from labelmill.sources.archives.source import ArchiveSource
from labelmill.sources.base import SourceOptions

_NAMES = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\0/."), min_size=1, max_size=9),
    min_size=1,
    max_size=3,
).map("/".join)
_METHODS = st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
_FILES = st.lists(st.tuples(_NAMES, st.binary(max_size=300), _METHODS), max_size=9)


def opened(path: Path, limit: int | None = None) -> ArchiveSource:
    """The source."""
    return ArchiveSource(SourceOptions(str(path), limit), IMAGE_ENDINGS)


def rows(path: Path) -> list[dict[str, object]]:
    """All rows of an archive."""
    return [row for wave in opened(path).waves() for row in wave.files.to_pylist()]


def _has_no_mark(comment: bytes) -> bool:
    return b"PK\x05\x06" not in comment


def packed(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    """An archive of these files."""
    with zipfile.ZipFile(path, "w", method) as file:
        for name, data in files.items():
            file.writestr(name, data)
    return path


@settings(deadline=None)
# zipfile takes a comment that holds the mark of the directory's end for that end.
@given(_FILES, st.booleans(), st.binary(max_size=40), st.binary(max_size=40).filter(_has_no_mark))
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_members_are_those_of_zipfile(
    tmp_path_factory: pytest.TempPathFactory,
    files: list[tuple[str, bytes, int]],
    streamed: bool,
    before: bytes,
    comment: bytes,
) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return not streamed

    plain = Pipe()
    with zipfile.ZipFile(plain, "w") as file:
        file.comment = comment
        for name, data, method in files:
            # zip64 fields, as archivers write them that do not know a size before.
            with file.open(zipfile.ZipInfo(name + ".png"), "w", force_zip64=streamed) as member:
                member.write(data)
            file.writestr(name + ".pgm", data, method)
    path = tmp_path_factory.mktemp("zip") / "x.zip"
    path.write_bytes(before + plain.getvalue())
    with zipfile.ZipFile(path) as file:
        expected = [(info.filename, file.read(info)) for info in file.infolist()]
    source = opened(path)
    assert source.total == len(expected)
    found = [row for wave in source.waves() for row in wave.files.to_pylist()]
    assert [(row["uri"], row["data"]) for row in found] == [
        (uri_of(name), data) for name, data in expected
    ]
    assert {row["fault"] for row in found} <= {None}


@settings(deadline=None)
@given(st.data())
def test_damage_is_reported(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    files = {f"{n}/{'x' * n}.png": bytes([n]) * 30 * n for n in range(1, 9)}
    path = packed(tmp_path_factory.mktemp("zip") / "x.zip", files, data.draw(_METHODS))
    raw = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        del raw[data.draw(st.integers(0, len(raw) - 1)) :]
    else:
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(raw)
    try:
        source = opened(path)
        found = [row for wave in source.waves() for row in wave.files.to_pylist()]
    except InputError:
        return
    assert len(found) + source.skipped.total() == len(files)
    for row in found:
        large = row["size"] > archive_source.ARCHIVED_FILE_CAP  # type: ignore[operator]
        assert row["fault"] or row["data"] in files.values() or large


def test_one_bad_member_does_not_stop_the_others(tmp_path: Path) -> None:
    good = bytes(range(256)) * 4
    path = packed(tmp_path / "x.zip", {"0.png": good}, zipfile.ZIP_STORED)
    with zipfile.ZipFile(path, "a") as file:
        for number, method in enumerate([8, 8, 12, 8, 8, 0, 8, 8], 1):
            file.writestr(f"{number}.png", good, method)
    raw = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as file:
        local = [info.header_offset for info in file.infolist()]
        at = file.start_dir
    entries = []
    for _ in local:
        entries.append(at)
        at += 46 + sum(struct.unpack_from("<3H", raw, at + 28))
    raw[entries[1] + 8] |= 1  # encrypted
    raw[entries[2] + 16] ^= 1  # another checksum
    raw[local[4]] ^= 1  # no local header
    raw[local[5] + 30 + 5] ^= 0xFF  # no deflate stream
    struct.pack_into("<I", raw, entries[6] + 24, 4000)  # stored, and longer than it is
    struct.pack_into("<I", raw, entries[7] + 24, 10)  # unpacks to more than it says
    path.write_bytes(raw)
    found = rows(path)
    assert [row["fault"] and str(row["fault"]).split(":")[0] for row in found] == [
        None,
        "encrypted",
        "bad_data",
        "unsupported",
        "bad_data",
        "bad_data",
        "truncated",
        "bad_data",
        None,
    ]
    assert "CRC-32" in str(found[2]["fault"])
    assert found[2]["data"] == good
    assert "bzip2" in str(found[3]["fault"])
    assert "unpacks to more" in str(found[7]["fault"])
    assert found[8]["data"] == good


def test_names_are_data_and_links_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name in ("../../1.png", "/abs/2.png", "./a//3.png", "a\\4.png", "ü/5.png", "d.png/"):
            file.writestr(name, b"")
        for name in ("__MACOSX/._1.png", "x.txt"):
            file.writestr(name, b"?")
        link = zipfile.ZipInfo("l.png")
        link.external_attr, link.create_system = 0o120777 << 16, 3
        file.writestr(link, b"/etc/passwd")
        latin = zipfile.ZipInfo("XY/6.png")
        file.writestr(latin, b"")
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"XY/6", b"\x81\xff/6"))  # ü in code page 437, then a hard space
    source = opened(path)
    [wave] = source.waves()
    assert wave.files["uri"].to_pylist() == [
        "../../1.png",
        "abs/2.png",
        "a/3.png",
        "a\\4.png",
        "ü/5.png",
        "ü\xa0/6.png",
    ]
    assert source.total == 6
    assert source.skipped == {
        "hidden": 1,
        "not named like an image: .txt": 1,
        "link or device": 1,
    }
    assert sorted(tmp_path.iterdir()) == [path]


def test_names_in_utf8_that_do_not_say_so(tmp_path: Path) -> None:
    path = packed(tmp_path / "x.zip", {"xxx/1.png": b""})
    path.write_bytes(path.read_bytes().replace(b"xxx", "猫".encode()))
    assert rows(path)[0]["uri"] == "猫/1.png"


def test_a_limit_bounds_the_total(tmp_path: Path) -> None:
    path = packed(tmp_path / "x.zip", {f"{n}.png": b"1" for n in range(5)})
    source = opened(path, 3)
    assert source.total == 3
    assert [wave.count for wave in source.waves()] == [3]
    assert opened(path, 30).total == 5


def test_files_that_are_not_zip_archives_are_refused_with_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    whole = packed(path, {f"{n}.png": b"1" for n in range(5)}).read_bytes()
    split = bytearray(whole)
    split[-18] = 1  # number of this part
    counted = bytearray(whole)
    counted[-12] += 1
    for content, message in (
        (b"", "not a zip archive"),
        (whole[:-30], "cut off"),
        (split, "split archive; join"),
        (counted, "has 5 members that can be read; expected 6"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=message):
            opened(path)


def test_members_over_one_another_are_a_bomb(tmp_path: Path) -> None:
    path = packed(tmp_path / "x.zip", {"0.png": bytes(1 << 20)}, zipfile.ZIP_STORED)
    raw = path.read_bytes()
    at = raw.rindex(b"PK\x01\x02")
    entry, end = raw[at:-22], bytearray(raw[-22:])
    struct.pack_into("<HHL", end, 8, 50, 50, 50 * len(entry))
    path.write_bytes(raw[:at] + entry * 50 + end)
    with pytest.raises(InputError, match="members overlap"):
        opened(path)


def test_memory_is_bounded_whatever_is_in_the_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_source, "ARCHIVED_FILE_CAP", 1 << 20)
    monkeypatch.setattr(zip_directory, "_BLOCK", 1 << 16)
    # A directory of 5 MB; of few members, because counting memory makes each of them slow.
    path = packed(tmp_path / "x.zip", {f"{n}.{'t' * 1000}": b"" for n in range(5_000)})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("large.png", bytes(50 << 20))
        file.writestr("liar.png", bytes(50 << 20))
    raw = bytearray(path.read_bytes())
    struct.pack_into("<I", raw, raw.rindex(b"PK\x01\x02") + 24, 100)
    path.write_bytes(raw)
    del raw
    tracemalloc.start()
    try:
        found = rows(path)
        assert tracemalloc.get_traced_memory()[1] < 3 << 20
    finally:
        tracemalloc.stop()
    assert [(row["uri"], row["size"], row["data"]) for row in found] == [
        ("large.png", 50 << 20, None),
        ("liar.png", 100, None),
    ]
    assert found[0]["fault"] is None
    assert str(found[1]["fault"]).startswith("bad_data: ")


def test_an_archive_of_more_than_65535_members(tmp_path: Path) -> None:
    files = {f"{n}.png": b"%d" % n for n in range(65_600)}
    path = packed(tmp_path / "x.zip", files, zipfile.ZIP_STORED)
    source = opened(path)
    assert source.total == 65_600
    waves = list(source.waves())
    assert waves[-1].files["data"][-1].as_py() == b"65599"


def zip64(path: Path, size: int, compressed: int, offset: int) -> Path:
    """Two members, of which the first has these numbers in its zip64 fields."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        first = zipfile.ZipInfo("0.png")
        first.extra = struct.pack("<HH3Q", 1, 24, size, compressed, offset)
        file.writestr(first, b"0")
        file.writestr("1.png", b"1")
    raw = bytearray(path.read_bytes())
    at = raw.index(b"PK\x01\x02")
    struct.pack_into("<LL", raw, at + 20, 0xFFFFFFFF, 0xFFFFFFFF)
    struct.pack_into("<L", raw, at + 42, 0xFFFFFFFF)
    path.write_bytes(raw)
    return path


def test_numbers_of_zip64_are_read(tmp_path: Path) -> None:
    found = rows(zip64(tmp_path / "x.zip", 1, 1, 0))
    assert [(row["data"], row["fault"]) for row in found] == [(b"0", None), (b"1", None)]


@pytest.mark.parametrize(
    ("size", "offset", "expected_size", "fault"),
    [
        (1, (1 << 64) - 1, 1, "bad_data"),
        (1, 1 << 63, 1, "bad_data"),
        (1, 10_000, 1, "bad_data"),
        ((1 << 64) - 1, 0, (1 << 63) - 1, None),
        (1 << 40, 0, 1 << 40, None),
    ],
)
def test_numbers_that_no_file_can_have_concern_one_member(
    tmp_path: Path, size: int, offset: int, expected_size: int, fault: str | None
) -> None:
    first, second = rows(zip64(tmp_path / "x.zip", size, 1, offset))
    assert (first["size"], first["data"]) == (expected_size, None)
    assert (first["fault"] and str(first["fault"]).split(":")[0]) == fault
    assert (second["data"], second["fault"]) == (b"1", None)


@pytest.mark.parametrize(
    ("place", "disk", "end64", "disks", "message"),
    [
        ("locator", 0, (1 << 64) - 1, 1, "directory's end, for large archives, is missing"),
        ("locator", 0, 5, 1, "directory's end, for large archives, is missing"),
        ("locator", 1, 0, 1, "split archive"),
        ("locator", 0, 0, 2, "split archive"),
        ("member", 1, 0, 1, "split archive"),
        ("size", 0, 0, 1, "not where its end says"),
        ("signature", 0, 0, 1, "other bytes where a member must be"),
    ],
)
def test_a_directory_that_contradicts_itself(
    tmp_path: Path, place: str, disk: int, end64: int, disks: int, message: str
) -> None:
    path = packed(tmp_path / "x.zip", {f"{n}.png": b"1" for n in range(3)})
    raw = bytearray(path.read_bytes())
    if place == "locator":
        end = raw.rindex(b"PK\x05\x06")
        raw[end:end] = struct.pack("<4sLQL", b"PK\x06\x07", disk, end64, disks)
    elif place == "member":
        struct.pack_into("<H", raw, raw.rindex(b"PK\x01\x02") + 34, disk)
    elif place == "size":
        struct.pack_into("<L", raw, len(raw) - 10, 1 << 20)
    else:
        raw[raw.rindex(b"PK\x01\x02") + 2] = 9
    path.write_bytes(raw)
    with pytest.raises(InputError, match=message):
        opened(path)


def test_a_name_in_utf8_beside_the_name_counts_when_it_was_made_for_it(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as file:
        for number, checksum in enumerate((zlib.crc32(b"0.png"), 17)):
            member = zipfile.ZipInfo(f"{number}.png")
            name = f"{number}猫.png".encode()
            member.extra = struct.pack("<HHBL", 0x7075, 5 + len(name), 1, checksum) + name
            file.writestr(member, b"")
    assert [row["uri"] for row in rows(path)] == ["0猫.png", "1.png"]
