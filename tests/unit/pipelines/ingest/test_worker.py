"""What a worker does with files, as a dry run: everything but writing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from labelmill.domain.codecs.png.codec import encode_png
from labelmill.domain.images.folders import ALONE
from labelmill.domain.images.image import image_id_of
from labelmill.domain.images.label_rules import parse_label_rule
from labelmill.errors import InputError
from labelmill.pipelines.ingest import batch as batch_module
from labelmill.pipelines.ingest.batch import LABEL_BYTES, NAME_BYTES, NO_ID, SUMMARY, metadata_of
from labelmill.pipelines.ingest.task import IngestTask
from labelmill.pipelines.ingest.worker import ingest_batches, ingest_stream
from labelmill.settings import Settings
from labelmill.sources.base import FILES

PNG = encode_png(np.arange(16, dtype=np.uint8).reshape(4, 4, 1))


def task(root: str = "", labels: str = "folder") -> IngestTask:
    now = datetime(2026, 1, 2, tzinfo=timezone.utc)
    return IngestTask(Settings(), "c", root, parse_label_rule(labels), now, dry_run=True)


def files(*rows: dict[str, Any]) -> pa.RecordBatch:
    full = [{"size": len(row.get("data") or b""), **row} for row in rows]
    return pa.RecordBatch.from_pylist(full, schema=FILES)


def run(*rows: dict[str, Any], root: str = "", labels: str = "folder") -> dict[str, Any]:
    """The one summary of these files."""
    (summary,) = ingest_batches(iter([files(*rows)]), task(root, labels))
    assert summary.schema == SUMMARY
    (row,) = summary.to_pylist()
    return row  # type: ignore[no-any-return]


def test_good_files_have_their_ids_in_order(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/1.png").write_bytes(PNG)
    row = run({"uri": "a/1.png"}, {"uri": "2.png", "data": PNG}, root=str(tmp_path))
    assert row["ids"] == bytes.fromhex(image_id_of(PNG)) * 2
    assert (row["files"], row["bytes"], row["annotations"]) == (2, 2 * len(PNG), 1)
    assert (row["reasons"], row["samples"]) == ([], [])


@pytest.mark.parametrize(
    ("file", "reason", "message"),
    [
        ({"uri": "x.png", "data": b"no picture"}, "not_png", ""),
        ({"uri": "x.png", "data": PNG[:-20]}, "truncated", ""),
        ({"uri": "x.png", "fault": "encrypted: the member is encrypted"}, "encrypted", "the member is encrypted"),
        ({"uri": "x.png", "size": 1 << 40}, "too_large", "unpack the archive for larger ones"),
        ({"uri": "x" * (NAME_BYTES + 1) + ".png", "data": PNG}, "name_too_long", "names of up to 8,192 bytes"),
        ({"uri": "x.png", "data": PNG, "origin": "idx", "class": "x" * (LABEL_BYTES + 1)}, "bad_label", "a class of 1,025"),
    ],
)  # fmt: skip
def test_a_bad_file_is_counted_and_the_next_one_is_ingested(
    file: dict[str, Any], reason: str, message: str
) -> None:
    row = run(file, {"uri": "good.png", "data": PNG})
    assert row["ids"] == NO_ID + bytes.fromhex(image_id_of(PNG))
    assert (row["files"], row["reasons"]) == (2, [(reason, 1)])
    ((uri, found, text),) = row["samples"]
    assert found == reason
    assert message in text
    assert len(uri) <= 200


def test_attributes_that_are_not_json_are_a_bad_file() -> None:
    # A pattern of file names gives attributes of its own, which are merged with those of the source.
    bad = {"uri": "cat.7.png", "data": PNG, "attributes": "{"}
    row = run(bad, {**bad, "attributes": "{}"}, labels="{class}.{number}.png")
    assert row["reasons"] == [("bad_attributes", 1)]
    assert row["samples"][0][2].startswith("not a JSON object: ")


def test_a_file_that_cannot_be_read_is_bad(tmp_path: Path) -> None:
    row = run({"uri": "none.png"}, {"uri": "good.png", "data": PNG}, root=str(tmp_path))
    assert row["reasons"] == [("unreadable", 1)]
    assert "No such file" in row["samples"][0][2]


def test_a_folder_that_this_worker_does_not_see_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not visible on worker"):
        run({"uri": "1.png"}, root=str(tmp_path / "nowhere"))


def test_batches_are_written_when_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_module, "BATCH_FILES", 3)
    stream: Iterator[pa.RecordBatch] = iter(
        [files(*({"uri": f"{n}.png", "data": PNG} for n in range(4)))] * 2
    )
    counts = [batch.to_pylist()[0]["files"] for batch in ingest_batches(stream, task())]
    assert counts == [3, 3, 2]


def test_a_stream_gives_a_stream_of_summaries() -> None:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, FILES) as writer:
        writer.write_batch(files({"uri": "1.png", "data": PNG}))
    (answer,) = ingest_stream(task(), sink.getvalue().to_pybytes())
    table = pa.ipc.open_stream(answer).read_all()
    assert (table.schema, table["files"].to_pylist()) == (SUMMARY, [1])
    empty = pa.BufferOutputStream()
    with pa.ipc.new_stream(empty, FILES):
        pass
    assert ingest_stream(task(), empty.getvalue().to_pybytes()) == []


def test_what_the_source_says_wins_over_the_path() -> None:
    rule = parse_label_rule("folder")
    path = "train/cat/1.png"
    assert metadata_of(rule, ALONE, path, None, None, None, None) == ("cat", "train", None)
    assert metadata_of(rule, ALONE, path, "dog", "test", '{"a": 1}', "idx") == (
        "dog",
        "test",
        '{"a": 1}',
    )
    # A manifest with an empty cell says that there is no class.
    assert metadata_of(rule, ALONE, path, None, None, None, "manifest") == (None, "train", None)
    pattern = parse_label_rule("{class}.{number}.png")
    assert metadata_of(pattern, ALONE, "cat.7.png", None, None, '{"number": 8, "a": 1}', None) == (
        "cat",
        None,
        '{"a": 1, "number": 8}',
    )
