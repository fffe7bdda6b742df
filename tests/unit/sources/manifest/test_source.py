"""Manifests: what a row declares about a file, and invalid rows."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelmill.errors import InputError, UnknownName
from labelmill.sources import base
from labelmill.sources.base import FILES, SourceOptions
from labelmill.sources.manifest import rows as manifest_rows
from labelmill.sources.manifest.columns import EXPORT_COLUMNS
from labelmill.sources.manifest.source import ManifestSource

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a manifest; returns its path."""

    def written(text: str | bytes, name: str = "m.csv") -> str:
        data = text.encode() if isinstance(text, str) else text
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return str(tmp_path / name)

    return written


def _files(source: str, **options: Any) -> list[dict[str, Any]]:
    found = ManifestSource(SourceOptions(source, **options))
    rows = [row for wave in found.waves() for row in wave.files.to_pylist()]  # type: ignore[union-attr]
    assert found.total == len(rows)
    return rows


def _without_nulls(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def test_a_row_says_everything(write: Write, tmp_path: Path) -> None:
    source = write(
        "uri,label,split,source_time,weight,note,empty\n"
        'train/a.png,cat,Val,2024-05-01T12:30:00+02:00,0.50,"two, ""quoted""\nlines",\n'
        "\n"
        "b.png,,,,007,,\n"
    )
    first, second = _files(source)
    assert list(first) == FILES.names
    assert _without_nulls(first) == {
        "uri": "train/a.png",
        "size": 0,
        "class": "cat",
        "split": "validation",
        "origin": "manifest",
        "attributes": '{"note": "two, \\"quoted\\"\\nlines", "weight": 0.50}',
        "source_time": datetime(2024, 5, 1, 10, 30, tzinfo=timezone.utc),
    }
    # No class, and no rule that would look for one in the path: the manifest says there is none.
    expected = {"uri": "b.png", "size": 0, "origin": "manifest", "attributes": '{"weight": "007"}'}
    assert _without_nulls(second) == expected
    assert ManifestSource(SourceOptions(source)).root == str(tmp_path)


def test_a_column_of_attributes_is_a_json_object(write: Write) -> None:
    source = write('uri,attributes,b\n1.png,"{""a"": 1.50, ""b"": 1}",2\n2.png,,\n3.png,{},\n')
    attributes = [row["attributes"] for row in _files(source)]
    assert attributes == ['{"a": 1.5, "b": 2}', None, None]
    # Alone it stays as it is, to the letter.
    (row,) = _files(write('uri,attributes\n1.png,"{""b"":1.50,""a"":{}}"\n'))
    assert row["attributes"] == '{"b":1.50,"a":{}}'
    for wrong in ("x", "[1]", '"{""a"": "', '"{""a"": NaN}"'):
        with pytest.raises(InputError, match=r"line 2: attributes .* expected a JSON object"):
            _files(write(f"uri,attributes\n1.png,{wrong}\n"))


def test_columns_that_an_export_adds_are_not_attributes(write: Write) -> None:
    names = ["uri", "attributes", *EXPORT_COLUMNS]
    (row,) = _files(write(",".join(names) + "\n1.png," + "," * len(EXPORT_COLUMNS) + "\n"))
    assert row["attributes"] is None
    # Some of these names alone are anybody's.
    (row,) = _files(write("uri,width\n1.png,28\n"))
    assert row["attributes"] == '{"width": 28}'


def test_without_a_label_column_the_labelling_rule_applies(write: Write) -> None:
    [row] = _files(write("uri\ncat/1.png\n"))
    assert row["origin"] is None
    assert row["class"] is None


@pytest.mark.parametrize(
    "text",
    [
        "path;class\na.png;cat\n",
        "FileName,Class\r\na.png,cat\r\n",
        "\ufeffuri,label\na.png,cat",
        "label,image\n cat ,a.png\n",
    ],
)
def test_dialects_and_names_of_columns(write: Write, text: str) -> None:
    for name in ("m.csv", "m.csv.gz"):
        [row] = _files(write(text, name))
        assert (row["uri"], row["class"], row["attributes"]) == ("a.png", "cat", None)


def test_tabs_and_the_first_of_two_columns_of_paths(write: Write) -> None:
    [row] = _files(write("image\turi\tlabel\tclass\nI\ta,b.png\tcat\tdog\n", "m.tsv"))
    assert (row["uri"], row["class"]) == ("a,b.png", "cat")
    assert json.loads(row["attributes"]) == {"image": "I", "class": "dog"}


def test_a_path_made_of_columns(write: Write) -> None:
    source = write("id,label,set\n7,cat,train\n")
    [row] = _files(source, uri="{set}/{id}.png")
    assert (row["uri"], row["class"]) == ("train/7.png", "cat")
    assert json.loads(row["attributes"]) == {"id": 7, "set": "train"}
    with pytest.raises(UnknownName, match=r"column in --uri '\{ID\}.png' 'ID'.*id, label, set"):
        _files(source, uri="{ID}.png")


def test_paths_that_leave_the_folder_are_faults(write: Write, tmp_path: Path) -> None:
    inside = tmp_path / "a b.png"
    rows = _files(
        write(
            f"uri,label,x\n../1.png,cat,1\n/etc/passwd,cat,1\ns3://b/1.png,cat,1\n{inside},cat,1\n"
        )
    )
    assert [row["uri"] for row in rows] == ["../1.png", "/etc/passwd", "s3://b/1.png", "a b.png"]
    assert [(row["fault"] or "").split(":")[0] for row in rows] == ["outside_root"] * 3 + [""]
    # The folder may be reached by a link, and the paths be written by its real name.
    (tmp_path / "link").symlink_to(tmp_path)
    assert _files(str(tmp_path / "link" / "m.csv")) == rows


def test_a_nul_never_reaches_the_disk(write: Write) -> None:
    [row] = _files(write("uri\na\0.png\n"))
    assert row["uri"] == "a\\x00.png"
    assert row["fault"].startswith("unreadable: the path holds a NUL")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("id,name\n1,2\n", r"no path column; it has id, name. Name one 'filename'"),
        ("a,b\n1,2\n", r"Name one 'uri', or say how a path is built: --uri 'train/\{a\}.png'"),
        ("uri,x,x\na,1,2\n", r"\['x'\] name no column, or more than one"),
        ("uri,\na,1\n", "name no column"),
        ("uri,label\na.png,1\n\nb.png\n", r"line 4: 1 cells, expected 2 \(uri, label\)"),
        ('uri,label\n"a\nb.png",1\nb.png,2,3\n', "line 4: 3 cells"),
        ('uri,label\na.png,"cat\n', "line 2: unexpected end of data"),
        ("uri,label\n,cat\n", "line 2: uri is empty; expected a path"),
        ("uri,split\na.png,extra\n", "line 2: split 'extra'; expected train, validation, test or"),
        ("uri,source_time\na.png,yesterday\n", "line 2: 'yesterday' is not a time"),
        ("uri\nü.png\n".encode("latin-1"), "line 2 is not UTF-8: byte 0xfc at position 1"),
        ("uri,label\n".encode("utf-16"), "line 1 is not UTF-8"),
    ],
)
def test_an_invalid_manifest_is_refused_before_any_file_is_read(
    write: Write, text: str | bytes, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        ManifestSource(SourceOptions(write(text)))


def test_a_file_without_lines_costs_no_memory(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest_rows, "LINE_BYTES", 1000)
    with pytest.raises(InputError, match="line 2 has more than 1,000 bytes; is it a CSV file"):
        ManifestSource(SourceOptions(write("uri\n" + "x" * 1001)))


def test_a_damaged_gzip_says_so(write: Write, tmp_path: Path) -> None:
    source = Path(write("uri\n" + "a.png\n" * 1000, "m.csv.gz"))
    source.write_bytes(source.read_bytes()[:-8])
    with pytest.raises(InputError, match="is damaged"):
        ManifestSource(SourceOptions(str(source)))


def test_limit_and_waves(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "WAVE_FILES", 2)
    source = write("uri\n" + "".join(f"{i}.png\n" for i in range(9)))
    found = ManifestSource(SourceOptions(source, limit=5))
    waves = [[row["uri"] for row in wave.files.to_pylist()] for wave in found.waves()]  # type: ignore[union-attr]
    assert waves == [["0.png", "1.png"], ["2.png", "3.png"], ["4.png"]]
    assert found.total == 5


def test_attributes_fill_a_wave_too(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "WAVE_BYTES", 100)
    source = write("uri,x\n" + f"a.png,{'y' * 60}\n" * 4)
    counts = [wave.count for wave in ManifestSource(SourceOptions(source)).waves()]
    assert counts == [2, 2]


def test_the_same_image_twice_with_two_labels_stays_two_rows(write: Write) -> None:
    rows = _files(write("uri,label\na.png,cat\na.png,dog\n"))
    assert [(row["uri"], row["class"]) for row in rows] == [("a.png", "cat"), ("a.png", "dog")]


def test_parquet_with_types_of_its_own(tmp_path: Path) -> None:
    source = tmp_path / "m.parquet"
    moment = datetime(2024, 5, 1, 12, 30)
    table = pa.table(
        {
            "path": ["a.png", "b.png"],
            "label": pa.array([3.0, None]),
            "source_time": pa.array([moment, None], pa.timestamp("ns")),
            "code": ["007", None],
            "box": [{"x": 1}, None],
            "score": [float("nan"), 0.5],
            "kind": pa.array(["k", "l"]).dictionary_encode(),
        }
    )
    pq.write_table(table, source)
    first, second = _files(str(source))
    assert (first["uri"], first["class"], second["class"]) == ("a.png", "3", None)
    assert first["source_time"] == moment.replace(tzinfo=timezone.utc)
    assert json.loads(first["attributes"]) == {"box": {"x": 1}, "code": "007", "kind": "k"}
    assert json.loads(second["attributes"]) == {"score": 0.5, "kind": "l"}


def test_a_folder_of_parquet_files_as_spark_writes_it(tmp_path: Path) -> None:
    # Files may differ in their types; a part of the columns may be in the names of folders.
    for label, column in (("cat", [1, 2]), ("dog", ["x"])):
        part = tmp_path / "m.parquet" / f"label={label}"
        part.mkdir(parents=True)
        uris = [f"{label}/{i}.png" for i in range(len(column))]
        times = pa.array([date(2024, 5, 1)] * len(column))
        table = pa.table({"uri": uris, "x": column, "source_time": times})
        pq.write_table(table, part / "part-0.parquet")
    (tmp_path / "m.parquet" / "_SUCCESS").touch()
    found = ManifestSource(SourceOptions(f"{tmp_path}/m.parquet/"))
    assert found.root == str(tmp_path)
    rows = _files(f"{tmp_path}/m.parquet/")
    assert [(r["uri"], r["class"], r["attributes"]) for r in rows] == [
        ("cat/0.png", "cat", '{"x": 1}'),
        ("cat/1.png", "cat", '{"x": 2}'),
        ("dog/0.png", "dog", '{"x": "x"}'),
    ]
    assert rows[0]["source_time"] == datetime(2024, 5, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"uri": ["a"], "label": [0.5]}, "row 1 of m.parquet: label 0.5; expected text or a whole"),
        ({"uri": ["a"], "label": [["a"]]}, r"label \['a'\]; expected text"),
        ({"uri": [{"bytes": b"x"}]}, "uri is .*expected a path"),
        ({"uri": ["a"], "x": [b"\xff"]}, "'x' holds bytes, which cannot be an attribute"),
        ({"uri": ["a"], "source_time": [17]}, "source_time 17; expected ISO 8601"),
    ],
)
def test_invalid_parquet(tmp_path: Path, columns: dict[str, list[Any]], message: str) -> None:
    pq.write_table(pa.table(columns), tmp_path / "m.parquet")
    with pytest.raises(InputError, match=message):
        ManifestSource(SourceOptions(str(tmp_path / "m.parquet")))


def test_a_file_that_is_not_parquet(write: Write) -> None:
    with pytest.raises(InputError, match="is not Parquet"):
        ManifestSource(SourceOptions(write("uri\na.png\n", "m.parquet")))


def test_labels_of_cifar10(data: Path) -> None:
    source = data / "images" / "cifar10" / "labels.csv"
    with pytest.raises(InputError, match="it has id, label"):
        ManifestSource(SourceOptions(str(source)))
    rows = _files(str(source), uri="train/{id}.png")
    assert len(rows) == 1000
    assert len({row["class"] for row in rows}) == 10
    assert all((source.parent / row["uri"]).is_file() for row in rows)
