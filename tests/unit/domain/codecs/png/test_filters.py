"""Row filters undone by libspng and by Pillow's decoder, called in two ways: the same pixels, the same faults."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from labelmill.domain.codecs.png import filters, spng
from labelmill.domain.codecs.png.codec import decode_png
from labelmill.errors import ImageError
from labelmill.testing.png.files import SAMPLES, every_kind, header, noise, png
from labelmill.testing.png.mutations import mutations

LIBSPNG_KINDS = [(8, 2), (8, 6), (16, 4)]
"""(depth, colour type) of 3 and 4 bytes a pixel."""

Choose = Callable[[str], None]


@pytest.fixture
def choose(monkeypatch: pytest.MonkeyPatch) -> Choose:
    """Leaves one way to undo filters: ``libspng`` (where it can), ``core`` or ``public``."""

    def only(way: str) -> None:
        monkeypatch.setattr(filters, "_SPNG_AS_EXPECTED", way == "libspng")
        monkeypatch.setattr(filters, "_CORE_AS_EXPECTED", way != "public")

    return only


def outcome(data: bytes) -> object:
    try:
        pixels = decode_png(data)
    except ImageError as error:
        return error.reason, str(error)
    assert not pixels.flags.writeable
    assert pixels.flags.c_contiguous
    return pixels.shape, pixels.dtype, pixels.tobytes()


def test_both_decoders_are_as_expected() -> None:
    # Where this fails after an upgrade, PNG still decodes, slower: see filters and spng.
    assert filters._SPNG_AS_EXPECTED
    assert filters._CORE_AS_EXPECTED


@pytest.mark.parametrize(("depth", "colour"), LIBSPNG_KINDS)
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (2, 3), (9, 7), (260, 131)])
def test_libspng_gives_what_pillow_gives(
    depth: int, colour: int, size: tuple[int, int], choose: Choose, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [noise(*size, depth, colour, seed) for seed in range(8)]
    choose("core")
    wanted = [outcome(data) for data in files]
    given = []
    whole = spng.unfilter

    def seen(blocks: Sequence[bytes], *kind: Any) -> object:
        given.append(whole(blocks, *kind))
        return given[-1]

    monkeypatch.setattr(spng, "unfilter", seen)
    choose("libspng")
    assert [outcome(data) for data in files] == wanted
    assert len(given) == len(files)
    assert all(pixels is not None for pixels in given)


def test_every_kind_comes_out_the_same_in_every_way(choose: Choose) -> None:
    files = every_kind() + every_kind(33, 5, seed=1)
    found = []
    for way in ("libspng", "core", "public"):
        choose(way)
        found.append([outcome(data) for data in files])
    assert found[0] == found[1] == found[2]


def test_damaged_files_are_refused_in_every_way(choose: Choose) -> None:
    files = [made.data for made in mutations(every_kind(), 1500, seed=8)]
    choose("core")
    wanted = [outcome(data) for data in files]
    choose("libspng")
    for data, pillow in zip(files, wanted, strict=True):
        found = outcome(data)
        # Of a file that is damaged twice libspng's way tells first that rows are missing, Pillow's what
        # is wrong with those before.
        twice = isinstance(found, tuple) and (found[0], pillow[0]) == ("truncated", "bad_data")  # type: ignore[index]
        assert found == pillow or twice, data


@pytest.mark.parametrize(("depth", "colour"), LIBSPNG_KINDS)
@pytest.mark.parametrize("row", [0, 2, 4])
def test_a_filter_that_does_not_exist_gives_the_same_error(
    depth: int, colour: int, row: int, choose: Choose
) -> None:
    rows = bytearray(5 * (1 + 3 * depth // 8 * SAMPLES[colour]))
    rows[row * len(rows) // 5] = 5
    data = png(header(3, 5, depth, colour), bytes(rows))
    choose("core")
    wanted = outcome(data)
    choose("libspng")
    assert outcome(data) == wanted
    assert isinstance(wanted, tuple)
    assert wanted[0] == "bad_data"


def test_what_is_no_business_of_libspng_never_gets_there(
    choose: Choose, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unexpected(*_: object) -> None:
        raise AssertionError("libspng was asked")

    choose("libspng")
    monkeypatch.setattr(spng, "unfilter", unexpected)
    with pytest.raises(AssertionError, match="was asked"):
        decode_png(noise(8, 8, 8, 2))
    monkeypatch.setattr(spng, "_LARGEST", 8 * 8 * 3 - 1)  # larger ones go through in blocks
    assert decode_png(noise(8, 8, 8, 2)).shape == (8, 8, 3)
    for depth, colour in ((8, 0), (8, 4), (16, 0), (16, 2), (16, 6)):
        assert decode_png(noise(4, 4, depth, colour)).shape == (4, 4, SAMPLES[colour])
    interlaced = bytes([0]) + bytes(3)
    assert decode_png(png(header(1, 1, 8, 2, 1), interlaced)).shape == (1, 1, 3)


def test_a_machine_without_libspng_decodes_all_the_same() -> None:
    data = noise(9, 7, 8, 2)
    text = (
        "import sys; sys.modules['pyspng'] = None\n"
        "from labelmill.domain.codecs.png import filters\n"
        "from labelmill.domain.codecs.png.codec import decode_png\n"
        "assert not filters._SPNG_AS_EXPECTED\n"
        "sys.stdout.buffer.write(decode_png(sys.stdin.buffer.read()).tobytes())"
    )
    answer = subprocess.run(
        [sys.executable, "-c", text], input=data, capture_output=True, check=True
    )
    assert answer.stdout == decode_png(data).tobytes()
