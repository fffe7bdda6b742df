"""IDX pairs: a file of images and one of labels, the format of MNIST and its relatives.

Each item becomes an image file of its own (PGM, PPM or PAM: `labelmill.domain.codecs.idx`), named
``FILE#INDEX``. File names say what belongs together: ``train-images-idx3-ubyte[.gz]`` with
``train-labels-idx1-ubyte[.gz]``, ``X.idx3-ubyte`` with ``X.idx1-ubyte``, any images with
``labels.idx1[.gz]`` where they have none of their own. Without labels there are no classes.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from labelmill.domain.codecs import idx
from labelmill.domain.images.folders import ALONE
from labelmill.domain.images.paths import uri_of
from labelmill.errors import InputError
from labelmill.sources.base import (
    ARCHIVED_FILE_CAP,
    WAVE_BYTES,
    WAVE_FILES,
    WAVE_PIXELS,
    SourceOptions,
    Wave,
    WaveBuilder,
)
from labelmill.sources.decompress import ByteStream
from labelmill.sources.idx_labels import (
    attributes_of_rows,
    class_named,
    hints,
    read_mapping,
)
from labelmill.sources.idx_names import find_idx, images_of, is_idx, labels_of, split_of

__all__ = ["IdxSource", "find_idx", "is_idx"]


@dataclass(frozen=True)
class _Pair:
    """A file of images, and its labels if there are any."""

    images: str
    header: idx.IdxHeader
    begin: bytes
    labels: str | None
    label_header: idx.IdxHeader | None


class IdxSource:
    """IDX files; see `labelmill.sources.base.ImageSource`."""

    default_labels = "folder"

    def __init__(self, options: SourceOptions) -> None:
        """Reads the headers.

        Args:
            options: A file of images, or a folder of such files.

        Raises:
            InputError: There are none, they are no images, or the number of labels differs from that of images.
        """
        self.name, self.root = options.source, ""
        self.skipped: Counter[str] = Counter()
        self.layout, self.notes = ALONE, list[str]()
        files = [self.name]
        if os.path.isdir(self.name):
            files, copies = images_of(self.name)
            if copies:
                self.skipped["packed copy of a plain IDX file"] = copies
            if not files:
                raise InputError(
                    f"{self.name} has no IDX files of images (…-images-idx3-ubyte[.gz])"
                )
        self._turn, self._names = options.transpose, read_mapping(options.mapping)
        self._pairs = [_pair(path, options.transpose) for path in files]
        self.notes += hints(files, options)
        found = sum(pair.header.count for pair in self._pairs)
        self._left = found if options.limit is None else min(found, options.limit)
        self.total: int | None = self._left

    def waves(self) -> Iterator[Wave]:
        """See `ImageSource.waves`."""
        for pair in self._pairs:
            number = min(self._left, pair.header.count)
            self._left -= number
            if number:
                yield from _waves(pair, number, self._turn, self._names)


def _pair(path: str, turn: bool) -> _Pair:
    header = _header(path)
    begin = idx.image_header(idx.turned(header) if turn and len(header.shape) > 2 else header, path)
    if len(begin) + header.item > ARCHIVED_FILE_CAP:
        raise InputError(
            f"{path} holds images of {header.item:,} bytes; up to {ARCHIVED_FILE_CAP:,} are read"
        )
    labels = labels_of(path)
    if labels is None:
        return _Pair(path, header, begin, None, None)
    label_header = _header(labels)
    idx.check_labels(label_header, labels)
    if label_header.count != header.count:
        raise InputError(
            f"{path} holds {header.count:,} images, but {labels} holds {label_header.count:,} labels; "
            "they do not belong together, or one of them is damaged"
        )
    return _Pair(path, header, begin, labels, label_header)


def _header(path: str) -> idx.IdxHeader:
    try:
        with ByteStream(path) as stream:
            data = stream.read(idx.HEADER)
            if not data and stream.problem:
                raise InputError(f"cannot read {path}: {stream.problem}")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error}") from error
    return idx.read_header(data, path)


def _waves(pair: _Pair, number: int, turn: bool, names: Mapping[str, str]) -> Iterator[Wave]:
    """The first `number` items of one pair.

    Raises:
        InputError: A file is damaged, or shorter or longer than its header says; earlier waves were good.
    """
    header, labels = pair.header, pair.label_header
    file = uri_of(os.path.basename(pair.images))
    size = len(pair.begin) + header.item
    step = max(1, min(WAVE_FILES, WAVE_BYTES // size, WAVE_PIXELS // header.item))
    with contextlib.ExitStack() as files:
        images = files.enter_context(ByteStream(pair.images))
        images.skip(header.length)
        label_stream: ByteStream | None = None
        if pair.labels is not None and labels is not None:
            label_stream = files.enter_context(ByteStream(pair.labels))
            label_stream.skip(labels.length)
        for at in range(0, number, step):
            requested = min(step, number - at)
            samples = images.read(requested * header.item)
            if turn:
                whole = samples[: len(samples) // header.item * header.item]
                samples = idx.transposed(whole, header) + samples[len(whole) :]
            data = idx.image_files(samples, header, pair.begin)
            if data and len(data[-1]) < size:
                del data[-1]
            count = len(data)
            classes = attributes = None
            if label_stream is not None and labels is not None:
                values = label_stream.read(requested * labels.item)
                values = values[: len(values) // labels.item * labels.item]
                classes = [
                    class_named(one, names, str(pair.labels)) for one in idx.classes(values, labels)
                ]
                if len(labels.shape) == 2:
                    attributes = attributes_of_rows(idx.rows(values, labels))
                count = min(count, len(classes))
            if count:
                yield _wave(file, at, data[:count], classes, attributes)
            if count < requested:
                short, path = (
                    (images, pair.images) if len(data) == count else (label_stream, pair.labels)
                )
                assert short is not None
                raise InputError(
                    f"{path} is damaged after {at + count:,} of {header.count:,} items: {short.cut()}; "
                    "those are ingested, what follows cannot be read"
                )
        if number == header.count:
            _check_end(images, pair.images)
            if label_stream is not None:
                _check_end(label_stream, str(pair.labels))


def _wave(
    file: str,
    at: int,
    data: list[bytes],
    classes: list[str] | None,
    attributes: list[str | None] | None,
) -> Wave:
    number, size = len(data), len(data[0])
    wave = WaveBuilder(count=number, bytes=number * size, pixels=number * size)
    wave.rows = {
        "uri": [f"{file}#{index}" for index in range(at, at + number)],
        "size": [size] * number,
        "data": data,
        "class": classes[:number] if classes is not None else [None] * number,
        "split": [split_of(file)] * number,
        "origin": ["idx"] * number,
    }
    if attributes is not None:
        wave.rows["attributes"] = attributes[:number]
    return wave.take()


def _check_end(stream: ByteStream, path: str) -> None:
    more = stream.at < len(stream.buffer) or stream.more()
    if more or stream.problem:
        what = stream.problem or "there is more than its header says"
        raise InputError(f"{path} is damaged at its end: {what}; its items are ingested")
