"""Which decoder gets a file, and the message for a file that none accepts."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from labelmill.domain.codecs import IMAGE_ENDINGS, decode_image
from labelmill.domain.codecs.magic import kind_of
from labelmill.domain.codecs.netpbm.codec import encode_netpbm
from labelmill.domain.codecs.png.codec import encode_png
from labelmill.errors import ImageError

PIXELS = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)


@pytest.mark.parametrize("name", ["", "a", "a.png", "a.PNG", "a.pgm", "no.dot/png", "a.jpg"])
def test_png_is_accepted_under_any_name(name: str) -> None:
    np.testing.assert_array_equal(decode_image(encode_png(PIXELS), name=name), PIXELS)


@pytest.mark.parametrize("name", ["", "a", "a.ppm", "a.pgm", "a.jpg", "png"])
def test_netpbm_is_accepted_under_any_name_but_png(name: str) -> None:
    np.testing.assert_array_equal(decode_image(encode_netpbm(PIXELS), name=name), PIXELS)


@pytest.mark.parametrize("name", ["a.png", "tree/A.PnG"])
def test_under_the_name_png_only_png_is_accepted(name: str) -> None:
    with pytest.raises(ImageError, match=r"netpbm image \(P6\).*name it \.pnm") as caught:
        decode_image(encode_netpbm(PIXELS), name=name)
    assert caught.value.reason == "not_png"


def test_the_cap_holds_for_every_format() -> None:
    for data in (encode_png(PIXELS), encode_netpbm(PIXELS)):
        with pytest.raises(ImageError) as caught:
            decode_image(data, pixel_cap=3)
        assert caught.value.reason == "too_many_pixels"


def test_a_cut_png_is_truncated_not_unknown() -> None:
    data = encode_png(PIXELS)
    for length in (4, 7, 8, 30, len(data) - 1):
        for name in ("", "a.png"):
            with pytest.raises(ImageError) as caught:
                decode_image(data[:length], name=name)
            assert caught.value.reason == "truncated"


def by_pillow(kind: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(PIXELS).save(out, kind)
    return out.getvalue()


OTHERS = {
    "JPEG": (by_pillow("JPEG"), "convert it"),
    "GIF": (by_pillow("GIF"), "convert it"),
    "BMP": (by_pillow("BMP"), "convert it"),
    "TIFF": (by_pillow("TIFF"), "convert it"),
    "WebP": (b"RIFF\x24\0\0\0WEBPVP8 ", "convert it"),
    "AVIF": (b"\0\0\0\x20ftypavif\0\0\0\0", "convert it"),
    "JPEG 2000": (b"\0\0\0\x0cjP  \r\n\x87\n", "convert it"),
    "PDF": (b"%PDF-1.7\n", "pictures out"),
    "HTML": (b"\n<!DOCTYPE html><html><body>404 not found", "download it again"),
    "XML": (b'<?xml version="1.0"?><Error><Code>AccessDenied', "download it again"),
    "SVG": (b'<?xml version="1.0"?>\n<svg xmlns="x">', "draw it as PNG"),
    "JSON": (b'{"error": "no such image"}', "download it again"),
    "gzip": (b"\x1f\x8b\x08\0" + bytes(8), "unpack it"),
    "zip": (b"PK\3\4" + bytes(30), "source of its own"),
    "tar": (b"a.png".ljust(257, b"\0") + b"ustar\x0000", "source of its own"),
    "IDX": (b"\0\0\x08\x03\0\0\0\1", "labels file"),
    "empty file": (b"", "copy or download it again"),
    "4,096 zero bytes": (bytes(4096), "the copy or the disk failed"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
    "line ends converted": (encode_png(PIXELS).replace(b"\r\n", b"\n"), "again"),
    "damaged signature": (b"\x09" + encode_png(PIXELS)[1:], "again"),
    "text that begins 'just some": (b"just some text\n", "leave it out"),
    "unknown kind": (b"\x01\x02\x03\x04\x05", "leave it out"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_lies_there_is_named_and_how_to_mend_it(name: str) -> None:
    data, advice = OTHERS[name]
    for file, reason in (("a.png", "not_png"), ("a.pgm", "unknown_format")):
        with pytest.raises(ImageError) as caught:
            decode_image(data, name=file)
        assert caught.value.reason == reason
        assert name in str(caught.value)
        assert advice in str(caught.value)


def test_zeros_that_end_and_text_cut_in_a_letter_are_told_apart() -> None:
    assert "zero" not in kind_of(bytes(4096) + b"x").name
    assert "text" in kind_of("ä".encode() * 700).name
    assert "text" in kind_of(b"x" + "ä".encode() * 700).name
    assert "text" not in kind_of(bytes(range(256)) * 3).name


def test_endings_are_those_of_the_formats() -> None:
    assert {".png", ".pgm", ".ppm", ".pam", ".pnm", ".pbm"} == set(IMAGE_ENDINGS)
