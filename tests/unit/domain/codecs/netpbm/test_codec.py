"""Netpbm files: every input gives the first image's array or an ImageError with a reason."""

from __future__ import annotations

import io
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from labelmill.domain.codecs.netpbm.codec import decode_netpbm, encode_netpbm
from labelmill.domain.codecs.pixels import Pixels
from labelmill.errors import ImageError, InputError


def pam(width: int, height: int, depth: int, maxval: int, kind: str, raster: bytes) -> bytes:
    named = f"TUPLTYPE {kind}\n" if kind else ""
    header = f"P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH {depth}\nMAXVAL {maxval}\n{named}ENDHDR\n"
    return header.encode() + raster


KINDS = {
    "bitmap in text, 1 is black": (b"P1 3 2 010\n1 0 1", [[[255], [0], [255]], [[0], [255], [0]]]),
    "bitmap in text without blanks": (b"P1\n3 2\n010101", [[[255], [0], [255]], [[0], [255], [0]]]),
    "bitmap, rows filled up": (b"P4 3 2\n\x5f\xb0", [[[255], [0], [255]], [[0], [255], [0]]]),
    "grey in text": (b"P2 2 1 255 7\t255\n", [[[7], [255]]]),
    "grey": (b"P5 2 1 255\n\x07\xff", [[[7], [255]]]),
    "grey that looks like white space": (b"P5\n3 1\n255\n\n #", [[[10], [32], [35]]]),
    "colour in text": (b"P3 1 1 255 1 2 3", [[[1, 2, 3]]]),
    "colour": (b"P6 1 1 255\n\1\2\3", [[[1, 2, 3]]]),
    "PAM grey": (pam(1, 1, 1, 255, "GRAYSCALE", b"\7"), [[[7]]]),
    "PAM grey, alpha": (pam(1, 1, 2, 255, "GRAYSCALE_ALPHA", b"\7\x08"), [[[7, 8]]]),
    "PAM colour": (pam(1, 1, 3, 255, "RGB", b"\1\2\3"), [[[1, 2, 3]]]),
    "PAM colour, alpha": (pam(1, 1, 4, 255, "RGB_ALPHA", b"\1\2\3\4"), [[[1, 2, 3, 4]]]),
    "PAM bitmap, 1 is white": (pam(2, 1, 1, 1, "BLACKANDWHITE", b"\0\1"), [[[0], [255]]]),
    "PAM bitmap, alpha": (pam(1, 1, 2, 1, "BLACKANDWHITE_ALPHA", b"\1\0"), [[[255, 0]]]),
    "PAM of no named kind": (pam(1, 1, 4, 255, "", b"\1\2\3\4"), [[[1, 2, 3, 4]]]),
    "PAM with comment and blank line": (
        b"P7\n# made by hand\n\nHEIGHT 1\r\nWIDTH 1\nMAXVAL 255\nDEPTH 1\nENDHDR\n\7",
        [[[7]]],
    ),
    "comments in the header": (b"P5#a\n# b\n2 #c 9\n 1\r255#d\n\x07\xff", [[[7], [255]]]),
    "comments in text": (b"P2 3 1 255 7# 8 9\n#\n 10 #\n 11", [[[7], [10], [11]]]),
    "leading zeros": (b"P2 02 001 0255 0000000007 255", [[[7], [255]]]),
    "the first of several images": (b"P5 1 1 255\n\7P5 1 1 255\n\x08", [[[7]]]),
    "words after text": (b"P2 1 1 255 7 and so on", [[[7]]]),
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind(name: str) -> None:
    data, expected = KINDS[name]
    pixels = decode_netpbm(data)
    assert pixels.dtype == np.uint8
    assert not pixels.flags.writeable
    np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize("maxval", [1, 2, 3, 7, 100, 254, 255, 256, 1023, 4095, 65534, 65535])
def test_samples_are_scaled_to_the_whole_range_half_up(maxval: int) -> None:
    values = np.unique(np.linspace(0, maxval, 300).astype(int))
    full, kind = (255, "B") if maxval < 256 else (65535, ">H")
    raster = b"".join(struct.pack(kind, value) for value in values)
    expected = [(2 * full * int(value) + maxval) // (2 * maxval) for value in values]
    pixels = decode_netpbm(b"P5 %d 1 %d\n" % (len(values), maxval) + raster)
    assert pixels.dtype == (np.uint8 if maxval < 256 else np.uint16)
    assert pixels.ravel().tolist() == expected
    assert (expected[0], expected[-1]) == (0, full)
    text = b"P2 %d 1 %d\n" % (len(values), maxval) + " ".join(map(str, values)).encode()
    np.testing.assert_array_equal(decode_netpbm(text), pixels)


@pytest.mark.parametrize(("mode", "channels"), [("1", 1), ("L", 1), ("RGB", 3), ("I;16", 1)])
def test_pixels_are_those_that_pillow_wrote(mode: str, channels: int) -> None:
    random = np.random.default_rng(5)
    if mode == "I;16":
        image = Image.fromarray(random.integers(0, 65536, (50, 70), np.uint16))
    else:
        image = Image.fromarray(random.integers(0, 256, (50, 70, 3), np.uint8)).convert(mode)
    out = io.BytesIO()
    image.save(out, "PPM")
    shown = np.asarray(image.convert("L") if mode == "1" else image)
    np.testing.assert_array_equal(
        decode_netpbm(out.getvalue()), shown.reshape(50, 70, channels).astype(shown.dtype)
    )


def test_long_text_is_read_over_blocks_as_pillow_reads_it() -> None:
    values = np.random.default_rng(6).integers(0, 256, 300 * 200 * 3)
    # Ends of blocks fall into numbers, between them and into comments.
    words = [b"%d\n" % v if i % 97 else b"%d #%s\r" % (v, b"9 " * i) for i, v in enumerate(values)]
    data = (
        b"P3 300 200 255 " + b" ".join(words[:2000]) + b" ".join(b"%d" % v for v in values[2000:])
    )
    pixels = decode_netpbm(data)
    np.testing.assert_array_equal(pixels.ravel(), values)
    np.testing.assert_array_equal(pixels, np.asarray(Image.open(io.BytesIO(data))))


REFUSED = {
    "nothing": (b"", "unknown_format"),
    "other magic": (b"P8 1 1 255\n\7", "unknown_format"),
    "magic in a word": (b"P5abc", "unknown_format"),
    "magic alone": (b"P5", "truncated"),
    "no width": (b"P5\n", "truncated"),
    "no maxval": (b"P5 1 1", "truncated"),
    "nothing after the maxval": (b"P5 1 1 255", "truncated"),
    "unfinished comment": (b"P5 1 1 #255", "truncated"),
    "word for a width": (b"P5 one 1 255\n\7", "bad_header"),
    "width below nought": (b"P5 -1 1 255\n\7", "bad_header"),
    "width of no pixels": (b"P5 0 1 255\n\7", "bad_header"),
    "height of no pixels": (b"P6 1 0 255\n\7", "bad_header"),
    "width of 11 digits": (b"P5 10000000000 1 255\n\7", "bad_header"),
    "maxval 0": (b"P5 1 1 0\n\0", "bad_header"),
    "maxval 65536": (b"P5 1 1 65536\n\0\0\0", "bad_header"),
    "header without end": (b"P5 " + b"# long\n" * 20_000, "bad_header"),
    "comment without end": (b"P5 #" + b"x" * 200_000, "bad_header"),
    "raster missing": (b"P5 2 2 255\n", "truncated"),
    "raster too short": (b"P5 2 2 255\n\1\2\3", "truncated"),
    "16-bit raster too short": (b"P5 2 2 256\n" + bytes(7), "truncated"),
    "bitmap too short": (b"P4 9 2\n\1\2\3", "truncated"),
    "promise beyond the file": (b"P6 8000 8000 255\n" + bytes(99), "truncated"),
    "text beyond the file": (b"P2 8000 8000 255\n" + b"1 " * 99, "truncated"),
    "20,000 × 20,000": (b"P5 20000 20000 255\n", "too_many_pixels"),
    "largest header": (b"P5 9999999999 9999999999 255\n", "too_many_pixels"),
    "sample above maxval": (b"P5 1 1 100\n\x65", "bad_data"),
    "16-bit sample above maxval": (b"P5 1 1 1000\n\x03\xe9", "bad_data"),
    "text sample above maxval": (b"P2 1 1 255\n256", "bad_data"),
    "text sample above 16 bits": (b"P2 1 1 65535\n65536", "bad_data"),
    "text sample of 11 digits": (b"P2 1 1 255 00000000001 ", "bad_data"),
    "text sample without end": (b"P2 1 1 255 " + b"1" * 300_000, "bad_data"),
    "text sample below nought": (b"P2 2 1 255\n1 -2", "bad_data"),
    "text sample with a point": (b"P2 2 1 255\n1.5 2", "bad_data"),
    "text sample missing": (b"P2 3 1 255\n100 2", "truncated"),
    "text of blanks": (b"P2 3 1 255\n" + b" " * 200_000, "truncated"),
    "text of comments": (b"P2 3 1 255\n" + b"#\n" * 100_000, "truncated"),
    "text of one comment": (b"P1 3 1\n#" + b"0" * 200_000, "truncated"),
    "bitmap of 2": (b"P1 2 1 1 2", "bad_data"),
    "PAM magic with a word": (b"P7 332\n#XVVERSION", "bad_header"),
    "PAM cut": (b"P7\nWIDTH 1\n", "truncated"),
    "PAM without a line": (b"P7", "truncated"),
    "PAM without end": (b"P7\n" + b"# long\n" * 20_000, "bad_header"),
    "PAM without height": (b"P7\nWIDTH 1\nDEPTH 1\nMAXVAL 255\nENDHDR\n\7", "bad_header"),
    "PAM with two widths": (b"P7\nWIDTH 1\nWIDTH 1\nENDHDR\n\7", "bad_header"),
    "PAM with another line": (b"P7\nCOLOUR 1\nENDHDR\n\7", "bad_header"),
    "PAM of depth 5": (pam(1, 1, 5, 255, "", bytes(5)), "bad_header"),
    "PAM of depth 0": (pam(1, 1, 0, 255, "", b""), "bad_header"),
    "PAM of huge depth": (pam(1, 1, 9_999_999_999, 255, "", b""), "bad_header"),
    "PAM of CMYK": (pam(1, 1, 4, 255, "CMYK", bytes(4)), "bad_header"),
    "PAM of RGB with depth 4": (pam(1, 1, 4, 255, "RGB", bytes(4)), "bad_header"),
    "PAM bitmap of 255": (pam(1, 1, 1, 255, "BLACKANDWHITE", b"\xff"), "bad_header"),
    "PAM too short": (pam(2, 1, 4, 65535, "RGB_ALPHA", bytes(15)), "truncated"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_a_reason(name: str) -> None:
    data, reason = REFUSED[name]
    with pytest.raises(ImageError) as caught:
        decode_netpbm(data)
    assert caught.value.reason == reason, str(caught.value)
    assert 10 < len(str(caught.value)) < 300


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_takes_little_memory(name: str) -> None:
    data, _ = REFUSED[name]
    tracemalloc.start()
    with pytest.raises(ImageError):
        decode_netpbm(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


def test_the_cap_counts_pixels_and_can_be_set() -> None:
    data = b"P6 2 2 255\n" + bytes(12)
    assert decode_netpbm(data, pixel_cap=4).shape == (2, 2, 3)
    with pytest.raises(ImageError, match="more than the cap of 3") as caught:
        decode_netpbm(data, pixel_cap=3)
    assert caught.value.reason == "too_many_pixels"


pixel_arrays = st.sampled_from([np.uint8, np.uint16]).flatmap(
    lambda dtype: arrays.arrays(
        dtype, st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4))
    )
)


@given(pixel_arrays, st.binary(max_size=20))
def test_encoding_and_decoding_gives_the_same_array(pixels: Pixels, after: bytes) -> None:
    data = encode_netpbm(pixels)
    assert data[:2] == {1: b"P5", 2: b"P7", 3: b"P6", 4: b"P7"}[pixels.shape[2]]
    back = decode_netpbm(data + after)
    assert back.dtype == pixels.dtype
    np.testing.assert_array_equal(back, pixels)
    # Every file cut short is found out.
    with pytest.raises(ImageError) as caught:
        decode_netpbm(data[:-1])
    assert caught.value.reason == "truncated"


def test_slices_of_arrays_are_encoded_as_they_look() -> None:
    pixels = np.arange(24, dtype=np.uint16).reshape(4, 6, 1)[::2, ::-1]
    np.testing.assert_array_equal(decode_netpbm(encode_netpbm(pixels)), pixels)


def test_other_arrays_are_not_encoded() -> None:
    with pytest.raises(InputError, match=r"expected pixels of shape.*\(2, 2\)"):
        encode_netpbm(np.zeros((2, 2), np.uint8))


REASONS = {"unknown_format", "truncated", "bad_header", "too_many_pixels", "bad_data"}


@settings(max_examples=500)
@given(
    st.sampled_from([data for data, _ in KINDS.values()]),
    st.lists(st.tuples(st.integers(0, 90), st.integers(0, 255)), max_size=4),
    st.integers(0, 90),
)
def test_damaged_files(valid: bytes, changes: list[tuple[int, int]], cut: int) -> None:
    damaged = bytearray(valid)
    for position, value in changes:
        damaged[position % len(valid)] = value
    for data in (bytes(damaged), bytes(damaged[:cut])):
        try:
            pixels = decode_netpbm(data, pixel_cap=100_000)
        except ImageError as error:
            refused = error
        else:
            assert pixels.ndim == 3
            assert 1 <= pixels.shape[2] <= 4
            assert pixels.size <= 8 * len(data)
            continue
        assert refused.reason in REASONS
