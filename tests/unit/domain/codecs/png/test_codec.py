"""PNG decoding: every input gives an array or an ImageError with a reason."""

from __future__ import annotations

import io
import struct
import tracemalloc
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from labelmill.domain.codecs.pixels import Pixels
from labelmill.domain.codecs.png.codec import decode_png, encode_png
from labelmill.errors import ImageError, InputError
from labelmill.testing.png.files import SIGNATURE, chunk, header, png

ZEROS = zlib.compress(bytes(50_000_000), 1)
GREY_2X2 = png(header(2, 2), b"\0\1\2\0\3\4")
# 9 pixels in 3 bits … each: a small valid file of every kind is made by Pillow below.


def pillow_file(mode: str, **options: object) -> bytes:
    """A 7×5 file by Pillow: an encoder that is not ours."""
    random = np.random.default_rng(3)
    if mode == "I;16":
        image = Image.fromarray(random.integers(0, 65536, (5, 7), np.uint16))
    else:
        noise = random.integers(0, 256, (5, 7, 4), np.uint8)
        image = Image.fromarray(noise, "RGBA").convert(mode)
    out = io.BytesIO()
    image.save(out, "PNG", **options)
    return out.getvalue()


@pytest.mark.parametrize(
    ("mode", "channels", "dtype"),
    [
        ("1", 1, "u1"),
        ("L", 1, "u1"),
        ("LA", 2, "u1"),
        ("RGB", 3, "u1"),
        ("RGBA", 4, "u1"),
        ("I;16", 1, "u2"),
    ],
)
def test_pixels_are_those_that_pillow_reads(mode: str, channels: int, dtype: str) -> None:
    data = pillow_file(mode)
    image = Image.open(io.BytesIO(data))
    expected = np.asarray(image.convert("L") if mode == "1" else image).reshape(5, 7, channels)
    pixels = decode_png(data)
    assert pixels.shape == (5, 7, channels)
    assert pixels.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(pixels, expected)


def test_palette_becomes_its_colours_with_alpha_where_given() -> None:
    palette = chunk(b"PLTE", bytes([10, 20, 30, 40, 50, 60]))
    rows = b"\0\0\1\0\1\0"
    plain = decode_png(png(header(2, 2, 8, 3), rows, palette))
    np.testing.assert_array_equal(
        plain, [[[10, 20, 30], [40, 50, 60]], [[40, 50, 60], [10, 20, 30]]]
    )
    clear = decode_png(png(header(2, 2, 8, 3), rows, palette, chunk(b"tRNS", b"\7")))
    np.testing.assert_array_equal(clear[0], [[10, 20, 30, 7], [40, 50, 60, 255]])


def test_a_number_beyond_the_palette_is_black_as_in_libpng() -> None:
    pixels = decode_png(png(header(1, 1, 8, 3), b"\0\5", chunk(b"PLTE", bytes(range(1, 7)))))
    np.testing.assert_array_equal(pixels, [[[0, 0, 0]]])


@pytest.mark.parametrize(("depth", "factor"), [(1, 255), (2, 85), (4, 17)])
def test_few_bits_are_spread_over_the_range(depth: int, factor: int) -> None:
    values = list(range(1 << depth))[:2]
    packed = values[0] << (8 - depth) | values[1] << (8 - 2 * depth)
    pixels = decode_png(png(header(2, 1, depth), bytes([0, packed])))
    np.testing.assert_array_equal(pixels[0, :, 0], [v * factor for v in values])


def test_the_transparent_grey_gets_alpha_zero() -> None:
    # sample 2 of 4 bits is transparent; bits above the depth do not count
    data = png(header(2, 1, 4), bytes([0, 0x23]), chunk(b"tRNS", struct.pack(">H", 0xFF02)))
    np.testing.assert_array_equal(decode_png(data)[0], [[34, 0], [51, 255]])
    data = png(
        header(2, 1, 16), struct.pack(">BHH", 0, 700, 701), chunk(b"tRNS", struct.pack(">H", 700))
    )
    np.testing.assert_array_equal(decode_png(data)[0], [[700, 0], [701, 65535]])


