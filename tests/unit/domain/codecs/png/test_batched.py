"""Small pictures whose filters are undone together come out as each by itself."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from labelmill.domain.codecs import FilteredRows, decode_image, read_image, unfilter_all
from labelmill.domain.codecs.png import filters
from labelmill.domain.codecs.png.batched import SIDE
from labelmill.domain.codecs.png.chunks import SIGNATURE
from labelmill.domain.codecs.png.codec import decode_png, read_png
from labelmill.errors import ImageError
from labelmill.testing.png.files import SAMPLES, chunk, every_kind, header, noise, png
from labelmill.testing.png.mutations import mutations

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
COLOURS = [GREY, RGB, GREY_ALPHA, RGBA]


def outcome(data: bytes) -> object:
    try:
        return decode_png(data).tolist()
    except ImageError as error:
        return error.reason, str(error)


@pytest.mark.parametrize("libspng", [True, False])
@pytest.mark.parametrize("size", [(1, 1), (1, 32), (32, 1), (28, 28), (32, 32)])
@pytest.mark.parametrize("colour", COLOURS)
def test_pictures_of_one_size_come_out_as_each_by_itself(
    colour: int, size: tuple[int, int], libspng: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filters, "_SPNG_AS_EXPECTED", libspng)
    # More than one call takes; every filter also in the first row, which has none above it.
    files = [noise(*size, 8, colour, seed) for seed in range(200)]
    waiting = [read_png(data) for data in files]
    assert all(isinstance(one, FilteredRows) for one in waiting)
    found = unfilter_all(waiting)
    for one, pixels, data in zip(waiting, found, files, strict=True):
        assert pixels.shape == one.shape
        assert not pixels.flags.writeable
        assert pixels.flags.c_contiguous
        np.testing.assert_array_equal(pixels, decode_png(data))


def test_pictures_of_all_kinds_keep_their_order() -> None:
    files = [*every_kind(), *every_kind(33, 5, seed=1)]
    files += [noise(3 + n % 4, 5, 8, COLOURS[n % 4], n) for n in range(40)]
    files += [noise(1 + n, 1 + n // 2, 8, COLOURS[n % 4], n) for n in range(32)]  # one of each size
    np.random.default_rng(1).shuffle(files)  # type: ignore[arg-type]
    for pixels, data in zip(unfilter_all([read_png(data) for data in files]), files, strict=True):
        alone = decode_png(data)
        assert pixels.dtype == alone.dtype
        np.testing.assert_array_equal(pixels, alone)
    assert unfilter_all([]) == []


def test_only_small_pictures_of_whole_bytes_wait() -> None:
    def waits(*kind: int) -> bool:
        return isinstance(read_png(noise(*kind)), FilteredRows)

    assert waits(SIDE, SIDE, 8, RGBA)
    assert not waits(SIDE + 1, 1, 8, GREY)
    assert not waits(1, SIDE + 1, 8, GREY)
    assert not waits(9, 9, 16, GREY)
    interlaced = png(header(1, 1, 8, GREY, 1), b"\0\7")
    assert not isinstance(read_png(interlaced), FilteredRows)
    for data in every_kind():
        pixels = decode_image(data, name="a.png")
        if isinstance(one := read_image(data), FilteredRows):
            assert (one.shape, one.dtype) == (pixels.shape, pixels.dtype)


def test_what_waits_is_free_of_faults_and_damage_is_reported_at_once() -> None:
    files = [data for data in every_kind() if isinstance(read_png(data), FilteredRows)]
    assert len(files) == len(COLOURS)
    refused = 0
    for made in mutations(files, 1500, seed=3):
        wanted = outcome(made.data)
        try:
            one = read_png(made.data)
        except ImageError as error:
            assert (error.reason, str(error)) == wanted  # noqa: PT017
            refused += 1
        else:
            assert unfilter_all([one])[0].tolist() == wanted
    assert 300 < refused < 1400


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("row", [0, 4])
def test_a_filter_that_does_not_exist_harms_no_other_picture(colour: int, row: int) -> None:
    length = 1 + 3 * SAMPLES[colour]
    rows = bytearray(5 * length)
    rows[row * length] = 5
    with pytest.raises(ImageError) as raised:
        read_png(png(header(3, 5, 8, colour), bytes(rows)))
    assert raised.value.reason == "bad_data"


def test_a_picture_that_inflates_to_more_than_it_promises_is_judged_as_before() -> None:
    data = png(header(4, 4, 8, GREY), bytes(20) + b"more" * 100_000)
    one = read_png(data)
    assert not isinstance(one, FilteredRows)
    np.testing.assert_array_equal(one, np.zeros((4, 4, 1), np.uint8))


def small(data: bytes, ihdr: bytes = header(4, 4, 8, GREY)) -> bytes:
    return SIGNATURE + ihdr + chunk(b"IDAT", data) + chunk(b"IEND")


@pytest.mark.parametrize("missing", [1, 2, 3, 4])
def test_whole_rows_whose_checksum_is_cut_off_are_truncated(missing: int) -> None:
    with pytest.raises(ImageError) as raised:
        read_png(small(zlib.compress(bytes(20))[:-missing]))
    assert raised.value.reason == "truncated"


def test_whole_rows_with_a_wrong_checksum_of_the_stream_are_damaged() -> None:
    with pytest.raises(ImageError) as raised:
        read_png(small(zlib.compress(bytes(20))[:-4] + b"\0\0\0\0"))
    assert raised.value.reason == "bad_data"


@pytest.mark.parametrize(("at", "reason"), [(29, "bad_header"), (-16, "bad_data")])
def test_a_sound_file_with_one_wrong_chunk_checksum_is_refused(at: int, reason: str) -> None:
    data = bytearray(small(zlib.compress(bytes(20))))
    data[at] ^= 1
    with pytest.raises(ImageError, match="checksum of chunk") as raised:
        read_png(bytes(data))
    assert raised.value.reason == reason


def test_damage_beyond_the_rows_gives_the_same_message() -> None:
    # Surplus bytes, then a block that is none: what zlib itself says at once.
    stream = b"\x78\x01"
    for size in (300 * 201, 6000):
        stream += struct.pack("<BHH", 0, size, size ^ 0xFFFF) + bytes(size)
    data = small(stream + b"\7abcdefgh", header(200, 300, 8, GREY))
    with pytest.raises(ImageError, match="nvalid") as raised:
        decode_png(data)
    assert raised.value.reason == "bad_data"
