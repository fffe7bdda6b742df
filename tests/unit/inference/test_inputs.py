"""Images in every form that users may pass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from labelmill.domain.codecs.png.codec import encode_png
from labelmill.errors import ImageError, InputError
from labelmill.inference.inputs import read_images

GREY = np.arange(12, dtype=np.uint8).reshape(4, 3)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "one.png"
    path.write_bytes(encode_png(GREY[:, :, None]))
    return path


def test_one_image(file: Path) -> None:
    for given in (GREY, GREY[:, :, None], file, str(file)):
        images, names = read_images(given)
        assert len(images) == 1
        np.testing.assert_array_equal(images[0], GREY[:, :, None])
        assert names == [str(file) if isinstance(given, (str, Path)) else "0"]


def test_a_batch_and_a_list_of_different_shapes(file: Path) -> None:
    images, names = read_images(np.zeros((5, 4, 3, 2), np.uint16))
    assert ([i.shape for i in images], names) == ([(4, 3, 2)] * 5, ["0", "1", "2", "3", "4"])
    images, names = read_images([GREY, file, np.zeros((9, 8, 3), np.uint8)])
    assert [image.shape for image in images] == [(4, 3, 1), (4, 3, 1), (9, 8, 3)]
    assert names == ["0", str(file), "2"]
    assert read_images(path for path in [file])[1] == [str(file)]
    assert read_images([]) == ([], [])
    assert read_images(np.zeros((0, 4, 3, 1), np.uint8)) == ([], [])


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (np.zeros((4, 4, 1), np.float32), "dtype float32; expected uint8 or uint16"),
        (np.zeros((7, 28, 28), np.uint8), r"shape \(7, 28, 28\)"),
        (np.zeros(3, np.uint8), r"shape \(3,\)"),
        (np.zeros((0, 4, 1), np.uint8), r"shape \(0, 4, 1\)"),
        (7, "received int"),
        (b"bytes", "received bytes"),
        ({"a": 1}, "received dict"),
        ([GREY, None], "item 1 is NoneType"),
        ([[1, 2]], "item 0 is list"),
    ],
)
def test_what_is_not_an_image_is_refused(given: object, text: str) -> None:
    with pytest.raises(InputError, match=text):
        read_images(given)


def test_files_that_cannot_be_read(tmp_path: Path, file: Path) -> None:
    with pytest.raises(InputError, match="is a folder; pass its files"):
        read_images(tmp_path)
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_images(tmp_path / "none.png")
    (tmp_path / "bad.png").write_bytes(b"text")
    with pytest.raises(ImageError, match=r"bad\.png") as caught:
        read_images([tmp_path / "bad.png"])
    assert caught.value.reason == "not_png"
    with pytest.raises(ImageError, match=r"one\.png"):
        read_images(file, pixel_cap=11)
