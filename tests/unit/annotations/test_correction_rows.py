"""Corrections from files, and how they wait on disk."""

from __future__ import annotations

import gzip
from datetime import datetime, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelmill.annotations.correction_rows import read_file, rows_of
from labelmill.annotations.spool import CorrectionSpool
from labelmill.domain.images.corrections import Correction
from labelmill.errors import InputError

NOON, ONE = (datetime(2026, 6, 1, hour, tzinfo=timezone.utc) for hour in (12, 13))


def test_rows_of_a_csv_file_have_lines_and_ragged_ones_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    text = 'image_id;class;probability;why\nabcdef;7;0.5;"a;\nb"\n\nabcdef;7\nabcdee;8;0.5;;\n'
    path.write_text(text)
    given = read_file(str(path))
    assert (given.origin, given.ignored) == ("c.csv", ("probability",))
    rows = list(given.rows)
    assert [(row.position, row.fault) for row in rows] == [
        ("line 2", ""),
        ("line 5", "2 cells, expected 4 as in the first line"),
        ("line 6", "5 cells, expected 4 as in the first line"),
    ]
    assert rows[0].cells == {
        "image_id": "abcdef",
        "class": "7",
        "probability": "0.5",
        "why": "a;\nb",
    }
    packed = tmp_path / "c.csv.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    assert list(read_file(str(packed)).rows) == rows


def test_rows_of_a_parquet_file_and_of_python(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    pq.write_table(pa.table({"image_id": ["abcdef"], "class": [7], "annotated_at": [NOON]}), path)
    [row] = read_file(str(path)).rows
    assert (row.position, row.cells["class"], row.cells["annotated_at"]) == (
        "row 1 of c.parquet", 7, NOON,
    )  # fmt: skip
    assert [one.cells for one in rows_of({"abcdef": "7"}).rows] == [
        {"image_id": "abcdef", "class": "7"}
    ]
    assert [one.position for one in rows_of([{}, {}]).rows] == ["row 1", "row 2"]


def test_a_file_that_holds_no_corrections_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("image,class\na,b\n")
    with pytest.raises(InputError, match="has no column image_id; it has: image, class"):
        read_file(str(path))
    with pytest.raises(InputError, match="cannot be read"):
        read_file(str(tmp_path / "none.csv"))


def said(image: str, label: str, at: datetime | None = None, person: str = "ada") -> Correction:
    return Correction("", image, label, person, at)


def test_the_spool_keeps_an_images_rows_together_and_in_order_of_time() -> None:
    with CorrectionSpool() as spool:
        spool.add([said("b", "1"), said("a", "1"), said("c", "1", ONE), said("b", "2", NOON)])
        spool.add([said("c", "2", NOON), said("b", "3", NOON, "bob"), said("a", "1")])
        assert list(spool.remove_contradictions()) == []
        assert len(spool) == 7
        assert list(spool.pieces(2)) == [
            [said("a", "1"), said("a", "1"), said("b", "2", NOON), said("b", "1"),
             said("b", "3", NOON, "bob")],
            [said("c", "2", NOON), said("c", "1", ONE)],
        ]  # fmt: skip


def test_two_classes_at_one_time_contradict_each_other() -> None:
    with CorrectionSpool() as spool:
        spool.add([said("a", "1"), said("b", "2"), said("b", "1"), said("c", "1", NOON)])
        spool.add([said("c", "2", ONE), said("d", "1", NOON), said("d", "2", NOON)])
        spool.add([said("b", "7", None, "bob")])
        refused = [
            (one.image, one.label, classes) for one, classes in spool.remove_contradictions()
        ]
        assert refused == [
            ("b", "2", ["1", "2"]), ("b", "1", ["1", "2"]),
            ("d", "1", ["1", "2"]), ("d", "2", ["1", "2"]),
        ]  # fmt: skip
        assert [one.image for piece in spool.pieces(10) for one in piece] == ["a", "b", "c", "c"]
