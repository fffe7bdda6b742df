"""The PNG suites of ``LABELMILL_TEST_DATA`` against what netpbm and Pillow say of them."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelmill.domain.codecs.png import decode_png
from labelmill.errors import ImageError

DATA = Path(os.environ.get("LABELMILL_TEST_DATA") or Path(__file__).parents[4] / "shared" / "data")
REFERENCE = DATA / "png-reference.tsv"

pytestmark = pytest.mark.skipif(
    not REFERENCE.is_file(),
    reason="no PNG suites: set LABELMILL_TEST_DATA to the test data's folder",
)

# netpbm refuses this one for its colour profile, which does not concern pixels here.
PROFILE_ONLY = "png-broken/bad_iCCP.png"


def rows() -> list[dict[str, str]]:
    with REFERENCE.open() as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_the_same_files_are_accepted_as_by_netpbm() -> None:
    differing = []
    for row in rows():
        try:
            decode_png((DATA / row["path"]).read_bytes())
            accepted = True
        except ImageError:
            accepted = False
        if accepted != (row["netpbm"] == "ok") and row["path"] != PROFILE_ONLY:
            differing.append((row["path"], accepted))
    assert differing == []


def test_all_corrupt_files_of_pngsuite_are_refused() -> None:
    corrupt = sorted((DATA / "pngsuite").glob("x*.png"))
    assert len(corrupt) == 14
    for path in corrupt:
        with pytest.raises(ImageError):
            decode_png(path.read_bytes())


def test_pixels_with_alpha_are_netpbms_bit_for_bit() -> None:
    kinds = {1: "GRAYSCALE", 2: "GRAYSCALE_ALPHA", 3: "RGB", 4: "RGB_ALPHA"}
    matched = 0
    for row in rows():
        if row["netpbm"] != "ok":
            continue
        pixels = decode_png((DATA / row["path"]).read_bytes())
        if pixels.shape[2] not in (2, 4) or row["colortype"] == "2":
            continue  # netpbm compares tRNS colours otherwise; test_png.py has the rule
        for depth in (255, 65535, 1, 3, 15):
            full = int(np.iinfo(pixels.dtype).max)
            if full % depth:
                continue
            samples = (pixels // (full // depth)).astype(">u2" if depth > 255 else "u1")
            height, width, channels = pixels.shape
            pam = (
                f"P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH {channels}\nMAXVAL {depth}\n"
                f"TUPLTYPE {kinds[channels]}\nENDHDR\n"
            ).encode() + samples.tobytes()
            if hashlib.sha256(pam).hexdigest() == row["netpbm_pam_sha256"]:
                matched += 1
                break
        else:
            assert row["path"] == "png-broken/pngtest.png", row["path"]  # netpbm applies its sBIT
    assert matched > 60


@pytest.mark.filterwarnings("ignore:Palette images with Transparency")
def test_pixels_are_pillows() -> None:
    compared = 0
    for row in rows():
        data = (DATA / row["path"]).read_bytes()
        if row["pillow"] != "ok" or row["netpbm"] != "ok":
            continue
        image = Image.open(io.BytesIO(data))
        image = image.convert({"P": "RGB", "1": "L"}.get(image.mode, image.mode))
        expected = np.atleast_3d(np.asarray(image))
        pixels = decode_png(data)
        if expected.dtype == np.uint8 and pixels.dtype == np.uint16:
            pixels = (pixels >> 8).astype(np.uint8)  # Pillow keeps the high byte
            if row["colortype"] == "4":
                pixels = pixels[:, :, [0, 0, 0, 1]] if expected.shape[2] == 4 else pixels
        np.testing.assert_array_equal(
            pixels[:, :, : expected.shape[2]], expected, err_msg=row["path"]
        )
        compared += 1
    assert compared > 300