def test_the_transparent_colour_gets_alpha_zero_when_all_samples_match() -> None:
    rows = b"\0" + bytes([1, 2, 3, 1, 2, 4])
    data = png(header(2, 1, 8, 2), rows, chunk(b"tRNS", struct.pack(">HHH", 1, 2, 3)))
    np.testing.assert_array_equal(decode_png(data)[0], [[1, 2, 3, 0], [1, 2, 4, 255]])


@pytest.mark.parametrize(("colour", "channels"), [(0, 1), (4, 2), (2, 3), (6, 4)])
def test_sixteen_bits_are_exact_under_every_filter(colour: int, channels: int) -> None:
    random = np.random.default_rng(1)
    expected = random.integers(0, 65536, (1, 9, channels), np.uint16)
    raw = expected.astype(">u2").tobytes()
    step = 2 * channels
    left = bytes(step) + raw[:-step]
    subtracted = bytes((a - b) & 255 for a, b in zip(raw, left, strict=True))
    for rows in (b"\0" + raw, b"\1" + subtracted):
        np.testing.assert_array_equal(decode_png(png(header(9, 1, 16, colour), rows)), expected)


REFUSED = {
    "nothing": (b"", "not_png"),
    "text named .png": (b"just some text\n", "not_png"),
    "a JPEG": (b"\xff\xd8\xff\xe0" + bytes(40), "not_png"),
    "half a signature": (SIGNATURE[:5], "truncated"),
    "signature only": (SIGNATURE, "truncated"),
    "cut in the header": (GREY_2X2[:20], "truncated"),
    "cut in the data": (GREY_2X2[:45], "truncated"),
    "no IEND": (GREY_2X2[:-12], "truncated"),
    "half an IEND": (GREY_2X2[:-3], "truncated"),
    "no IDAT": (SIGNATURE + header(2, 2) + chunk(b"IEND"), "truncated"),
    "too few rows": (png(header(2, 2), b"\0\1\2"), "truncated"),
    "too few rows for memory": (png(header(8000, 8000), b"\0\1\2"), "truncated"),
    "20,000 × 20,000": (png(header(20_000, 20_000), bytes(100)), "too_many_pixels"),
    "largest header": (png(header(2**31 - 1, 2**31 - 1), bytes(100)), "too_many_pixels"),
    "no width": (png(header(0, 2), b""), "bad_header"),
    "no height": (png(header(2, 0), b""), "bad_header"),
    "colour type 5": (png(header(2, 2, 8, 5), bytes(6)), "bad_header"),
    "3 bits": (png(header(2, 2, 3), bytes(6)), "bad_header"),
    "interlace 2": (png(header(2, 2, interlace=2), bytes(6)), "bad_header"),
    "header checksum": (SIGNATURE + chunk(b"IHDR", bytes(13), crc=1) + bytes(40), "bad_header"),
    "first chunk not IHDR": (SIGNATURE + chunk(b"tEXt", bytes(13)) + GREY_2X2[8:], "bad_header"),
    "second header": (png(header(2, 2), bytes(6), header(2, 2)), "bad_data"),
    "data checksum": (
        SIGNATURE + header(2, 2) + chunk(b"IDAT", b"123456789", crc=7) + chunk(b"IEND"),
        "bad_data",
    ),
    "IEND checksum": (png(header(2, 2), bytes(6), end=chunk(b"IEND", crc=1)), "bad_data"),
    "not zlib": (
        SIGNATURE + header(2, 2) + chunk(b"IDAT", b"123456789") + chunk(b"IEND"),
        "bad_data",
    ),
    "filter 9": (png(header(2, 2), b"\x09\1\2\0\3\4"), "bad_data"),
    "palette without PLTE": (png(header(2, 2, 8, 3), bytes(6)), "bad_data"),
    "PLTE of 4 bytes": (png(header(2, 2, 8, 3), bytes(6), chunk(b"PLTE", b"1234")), "bad_data"),
    "PLTE checksum": (
        png(header(2, 2, 8, 3), bytes(6), chunk(b"PLTE", bytes(3), crc=5)),
        "bad_data",
    ),
    "two PLTE": (png(header(2, 2, 8, 3), bytes(6), 2 * chunk(b"PLTE", bytes(3))), "bad_data"),
    "unknown critical chunk": (png(header(2, 2), bytes(6), chunk(b"HUGE", b"x")), "bad_data"),
    "no chunk type": (png(header(2, 2), bytes(6), chunk(b"\0\1\2\3", b"x")), "bad_data"),
    "chunk longer than the file": (
        SIGNATURE + header(2, 2) + b"\xff\xff\xff\xfftEXt" + bytes(9),
        "truncated",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_a_reason(name: str) -> None:
    data, reason = REFUSED[name]
    with pytest.raises(ImageError) as caught:
        decode_png(data)
    assert caught.value.reason == reason, str(caught.value)
    assert len(str(caught.value)) > 10


PLTE = chunk(b"PLTE", bytes([10, 20, 30, 40, 50, 60]))
LEFT_OUT = {
    # Chunks that libpng leaves out: the pictures are there all the same.
    "PLTE of 3 colours for 1 bit": (
        png(header(2, 2, 1, 3), bytes(4), chunk(b"PLTE", bytes(range(9)))),
        (2, 2, 3),
    ),
    "PLTE in grey": (png(header(2, 2), bytes(6), chunk(b"PLTE", bytes(3))), (2, 2, 1)),
    "PLTE in RGB, damaged": (png(header(1, 1, 8, 2), bytes(4), chunk(b"PLTE", b"1", crc=5)), (1, 1, 3)),
    "tRNS of 1 byte": (png(header(2, 2), bytes(6), chunk(b"tRNS", b"1")), (2, 2, 1)),
    "tRNS with alpha": (png(header(1, 1, 8, 6), bytes(5), chunk(b"tRNS", bytes(6))), (1, 1, 4)),
    "tRNS checksum": (png(header(2, 2), bytes(6), chunk(b"tRNS", b"\0\1", crc=5)), (2, 2, 1)),
    "tRNS before PLTE": (png(header(2, 2, 8, 3), bytes(6), chunk(b"tRNS", b"\0") + PLTE), (2, 2, 3)),
    "tRNS longer than PLTE": (png(header(2, 2, 8, 3), bytes(6), PLTE + chunk(b"tRNS", bytes(3))), (2, 2, 3)),
    "tRNS after the data": (
        png(header(2, 2, 8, 3), bytes(6), PLTE)[:-12] + chunk(b"tRNS", b"\0") + chunk(b"IEND"),
        (2, 2, 3),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_changes_no_pixel_costs_no_picture(name: str) -> None:
    data, shape = LEFT_OUT[name]
    pixels = decode_png(data)
    assert pixels.shape == shape
    expected = [10, 20, 30] if PLTE in data else [0] * shape[2]
    if name == "PLTE of 3 colours for 1 bit":
        expected = [0, 1, 2]
    assert pixels[0, 0].tolist() == expected


def test_wrong_adler_sum_is_damage() -> None:
    packed = bytearray(zlib.compress(b"\0\1\2\0\3\4"))
    packed[-1] ^= 1
    data = SIGNATURE + header(2, 2) + chunk(b"IDAT", bytes(packed)) + chunk(b"IEND")
    with pytest.raises(ImageError, match="damaged"):
        decode_png(data)


def test_a_huge_header_takes_no_memory() -> None:
    data = png(header(20_000, 20_000), bytes(100))
    tracemalloc.start()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(
            ImageError, match=r"20000×20000 is 400,000,000 pixels.*cap of 64,000,000"
        ):
            decode_png(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


def test_the_cap_counts_pixels_and_can_be_set() -> None:
    assert decode_png(GREY_2X2, pixel_cap=4).shape == (2, 2, 1)
    with pytest.raises(ImageError) as caught:
        decode_png(GREY_2X2, pixel_cap=3)
    assert caught.value.reason == "too_many_pixels"


def test_pillows_bomb_limit_does_not_stand_before_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1)
    assert decode_png(GREY_2X2).shape == (2, 2, 1)


@pytest.mark.parametrize(
    "ancillary",
    [
        chunk(b"zTXt", b"bomb\0\0" + ZEROS),
        chunk(b"iTXt", b"bomb\0\1\0\0\0" + ZEROS),
        chunk(b"iCCP", b"broken profile"),
        chunk(b"tEXt", b"wrong checksum", crc=3),
        chunk(b"acTL", b"not an animation"),
        chunk(b"gAMA"),
    ],
    ids=["zTXt bomb", "iTXt bomb", "iCCP", "tEXt", "acTL", "gAMA"],
)
def test_ancillary_chunks_are_not_read(ancillary: bytes) -> None:
    tracemalloc.start()
    pixels = decode_png(png(header(2, 2), b"\0\1\2\0\3\4", ancillary))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_array_equal(pixels[:, :, 0], [[1, 2], [3, 4]])
    assert peak < 1 << 20


def test_image_data_in_many_chunks_and_bytes_after_the_end() -> None:
    packed = zlib.compress(b"\0\1\2\0\3\4")
    parts = b"".join(chunk(b"IDAT", packed[i : i + 1]) for i in range(len(packed)))
    data = SIGNATURE + header(2, 2) + chunk(b"IDAT") + parts + chunk(b"IEND") + b"trailing"
    np.testing.assert_array_equal(decode_png(data)[:, :, 0], [[1, 2], [3, 4]])
    split = (
        SIGNATURE
        + header(2, 2)
        + chunk(b"IDAT", packed[:4])
        + chunk(b"tEXt")
        + chunk(b"IDAT", packed[4:])
    )
    with pytest.raises(ImageError, match="follow each other"):
        decode_png(split + chunk(b"IEND"))


pixel_arrays = st.sampled_from([np.uint8, np.uint16]).flatmap(
    lambda dtype: arrays.arrays(
        dtype, st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4))
    )
)


@given(pixel_arrays)
def test_encoding_and_decoding_gives_the_same_array(pixels: Pixels) -> None:
    back = decode_png(encode_png(pixels))
    assert back.dtype == pixels.dtype
    np.testing.assert_array_equal(back, pixels)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_pillow_reads_what_we_encode(channels: int) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (70, 65, channels), np.uint8)
    image = Image.open(io.BytesIO(encode_png(pixels)))
    np.testing.assert_array_equal(np.asarray(image).reshape(pixels.shape), pixels)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((2, 2), np.uint8),
        np.zeros((2, 2, 5), np.uint8),
        np.zeros((2, 2, 1), np.float32),
        np.zeros((0, 2, 1), np.uint8),
    ],
)
def test_other_arrays_are_not_encoded(pixels: Pixels) -> None:
    with pytest.raises(InputError, match="expected pixels of"):
        encode_png(pixels)


