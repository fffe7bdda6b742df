"""Members of a tar archive as a stream: ustar, GNU and PAX headers.

The same members as `tarfile` finds, for a sixth of its time: most headers are read with a few slices.
Otherwise than there, a damaged archive is an error and not a shorter archive, a GNU header's times are
not taken for a part of the name, the cut name in front of a long one does not make a folder of a file,
and a header of names or attributes is read up to `HEADER_CAP`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from labelmill.sources.archives.tar_header import (
    decimal_of,
    name_of,
    number_of,
    records_of,
    sum_is_right,
)
from labelmill.sources.decompress import Damaged, Stream

HEADER_CAP = 1 << 20
"""Largest header of names and attributes that is read; a member with a larger one is left out."""

NOT_A_FILE = "link or device"
SPARSE = "sparse file"
LARGE_HEADER = f"header above {HEADER_CAP >> 20} MiB"
NO_END = "no mark at the archive's end, which may be cut off"
AFTER_END = "more than zeros after the archive's end"

_LOOK_AFTER_END = 16 << 20
_BLOCK = 512
_ZEROS = bytes(_BLOCK)
_OLD_FILE, _FOLDER = 0, ord("5")
_FILES = frozenset(b"0\x007")
_WITHOUT_DATA = frozenset(b"123456")
_PAX, _PAX_OF_ALL = frozenset(b"xX"), ord("g")
_GNU_NAME, _GNU_LINK, _GNU_SPARSE = ord("L"), ord("K"), ord("S")
_AHEAD = frozenset(b"xXgLK")


@dataclass
class _Said:
    """What headers say of the member that follows them; the first that says it wins."""

    name: str | None = None
    size: int | None = None
    sparse: bool = False
    large: bool = False
    any: bool = False


def members(
    stream: Stream, uri_of_image: Callable[[str], str | None], skipped: Counter[str], cap: int
) -> Iterator[tuple[str, int, bytes | None]]:
    """Files of an archive, in order.

    Args:
        stream: The archive, at its start.
        uri_of_image: From a member's name to its uri, or None when it is none of ours; its bytes are
            then not read.
        skipped: Counts what is left out: links, devices, sparse files.
        cap: Bytes up to which a file is read.

    Yields:
        Uri, size, and the bytes unless there are more than `cap`.

    Raises:
        Damaged: The archive is cut off or has no header where one must be.
    """
    name_of_all: str | None = None
    ahead, begun = _Said(), False
    while True:
        header = stream.buffer[stream.at : stream.at + _BLOCK]
        if len(header) < _BLOCK:
            if stream.more():
                continue
            if header or ahead.any or stream.problem:
                raise stream.cut("a header")
            skipped[NO_END] += 1
            return
        stream.at += _BLOCK
        if not sum_is_right(header):
            if header != _ZEROS:
                what = "there is no header where one must be" if begun else "it is no tar archive"
                raise Damaged(what)
            if ahead.any:
                raise Damaged("it ends after a header that has no member")
            _look_after_end(stream, skipped)
            return
        begun = True
        kind, size = header[156], number_of(header[124:136])
        if kind in _AHEAD:
            body = _body(stream, size)
            if kind == _PAX_OF_ALL:
                name_of_all = records_of(body or b"").get("path", name_of_all)
            else:
                _look_ahead(ahead, kind, body)
            continue
        name = name_of(header)
        if kind == _GNU_SPARSE:
            _skip_sparse_map(stream, header)
        elif name_of_all is not None:
            name = name_of_all
        if ahead.any:
            name = name if ahead.name is None else ahead.name
            size = size if ahead.size is None else ahead.size
        if kind == _OLD_FILE and name.endswith("/"):
            kind = _FOLDER
        sparse, large = ahead.sparse or kind == _GNU_SPARSE, ahead.large
        if ahead.any:
            ahead = _Said()
        if kind in _WITHOUT_DATA:
            if kind != _FOLDER:
                skipped[NOT_A_FILE] += 1
            continue
        padded = size + (-size & 511)
        if kind not in _FILES or sparse or large:
            skipped[LARGE_HEADER if large else SPARSE if sparse else NOT_A_FILE] += 1
            stream.skip(padded)
            continue
        uri = uri_of_image(name)
        if uri is None:
            stream.skip(padded)
        elif size > cap:
            stream.skip(padded)
            yield uri, size, None
        else:
            data = stream.read(size)
            if len(data) != size:
                raise stream.cut(uri[:200])
            stream.skip(padded - size)
            yield uri, size, data


def _body(stream: Stream, size: int) -> bytes | None:
    """What follows a header of names or attributes; None when it is above `HEADER_CAP`."""
    padded = size + (-size & 511)
    if size > HEADER_CAP:
        stream.skip(padded)
        return None
    body = stream.read(padded)
    if len(body) != padded:
        raise stream.cut("a header")
    return body


def _look_ahead(ahead: _Said, kind: int, body: bytes | None) -> None:
    ahead.any = True
    if body is None:
        ahead.large = ahead.large or kind != _GNU_LINK
    elif kind == _GNU_NAME:
        if ahead.name is None:
            ahead.name = body.partition(b"\0")[0].decode("utf-8", "surrogateescape")
    elif kind in _PAX:
        records = records_of(body)
        ahead.sparse = ahead.sparse or any(key.startswith("GNU.sparse.") for key in records)
        if ahead.name is None:
            ahead.name = records.get("path")
        if ahead.size is None and "size" in records:
            ahead.size = decimal_of(records["size"])


def _skip_sparse_map(stream: Stream, header: bytes) -> None:
    more = bool(header[482])
    while more:
        block = stream.read(_BLOCK)
        if len(block) != _BLOCK:
            raise stream.cut("a header")
        more = bool(block[504])


def _look_after_end(stream: Stream, skipped: Counter[str]) -> None:
    """Reads on, so that a packed archive's checksum is checked and a second archive does not hide."""
    looked = 0
    while looked < _LOOK_AFTER_END:
        rest = stream.buffer[stream.at :]
        if rest.count(0) != len(rest):
            skipped[AFTER_END] += 1
            return
        looked += len(rest)
        stream.at = len(stream.buffer)
        if not stream.more():
            if stream.problem:
                raise Damaged(stream.problem)
            return
