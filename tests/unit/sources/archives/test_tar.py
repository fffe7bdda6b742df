"""Tar archives: the members that `tarfile` finds, in bounded memory, and clear errors."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from labelmill.domain.codecs import IMAGE_ENDINGS, decode_image
from labelmill.errors import InputError
from labelmill.sources import base
from labelmill.sources.archives import source as archive_source
from labelmill.sources.archives import tar
from labelmill.sources.archives.source import ArchiveSource, pixel_bytes
from labelmill.sources.base import SourceOptions
from labelmill.sources.decompress import ByteStream, Damaged

FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
PACKERS = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}

_SPARSE = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "s.png"}
_PARTS = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12),
    st.binary(min_size=1, max_size=6)
    .filter(lambda raw: b"\0" not in raw)
    .map(lambda raw: raw.decode("utf-8", "surrogateescape")),
    st.sampled_from(["..", ".", "", "a" * 99, "b" * 150, "\N{PILE OF POO}" * 40, "train", "x\\y"]),
)
_NAMES = st.lists(_PARTS, min_size=1, max_size=4).map("/".join).filter(bool)
_KINDS = st.sampled_from(
    [tarfile.REGTYPE] * 6
    + [tarfile.AREGTYPE, tarfile.CONTTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE]
    + [tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.GNUTYPE_SPARSE, b"Z"]
)
_MEMBERS = st.lists(st.tuples(_NAMES, _KINDS, st.integers(0, 1100), st.booleans()), max_size=8)


def add(file: tarfile.TarFile, name: str, data: bytes, **attributes: object) -> None:
    """Adds a member with these bytes."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    for key, value in attributes.items():
        setattr(member, key, value)
    file.addfile(member, io.BytesIO(data))


def packed(path: Path, files: dict[str, bytes], format: int = tarfile.PAX_FORMAT) -> str:
    """An archive of these files; packed as its name says."""
    with tarfile.open(path, f"w:{path.suffix[1:].replace('tar', '')}", format=format) as file:
        for name, data in files.items():
            add(file, name, data)
    return str(path)


def rows(source: str, limit: int | None = None) -> list[dict[str, object]]:
    """All rows of an archive."""
    opened = ArchiveSource(SourceOptions(source, limit), IMAGE_ENDINGS)
    return [row for wave in opened.waves() for row in wave.files.to_pylist()]


def found(path: Path) -> tuple[list[tuple[str, bytes | None]], Counter[str]]:
    """What our reader finds."""
    skipped: Counter[str] = Counter()
    with ByteStream(str(path)) as stream:
        members = tar.members(stream, lambda name: name, skipped, 1 << 20)
        return [(name, data) for name, _, data in members], skipped


@settings(deadline=None)
@given(_MEMBERS, st.sampled_from(FORMATS), st.sampled_from(sorted(PACKERS)), st.booleans())
def test_the_members_are_those_of_tarfile(
    tmp_path_factory: pytest.TempPathFactory,
    members: list[tuple[str, bytes, int, bool]],
    format: int,
    packer: str,
    comment: bool,
) -> None:
    plain = io.BytesIO()
    pax = {"comment": "of all", "path": "of/all.png"} if comment else {}
    with tarfile.open(None, "w", plain, format=format, pax_headers=pax) as file:
        for number, (name, kind, size, more) in enumerate(members):
            data = bytes((number + i) % 251 for i in range(size))
            extended = {"mtime": "1.5"} if more else {}
            if more and size > 600 and kind in tarfile.REGULAR_TYPES:
                data, extended = b"0\n".ljust(512, b"\0"), _SPARSE
            if kind == tarfile.GNUTYPE_SPARSE and format != tarfile.GNU_FORMAT:
                continue
            if kind == tarfile.AREGTYPE:
                # Of a long name tarfile looks at the first 100 bytes to tell a folder by its "/".
                name = f"{number}.png"
            with_data = kind in (*tarfile.REGULAR_TYPES, b"Z")
            try:
                add(file, name, data if with_data else b"", type=kind, pax_headers=extended)
            except ValueError:  # a name that USTAR has no room for
                continue
        assume(file.members)
    path = tmp_path_factory.mktemp("tar") / "x.tar"
    path.write_bytes(PACKERS[packer](plain.getvalue()))

    expected, sparse, others = [], 0, 0
    with tarfile.open(path, "r:*") as file:
        for member in file:
            if (
                any(key.startswith("GNU.sparse.m") for key in member.pax_headers)
                or member.type == tarfile.GNUTYPE_SPARSE
            ):
                sparse += 1
            elif member.isfile():
                opened = file.extractfile(member)
                assert opened is not None
                expected.append((member.name.rstrip("/"), opened.read()))
            elif not member.isdir():
                others += 1
    members_found, skipped = found(path)
    assert [(name.rstrip("/"), data) for name, data in members_found] == expected
    assert skipped == +Counter({tar.SPARSE: sparse, tar.NOT_A_FILE: others})


