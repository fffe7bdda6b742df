"""The PNG suites among the test data against what netpbm, Pillow and pngcheck make of them.

Where they differ from us is said in docs/reference/formats.md, and nowhere else: these tests read it there.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelmill.domain.codecs import Pixels, decode_image
from labelmill.errors import ImageError

DOCUMENT = Path(__file__).parents[5] / "docs" / "reference" / "formats.md"
TYPES = {1: "GRAYSCALE", 2: "GRAYSCALE_ALPHA", 3: "RGB", 4: "RGB_ALPHA"}


def table_after(heading: str) -> list[list[str]]:
    """Cells of the first table after the text, without its head."""
    lines = DOCUMENT.read_text().split(heading, 1)[1].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("|---"))
    rows = []
    for line in lines[start + 1 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


@pytest.fixture(scope="module")
def files(data: Path) -> list[tuple[dict[str, str], bytes]]:
    if not (data / "png-reference.tsv").is_file():
        pytest.skip(f"no PNG suites in {data}")
    with (data / "png-reference.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert len(rows) == 375
    return [(row, (data / row["path"]).read_bytes()) for row in rows]


def outcome(row: dict[str, str], content: bytes) -> str:
    try:
        decode_image(content, name=row["path"])
    except ImageError as error:
        return error.reason
    return "ok"


def test_what_is_taken_differs_from_others_as_documented(
    files: list[tuple[dict[str, str], bytes]],
) -> None:
    found = {}
    for row, content in files:
        others = [row["pillow"] == "ok", row["netpbm"] == "ok", row["pngcheck_rc"] == "0"]
        ours = outcome(row, content)
        if {*others} != {ours == "ok"}:
            found[row["path"]] = [ours, *("ok" if taken else "refused" for taken in others)]
    documented = {
        cells[0].strip("`"): cells[1:5] for cells in table_after("Which files are accepted at all")
    }
    assert found == documented


def test_all_corrupt_files_of_pngsuite_are_refused(
    files: list[tuple[dict[str, str], bytes]],
) -> None:
    corrupt = {
        row["path"]: outcome(row, content)
        for row, content in files
        if row["path"].startswith("pngsuite/x")
    }
    assert len(corrupt) == 14
    assert "ok" not in corrupt.values()


def as_pams(pixels: Pixels) -> Iterator[bytes]:
    """What ``pngtopam -alphapam`` may have written for the same pixels."""
    full = int(np.iinfo(pixels.dtype).max)
    if pixels.shape[2] in (1, 3):
        opaque = np.full((*pixels.shape[:2], 1), full, pixels.dtype)
        pixels = np.concatenate([pixels, opaque], axis=2)
    height, width, channels = pixels.shape
    for maxval in (255, 65535, 1, 3, 15):
        if full % maxval or (pixels % (full // maxval)).any():
            continue
        samples = (pixels // (full // maxval)).astype(">u2" if maxval > 255 else "u1")
        yield (
            f"P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH {channels}\nMAXVAL {maxval}\n"
            f"TUPLTYPE {TYPES[channels]}\nENDHDR\n"
        ).encode() + samples.tobytes()


def test_pixels_are_netpbms_bit_for_bit_but_for_what_is_documented(
    files: list[tuple[dict[str, str], bytes]],
) -> None:
    patterns = [
        pattern
        for cells in table_after("accepted files equal netpbm's bit for bit")
        for pattern in re.findall(r"`([^`]+)`", cells[0])
    ]
    differing, same = set(), 0
    for row, content in files:
        if row["netpbm"] != "ok":
            continue
        pams = as_pams(decode_image(content))
        if row["netpbm_pam_sha256"] in (hashlib.sha256(pam).hexdigest() for pam in pams):
            same += 1
        else:
            differing.add(row["path"])
    assert same == 325
    documented = {
        row["path"]
        for row, _ in files
        if any(fnmatch(row["path"], pattern) for pattern in patterns)
    }
    assert differing == documented


@pytest.mark.filterwarnings("ignore:Palette images with Transparency")
def test_pixels_are_pillows_where_it_keeps_them(
    files: list[tuple[dict[str, str], bytes]],
) -> None:
    compared = 0
    for row, content in files:
        if row["pillow"] != "ok" or outcome(row, content) != "ok":
            continue
        image = Image.open(io.BytesIO(content))
        pixels = decode_image(content)
        clear = "transparency" in image.info
        if clear and image.mode in ("P", "RGB") and row["bitdepth"] != "16":
            # With a name for the colour or alpha in the palette.
            np.testing.assert_array_equal(
                pixels, np.asarray(image.convert("RGBA")), err_msg=row["path"]
            )
        image = image.convert({"P": "RGB", "1": "L"}.get(image.mode, image.mode))
        expected = np.atleast_3d(np.asarray(image))
        if expected.dtype == np.uint8 and pixels.dtype == np.uint16:
            pixels = (pixels >> 8).astype(np.uint8)  # Pillow keeps the high byte
            if row["colortype"] == "4":
                pixels = pixels[:, :, [0, 0, 0, 1]] if expected.shape[2] == 4 else pixels
        np.testing.assert_array_equal(
            pixels[:, :, : expected.shape[2]], expected, err_msg=row["path"]
        )
        compared += 1
    assert compared == 338
