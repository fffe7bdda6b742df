"""Small files that would be large: refused or decoded within little memory of a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from pathlib import Path

from labelmill.testing.png.files import SIGNATURE, chunk, header

MEGABYTE = 1 << 20
ROWS = b"\0\1\2\0\3\4"
END = chunk(b"IDAT", zlib.compress(ROWS)) + chunk(b"IEND")

# Decodes the files named; answers with what became of each and the most memory by then, in KiB.
CHILD = """
import json, sys
from pathlib import Path
from labelmill.domain.codecs import decode_image
from labelmill.domain.codecs.png.codec import encode_png
from labelmill.errors import ImageError
import numpy as np

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

decode_image(encode_png(np.zeros((100, 100, 3), np.uint8)))
told = {"": ["start", peak()]}
for path in map(Path, sys.argv[1:]):
    data = path.read_bytes()
    try:
        outcome = list(decode_image(data).shape)
    except ImageError as error:
        outcome = error.reason
    told[path.name] = [outcome, peak()]
print(json.dumps(told))
"""


def packed(size: int, first: bytes = b"") -> bytes:
    pack = zlib.compressobj(1)
    pieces = [pack.compress(first)]
    pieces += [pack.compress(bytes(MEGABYTE)) for _ in range(size // MEGABYTE)]
    return b"".join(pieces) + pack.flush()


def test_bombs_take_little_memory(tmp_path: Path) -> None:
    zeros = packed(100 * MEGABYTE)
    excess = packed(100 * MEGABYTE, ROWS)
    tiny = b"".join(chunk(b"IDAT", excess[i : i + 3]) for i in range(0, len(excess), 3))
    small = SIGNATURE + header(2, 2)
    frames = (chunk(b"fcTL", bytes(26)) + chunk(b"fdAT", bytes(4) + zeros[:500])) * 5000
    files: dict[str, tuple[bytes, object]] = {
        "pixels.png": (
            SIGNATURE + header(60_000, 60_000, 1) + chunk(b"IDAT", zeros) + chunk(b"IEND"),
            "too_many_pixels",
        ),
        "promise.png": (SIGNATURE + header(8000, 8000, 16, 6) + END, "truncated"),
        "excess.png": (small + chunk(b"IDAT", excess) + chunk(b"IEND"), [2, 2, 1]),
        "tiny.png": (small + tiny + chunk(b"IEND"), [2, 2, 1]),
        "chunks.png": (small + chunk(b"teXt") * 600_000 + END, "bad_data"),
        "zTXt.png": (small + chunk(b"zTXt", b"bomb\0\0" + zeros) + END, [2, 2, 1]),
        "iTXt.png": (small + chunk(b"iTXt", b"bomb\0\1\0\0\0" + zeros) + END, [2, 2, 1]),
        "iCCP.png": (small + chunk(b"iCCP", b"bomb\0\0" + zeros) + END, [2, 2, 1]),
        "apng.png": (small + chunk(b"acTL", b"\0\0\x13\x88" * 2) + frames + END, [2, 2, 1]),
        "length.png": (small + b"\x7f\xff\xff\xffIDAT" + zeros[:99], "truncated"),
        "pixels.pgm": (b"P5 60000 60000 255\n", "too_many_pixels"),
        "promise.ppm": (b"P6 8000 8000 65535\n" + bytes(99), "truncated"),
        "text.pgm": (b"P2 1000 1000 255\n" + b"# \n" * MEGABYTE, "truncated"),
        "number.pgm": (b"P2 1000 1000 255\n" + b"1" * 3 * MEGABYTE, "bad_data"),
        "bits.pbm": (b"P1 1500 1500\n" + b"#0\n 1 " * (MEGABYTE // 2), "truncated"),
        "header.pgm": (b"P5 " + b"#\n" * 2 * MEGABYTE, "bad_header"),
        "header.pam": (b"P7\n" + b"#\n" * 2 * MEGABYTE, "bad_header"),
    }
    for name, (data, _) in files.items():
        (tmp_path / name).write_bytes(data)
    answer = subprocess.run(
        [sys.executable, "-c", CHILD, *(str(tmp_path / name) for name in files)],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    told = json.loads(answer.stdout)
    start = told.pop("")[1]
    assert {name: outcome for name, (outcome, _) in told.items()} == {
        name: outcome for name, (_, outcome) in files.items()
    }
    # The files themselves are up to 8 MB.
    extra = {name: (peak - start) // 1024 for name, (_, peak) in told.items()}
    assert max(extra.values()) < 40, extra