@settings(deadline=None)
@given(st.data())
def test_a_damaged_archive_is_an_error_and_never_other_members(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    files = {f"{n}/{'x' * 9 * n}.png": bytes([n]) * 300 * n for n in range(1, 9)}
    path = tmp_path_factory.mktemp("tar") / f"x.tar{data.draw(st.sampled_from(sorted(PACKERS)))}"
    packed(path, files, data.draw(st.sampled_from(FORMATS)))
    raw = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        del raw[data.draw(st.integers(0, len(raw) - 1)) :]
    else:
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(raw)
    skipped: Counter[str] = Counter()
    number = 0
    try:
        with ByteStream(str(path)) as stream:
            for name, size, bytes_ in tar.members(stream, lambda name: name, skipped, 1 << 20):
                assert bytes_ is not None
                assert len(bytes_) == size
                number += 1
                # A bit of the bytes themselves is for the image's decoder to find.
                assert name not in files or len(files[name]) == size
    except Damaged:
        return
    assert number == len(files) or skipped


@pytest.mark.parametrize("packer", sorted(PACKERS))
def test_a_cut_archive_gives_what_is_before_the_cut(tmp_path: Path, packer: str) -> None:
    path = tmp_path / f"x.tar{packer}"
    noise = [bytes((i * i * (n + 3)) >> 4 & 255 for i in range(4000)) for n in range(9)]
    packed(path, {f"{n}.png": data for n, data in enumerate(noise)})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    waves = ArchiveSource(SourceOptions(str(path)), IMAGE_ENDINGS).waves()
    there: list[bytes] = []
    with pytest.raises(InputError, match=r"x\.tar.* is damaged after \d+ images.*cut off"):
        there.extend(data for wave in waves for data in wave.files["data"].to_pylist())
    assert there == noise[: len(there)]
    assert there or packer == ".bz2"  # which packs in blocks of 900 kB


def test_a_checksum_that_is_not_right_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    packed(path, {f"{n}.png": bytes(1 << 19) for n in range(8)})
    raw = bytearray(path.read_bytes())
    raw[-5] ^= 1
    path.write_bytes(raw)
    with pytest.raises(InputError, match=r"damaged after [4-8] images.*check"):
        rows(str(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no mark"),
        (b"not an archive at all" * 100, "it is not a tar archive"),
        (bytes(10240), ""),
    ],
)
def test_files_that_are_not_archives(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(content)
    opened = ArchiveSource(SourceOptions(str(path)), IMAGE_ENDINGS)
    if message.startswith("it"):
        with pytest.raises(InputError, match=message):
            list(opened.waves())
    else:
        assert list(opened.waves()) == []
        assert message in " ".join(opened.skipped)


def test_there_must_be_an_archive(tmp_path: Path) -> None:
    for source in (tmp_path / "none.tar", tmp_path):
        with pytest.raises(InputError, match="cannot read"):
            ArchiveSource(SourceOptions(str(source)), IMAGE_ENDINGS)


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as file:
        for name in ("./train/5/1.png", "/abs/2.PNG", "../../3.pgm", "a\\4.ppm", "5.png", "5.png"):
            add(file, name, name.encode())
        for name in ("x.txt", "README", "._1.png", "__MACOSX/._1.png", ".git/1.png", ".DS_Store"):
            add(file, name, b"?")
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            add(file, "l.png", b"", type=kind, linkname="/etc/passwd")
        add(file, "n" * 9000 + ".png", b"?")
        add(file, "\udcff.png", b"latin")
    opened = ArchiveSource(SourceOptions(str(path)), IMAGE_ENDINGS)
    [wave] = opened.waves()
    assert wave.files["uri"].to_pylist() == [
        "train/5/1.png",
        "abs/2.PNG",
        "../../3.pgm",
        "a\\4.ppm",
        "5.png",
        "5.png",
        "\\udcff.png",
    ]
    assert wave.files["data"][4].as_py() == b"5.png"
    assert opened.skipped == {
        "not named like an image: .txt": 1,
        "not named like an image: no ending": 1,
        "hidden": 4,
        tar.NOT_A_FILE: 4,
        "name above 8,192 bytes": 1,
    }
    assert sorted(tmp_path.iterdir()) == [path]


def test_the_number_of_reasons_is_bounded(tmp_path: Path) -> None:
    path = packed(tmp_path / "x.tar", {f"a.{'e' * (n % 90)}{n}": b"" for n in range(1000)})
    opened = ArchiveSource(SourceOptions(path), IMAGE_ENDINGS)
    assert list(opened.waves()) == []
    assert sum(opened.skipped.values()) == 1000
    assert len(opened.skipped) < 110


def test_the_limit_is_kept_and_nothing_after_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    packed(path, {f"{n}.png": b"x" * 2000 for n in range(5)})
    path.write_bytes(path.read_bytes()[:8192])
    assert [row["uri"] for row in rows(str(path), 2)] == ["0.png", "1.png"]


def test_a_second_archive_behind_the_first_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(Path(packed(path, {"1.png": b"1"})).read_bytes() * 2)
    opened = ArchiveSource(SourceOptions(str(path)), IMAGE_ENDINGS)
    assert [wave.count for wave in opened.waves()] == [1]
    assert opened.skipped == {tar.AFTER_END: 1}


def test_packed_parts_one_after_another_are_one_archive(tmp_path: Path) -> None:
    plain = Path(
        packed(tmp_path / "x.tar", {f"{n}.png": bytes([n]) for n in range(9)})
    ).read_bytes()
    for packer in (".gz", ".bz2", ".xz"):
        path = tmp_path / f"x.tar{packer}"
        pack = PACKERS[packer]
        path.write_bytes(pack(plain[:1000]) + pack(plain[1000:5000]) + pack(plain[5000:]))
        assert [row["data"] for row in rows(str(path))] == [bytes([n]) for n in range(9)]


def test_what_a_wave_carries_fits_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "WAVE_BYTES", 64)
    monkeypatch.setattr(archive_source, "ARCHIVED_FILE_CAP", 96)
    sizes = [10, 40, 10, 70, 60, 5, 97, 500, 64, 1]
    path = packed(tmp_path / "x.tar", {f"{n}.png": b"x" * size for n, size in enumerate(sizes)})
    waves = list(ArchiveSource(SourceOptions(path), IMAGE_ENDINGS).waves())
    cut = [wave.files["size"].to_pylist() for wave in waves]
    assert cut == [[10, 40], [10], [70], [60], [5, 97, 500], [64], [1]]
    assert [wave.bytes for wave in waves] == [50, 10, 70, 60, 5, 64, 1]
    assert waves[4].files["data"].to_pylist() == [b"x" * 5, None, None]


def test_the_caps_leave_room_in_a_message_of_spark() -> None:
    default = 128 << 20  # spark.rpc.message.maxSize
    assert max(base.WAVE_BYTES, base.ARCHIVED_FILE_CAP) <= 0.8 * default


def test_memory_is_bounded_whatever_is_in_the_archive(tmp_path: Path) -> None:
    large = 10 << 30
    path = tmp_path / "x.tar"
    with open(path, "wb") as file:
        member = tarfile.TarInfo("large.png")
        member.size = large
        file.write(member.tobuf(tarfile.GNU_FORMAT))
        file.seek(large, 1)  # a hole: there is no such file on disk
        for name, kind in (("x", tarfile.XHDTYPE), ("L", tarfile.GNUTYPE_LONGNAME)):
            member = tarfile.TarInfo(name)
            member.type, member.size = kind, 1 << 30
            file.write(member.tobuf(tarfile.USTAR_FORMAT))
            file.seek(1 << 30, 1)
            file.write(tarfile.TarInfo("after.png").tobuf(tarfile.USTAR_FORMAT))
        file.write(tarfile.TarInfo("last.png").tobuf(tarfile.USTAR_FORMAT))
        file.write(bytes(1024))
    bomb = tmp_path / "bomb.tar.gz"
    with gzip.open(bomb, "wb", 1) as packing:
        for name, size in (("bomb.png", 200 << 20), ("bomb.txt", 200 << 20), ("last.png", 0)):
            member = tarfile.TarInfo(name)
            member.size = size
            packing.write(member.tobuf())
            for _ in range(size >> 20):
                packing.write(bytes(1 << 20))
        packing.write(bytes(1024))
    tracemalloc.start()
    try:
        opened = ArchiveSource(SourceOptions(str(path)), IMAGE_ENDINGS)
        [wave] = opened.waves()
        assert wave.files.select(["uri", "size", "data"]).to_pylist() == [
            {"uri": "large.png", "size": large, "data": None},
            {"uri": "last.png", "size": 0, "data": b""},
        ]
        assert opened.skipped == {tar.LARGE_HEADER: 2}
        assert [row["uri"] for row in rows(str(bomb))] == ["bomb.png", "last.png"]
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_headers_of_gnu_and_of_old_archivers(tmp_path: Path) -> None:
    def header(name: bytes, size: int, magic: bytes, prefix: bytes, signed: bool) -> bytes:
        member = tarfile.TarInfo("x")
        member.size = size
        raw = bytearray(member.tobuf(tarfile.USTAR_FORMAT))
        raw[:100], raw[257:265] = name.ljust(100, b"\0"), magic
        raw[345 : 345 + len(prefix)] = prefix
        raw[148:156] = b" " * 8
        total = sum(raw) - 256 * signed * sum(byte > 127 for byte in raw)
        raw[148:156] = b"%06o\0 " % total
        return bytes(raw) + b"1".ljust(512, b"\0")

    path = tmp_path / "x.tar"
    path.write_bytes(
        header(b"gnu.png", 1, b"ustar  \0", b"14000000000\0", False)
        + header(b"posix.png", 1, b"ustar\x0000", b"folder\0", False)
        + header(b"old.png", 1, bytes(8), b"", False)
        + header(b"\xfft.png", 1, bytes(8), b"", True)
        + bytes(1024)
    )
    names = ["gnu.png", "folder/posix.png", "old.png", "\\udcfft.png"]
    assert [row["uri"] for row in rows(str(path))] == names


def test_every_member_of_a_real_archive(data: Path) -> None:
    path = data / "mnist" / "mnist_png.tar.gz"
    opened = ArchiveSource(SourceOptions(str(path), 3000), IMAGE_ENDINGS)
    ours = [row for wave in opened.waves() for row in wave.files.to_pylist()]
    number = 0
    with tarfile.open(path, "r|*") as file:
        for member in file:
            if not member.isfile():
                continue
            opened_member = file.extractfile(member)
            assert opened_member is not None
            assert ours[number]["uri"] == member.name
            assert ours[number]["data"] == opened_member.read()
            number += 1
            if number == len(ours):
                break
    assert number == 3000
    for row in ours[:200]:
        assert decode_image(row["data"], name=row["uri"]).shape == (28, 28, 1)


def test_pixels_are_estimated_from_the_header() -> None:
    def header(width: int, height: int, depth: int, colour: int) -> bytes:
        fields = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
        return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + fields

    assert pixel_bytes(header(28, 30, 8, 0), 500) == 28 * 30
    assert pixel_bytes(header(28, 30, 16, 6), 5000) == 28 * 30 * 8
    assert pixel_bytes(header(28, 30, 1, 3), 500) == 28 * 30 * 3
    assert pixel_bytes(header(1 << 31, 1 << 31, 16, 6), 100) < 1 << 20
    assert pixel_bytes(b"P5 2 2 255 ....", 15) == 15
    assert pixel_bytes(b"", 0) == 0
