"""Named slices on real Spark and Kudu: what the bundled ones return, what is checked, what a sheet shows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from labelmill.domain.codecs.png.codec import decode_png, encode_png
from labelmill.domain.images.image import image_id_of
from labelmill.errors import InputError, NoData, QueryRefused, UnknownName
from labelmill.pipelines.ingest.driver import ingest
from labelmill.pipelines.slices.check import check_slice
from labelmill.pipelines.slices.contact_sheet import CARDS, Sheet, read_sheet
from labelmill.pipelines.slices.preview import SlicePreview, preview_slice
from labelmill.pipelines.slices.sheet_rows import LETTERS
from labelmill.settings import Settings
from labelmill.sql import named_slices
from labelmill.sql.named_slices import NamedSlice, SliceParameter
from labelmill.store.client import RowClient
from labelmill.store.schema.tables import ALIASES, ANNOTATIONS, LABELS
from tests.conftest import ROOT
from tests.helpers.image_folders import write_image_folder

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)
OURS = {
    "collection": "c", "model": "m", "version": "2", "other_model": "m", "other_version": "1",
    "most": "3", "each": "4",
}  # fmt: skip


@pytest.fixture
def heap(spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path) -> list[str]:
    """Twelve images of ``c`` in classes a and b; ids in the order of the files.

    Version 2 of ``m`` (production) is wrong on the first two and unsure of the first five; version
    1 says a of all. A person has looked at the first, and says z.
    """
    folder = write_image_folder(tmp_path / "heap")
    ingest(spark, settings, str(folder), "c")
    files = sorted(folder.rglob("*.png"), key=lambda path: path.name)
    ids = [image_id_of(path.read_bytes()) for path in files]
    for table in (ANNOTATIONS, LABELS, ALIASES):
        client.ensure(table)
    annotation = {
        "collection": "c", "image_id": ids[0], "source": "person/ann", "class": "z",
        "annotated_at": NOW,
    }  # fmt: skip
    client.write(ANNOTATIONS, [annotation])
    label = {
        "collection": "c", "model": "m", "probabilities": b"", "entropy": 0.5, "query": "",
        "decision": "accepted", "labelled_at": NOW,
    }  # fmt: skip
    rows = []
    for number, (image_id, path) in enumerate(zip(ids, files, strict=True)):
        right = path.parent.name
        said = {"a": "b", "b": "a"}[right] if number < 2 else right
        sure = 0.5 + number / 100 if number < 5 else 0.95
        rows.append(
            {**label, "image_id": image_id, "version": 2, "class": said, "probability": sure}
        )
        rows.append({**label, "image_id": image_id, "version": 1, "class": "a", "probability": 0.6})
    client.write(LABELS, rows)
    client.write(ALIASES, [{"model": "m", "alias": "production", "version": 2, "moved_at": NOW}])
    return ids


def ours(name: str, settings: Settings) -> tuple[NamedSlice, dict[str, str]]:
    """A slice that comes with labelmill, and values for what it asks."""
    named = named_slices.load(str(ROOT / "conf/slices" / f"{name}.sql"), settings)
    known = {parameter.name for parameter in named.parameters}
    return named, named.values({k: v for k, v in OURS.items() if k in known})


def answered(
    spark: SparkSession, settings: Settings, sql: str, **values: str
) -> tuple[SlicePreview, NamedSlice]:
    parameters = tuple(SliceParameter(name, "") for name in values)
    named = NamedSlice("mine", sql, "x", parameters)
    return preview_slice(spark, settings, named, values), named


def sheet_of(spark: SparkSession, settings: Settings, sql: str, **values: str) -> Sheet:
    answer, _ = answered(spark, settings, sql, **values)
    return read_sheet(answer.rows, settings, answer.snapshot_ms)


def test_ours_answer_what_they_say(
    spark: SparkSession, settings: Settings, heap: list[str]
) -> None:
    def rows(name: str, **more: str) -> list[Mapping[str, object]]:
        named, values = ours(name, settings)
        answer = preview_slice(spark, settings, named, values | more)
        assert answer.note == "", name
        return [row.asDict() for row in answer.rows.collect()]

    found = {row["image_id"]: row["class"] for row in rows("truth")}
    assert (len(found), found[heap[0]], found[heap[1]]) == (12, "z", "b")
    before, after = NOW - timedelta(days=1), NOW + timedelta(days=1)
    assert [row["image_id"] for row in rows("corrections")] == [heap[0]]
    for since, count in ((before, 1), (after, 0)):
        assert len(rows("corrections", since=f"timestamp '{since:%Y-%m-%d %H:%M:%S}'")) == count
    # z has one image, b six, a five.
    classes = [row["class"] for row in rows("balanced")]
    assert {name: classes.count(name) for name in set(classes)} == {"a": 4, "b": 4, "z": 1}
    # The first was seen by a person; least sure first; not more than asked for.
    assert [row["image_id"] for row in rows("to_review")] == heap[1:4]
    assert [row["image_id"] for row in rows("to_review", below="0.525")] == heap[1:3]
    assert rows("to_review", alias="'challenger'") == []
    mistakes = rows("mistakes")
    assert [(row["image_id"], row["class"], row["label"]) for row in mistakes] == [
        (heap[1], "b", "a"), (heap[0], "z", "b"),
    ]  # fmt: skip
    differ = rows("disagreement", most="100")
    assert len(differ) == 6
    assert all(row["label"] == "b" and row["other_label"] == "a" for row in differ)
    assert {row["group"] for row in rows("grouped")} == {None}


def test_ours_are_checked_without_values(spark: SparkSession, settings: Settings) -> None:
    place = Settings(slices=str(ROOT / "conf/slices"))
    found = {}
    for name in named_slices.names(place):
        checked = check_slice(spark, settings, ours(name, settings)[0], {})
        assert checked.columns["image_id"] == "string", name
        found[name] = checked.freezes_to
    assert found == {
        "balanced": "images with a class",
        "corrections": "images with a class",
        "disagreement": "images alone (--no-target)",
        "grouped": "images with a class, grouped by group",
        "mistakes": "images with a class",
        "to_review": "images alone (--no-target)",
        "truth": "images with a class",
    }


BAD = [
    ("drop table images", (), QueryRefused, "."),
    ("select collection, image_id from images limit 3", (), QueryRefused, "LIMIT without ORDER BY"),
    ("select collection, image_id, rand() r from images", (), QueryRefused, "rand"),
    ("select collection, image_id from imags", (), UnknownName, "images"),
    ("select collection, image_idd from images", (), InputError, "image_id"),
    ("select collection, image_id from images where split = :s", (), InputError, ":s"),
    ("select collection, image_id from images", ("s",), UnknownName, "'s'"),
    ("select class, count(*) n from truth group by class", (), InputError, "without image_id"),
    ("selekt image_id from images", (), InputError, "not a query"),
]


@pytest.mark.parametrize(("sql", "parameters", "error", "text"), BAD)
def test_what_cannot_be_frozen_is_reported(
    spark: SparkSession,
    settings: Settings,
    sql: str,
    parameters: tuple[str, ...],
    error: type[Exception],
    text: str,
) -> None:
    named = NamedSlice("mine", sql, "x", tuple(SliceParameter(name, "") for name in parameters))
    with pytest.raises(error, match=text):
        check_slice(spark, settings, named, {})


def test_null_that_does_not_fit_asks_for_a_value(spark: SparkSession, settings: Settings) -> None:
    sql = "select collection, image_id, class from truth order by all limit :n"
    named = NamedSlice("mine", sql, "x", (SliceParameter("n", ""),))
    with pytest.raises(InputError, match=r"null for n\); give --param n=… to check this"):
        check_slice(spark, settings, named, {})
    assert check_slice(spark, settings, named, {"n": "3"}).freezes_to == "images with a class"
    worse = NamedSlice("mine", sql.replace(" class", " klass"), "x", named.parameters)
    with pytest.raises(UnknownName, match="Did you mean 'class'"):
        check_slice(spark, settings, worse, {"n": "3"})


def test_a_slice_that_does_not_repeat_is_shown_with_the_reason(
    spark: SparkSession, settings: Settings, heap: list[str]
) -> None:
    answer, _ = answered(spark, settings, "select collection, image_id from images limit 3")
    assert "cannot be frozen: LIMIT without ORDER BY" in answer.note
    assert answer.rows.count() == 3
    with pytest.raises(QueryRefused):
        answered(spark, settings, "select * from text.`/etc/passwd`")


def test_a_small_slice_is_shown_whole_and_in_its_order(
    spark: SparkSession, settings: Settings, heap: list[str], tmp_path: Path
) -> None:
    sql = (
        "select t.collection, t.image_id, t.class, if(t.class = 'b', 'test', null) as split, "
        "repeat('x', 1000) as long, i.uri, i.pixels from truth t join images i "
        "on i.image_id = t.image_id where t.collection = :collection order by i.uri desc"
    )
    sheet = sheet_of(spark, settings, sql, collection="c")
    assert (sheet.rows, sheet.whole, sheet.more_classes) == (12, True, 0)
    assert sheet.counts == {"b": {"test": 6}, "a": {None: 5}, "z": {None: 1}}
    assert sheet.splits == {"test": 6, None: 6}
    assert list(sheet.groups) == ["b", "a", "z"]
    uris = [card.facts["uri"] for card in sheet.groups["b"]]
    assert uris == sorted(uris, reverse=True)
    for cards in sheet.groups.values():
        for card in cards:
            assert card.facts["long"] == "x" * LETTERS + "…"
            file = (tmp_path / "heap" / str(card.facts["uri"])).read_bytes()
            assert card.png is not None
            assert (decode_png(card.png) == decode_png(file)).all()


def test_of_a_large_slice_each_class_shows_some_and_all_are_counted(
    spark: SparkSession, settings: Settings, tmp_path: Path
) -> None:
    ingest(spark, settings, str(write_image_folder(tmp_path / "many", CARDS + 50, "aab")), "c")
    sql = "select collection, image_id, class from truth"
    sheet = sheet_of(spark, settings, sql)
    assert (sheet.rows, sheet.whole) == (450, False)
    assert sheet.counts == {"a": {None: 300}, "b": {None: 150}}
    assert {name: len(cards) for name, cards in sheet.groups.items()} == {"a": 200, "b": 150}
    assert all(card.png for cards in sheet.groups.values() for card in cards)
    again = sheet_of(spark, settings, sql + " order by image_id")
    assert again.groups == sheet.groups, "the draw depends on the ids only"
    # Rows without a class are a group too; rows with several are one group.
    none = sheet_of(spark, settings, sql.replace(" class", " nullif(class, 'a') as class"))
    assert {name: len(cards) for name, cards in none.groups.items()} == {None: 200, "b": 150}
    several = sheet_of(
        spark, settings, sql.replace(" class", " array('z', class, 'z', null) as classes")
    )
    assert several.counts == {"z": {None: 450}, "a": {None: 300}, "b": {None: 150}}
    assert several.rows == 450
    assert [len(cards) for cards in several.groups.values()] == [CARDS]
    assert set(several.groups[None][0].classes) in ({"a", "z"}, {"b", "z"})


def test_masks_and_records_and_images_that_are_gone(
    spark: SparkSession, settings: Settings, heap: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "masks" / "m"
    folder.mkdir(parents=True)
    (folder / "0.png").write_bytes(encode_png(np.eye(4, dtype=np.uint8)[..., None]))
    ingest(spark, settings, str(tmp_path / "masks"), "masks")
    pairs = sheet_of(
        spark, settings,
        "select i.collection, i.image_id, m.image_id as mask_id, m.collection as mask_collection "
        "from images i cross join images m where i.collection = 'c' and m.collection = 'masks'",
    )  # fmt: skip
    for card in pairs.groups[None]:
        assert card.png is not None
        assert card.mask is not None
        assert (decode_png(card.mask)[..., 0] == np.eye(4) * 255).all()
    records = sheet_of(
        spark, settings, "select collection, image_id as record_id, class, 7 as age from truth"
    )
    assert records.groups["z"][0].facts == {"age": "7"}
    assert records.groups["z"][0].png is None
    gone = sheet_of(spark, settings, "select 'c' as collection, 'x' as image_id, 'a' as class")
    assert gone.groups["a"][0].png is None
    nameless = sheet_of(
        spark, settings, "select 'c' as collection, cast(null as string) as image_id"
    )
    assert (nameless.rows, nameless.groups[None][0].id) == (1, "")
    with pytest.raises(NoData, match="nothing to show"):
        sheet_of(spark, settings, "select collection, image_id from images where false")