REASONS = {"not_png", "truncated", "bad_header", "too_many_pixels", "bad_data"}


def array_or_reason(data: bytes) -> None:
    try:
        pixels = decode_png(data, pixel_cap=100_000)
    except ImageError as error:
        refused = error
    else:
        assert pixels.ndim == 3
        assert 1 <= pixels.shape[2] <= 4
        assert pixels.dtype in (np.uint8, np.uint16)
        return
    assert refused.reason in REASONS


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes(data: bytes, signed: bool) -> None:
    array_or_reason(SIGNATURE + data if signed else data)


VALID = [
    GREY_2X2,
    *(pillow_file(mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
    pillow_file("P", transparency=3),
    pillow_file("RGB", transparency=(1, 2, 3)),
]


@settings(max_examples=400)
@given(st.sampled_from(VALID), st.data())
def test_damaged_files(valid: bytes, data: st.DataObject) -> None:
    damaged = bytearray(valid)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(8, len(valid) - 1))] = data.draw(st.integers(0, 255))
    array_or_reason(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))
    array_or_reason(bytes(damaged))


@settings(max_examples=300)
@given(
    st.integers(0, 40),
    st.integers(0, 40),
    st.sampled_from([1, 2, 4, 8, 16]),
    st.sampled_from([0, 2, 3, 4, 6]),
    st.integers(0, 1),
    st.binary(max_size=400),
    st.binary(max_size=30),
    st.binary(max_size=6),
)
def test_well_formed_files_with_any_content(
    width: int,
    height: int,
    depth: int,
    colour: int,
    interlace: int,
    raw: bytes,
    palette: bytes,
    clear: bytes,
) -> None:
    chunks = [chunk(b"PLTE", palette)] if palette else []
    chunks += [chunk(b"tRNS", clear)] if clear else []
    array_or_reason(png(header(width, height, depth, colour, interlace), raw, *chunks))
