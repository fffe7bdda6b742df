"""Named slices: headers, parameters, and invalid files."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelmill.errors import InputError, UnknownName
from labelmill.settings import Settings
from labelmill.sql.named_slices import NamedSlice, SliceParameter, folder, load, names, parse

ROOT = Path(__file__).parents[3]

FILE = """-- description: Corrections since a day,
--   to be learned from first.
--
-- Asked for by the people of the second shift.
-- param collection: the collection
-- param since = timestamp '2026-01-01 00:00:00': from when on, so: UTC
-- param most=10: images at most

select collection, image_id -- not a header
from truth where collection = :collection
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "corrections.sql").write_text(FILE)
    (mine / "plain.sql").write_text("-- description: x\nselect 1 as a")
    (mine / "Not a name.sql").write_text("-- description: x\nselect 1 as a")
    (mine / "notes.txt").write_text("no slice")
    return Settings(slices=str(mine))


def test_the_header_is_read_and_the_query_stays_as_it_is(settings: Settings) -> None:
    assert names(settings) == ["corrections", "plain"]
    found = load("corrections", settings)
    assert found.name == "corrections"
    assert found.description == "Corrections since a day, to be learned from first."
    assert found.parameters == (
        SliceParameter("collection", "the collection"),
        SliceParameter("since", "from when on, so: UTC", "timestamp '2026-01-01 00:00:00'"),
        SliceParameter("most", "images at most", "10"),
    )
    assert found.sql == (
        "select collection, image_id -- not a header\nfrom truth where collection = :collection"
    )


def test_a_file_is_read_by_its_path(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "other.sql").write_text("\ufeff-- description: y\nselect 2 as b\n")
    path = str(tmp_path / "other.sql")
    assert load(path, settings) == NamedSlice("other", "select 2 as b", "y", (), path)
    with pytest.raises(InputError, match=r"gone\.sql' cannot be read: No such file"):
        load(str(tmp_path / "gone.sql"), settings)


def test_defaults_fill_what_is_not_given(settings: Settings) -> None:
    found = load("corrections", settings)
    assert found.values({"collection": "c", "most": ""}) == {
        "collection": "c",
        "since": "timestamp '2026-01-01 00:00:00'",
        "most": "",
    }
    with pytest.raises(
        InputError, match=r"needs collection \(the collection\); give --param collection=…"
    ):
        found.values({})
    with pytest.raises(UnknownName, match=r"parameter of slice 'corrections' 'sinse'.*'since'\?"):
        found.values({"collection": "c", "sinse": "x"})


def test_an_unknown_name_suggests_the_closest_match(settings: Settings) -> None:
    with pytest.raises(UnknownName, match=r"'correction'.*Did you mean 'corrections'\?"):
        load("correction", settings)
    with pytest.raises(UnknownName):
        load("..", settings)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("select 1", "has no description"),
        ("-- description:\nselect 1", "has no description"),
        ("-- description: x\n-- only comments\n", "has no query"),
        ("", "has no query"),
        ("-- description: x\n-- param collection\nselect 1", "`-- param collection`; expected"),
        ("-- description: x\n-- param 2nd: no name\nselect 1", "`-- param 2nd: no name`"),
        (
            "-- description: x\n-- param a: one\n-- param a = 2: two\nselect :a",
            "declares a twice",
        ),
    ],
)
def test_what_is_not_a_named_slice_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(text, "mine")


def test_files_without_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.sql"
    path.write_bytes(b"-- description: \xff\nselect 1")
    with pytest.raises(InputError, match="not UTF-8"):
        load(str(path), Settings())
    path.write_bytes(b"-- description: x\nselect '" + b"x" * (256 << 10))
    with pytest.raises(InputError, match="larger than 256 KiB"):
        load(str(path), Settings())


def test_the_folder_is_the_setting_else_the_working_folders_else_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert folder(Settings()) == ROOT / "conf" / "slices"
    (tmp_path / "conf/slices").mkdir(parents=True)
    assert folder(Settings()).resolve() == tmp_path / "conf/slices"
    with pytest.raises(InputError, match="'gone' is not a folder"):
        folder(Settings(slices="gone"))


def test_every_slice_that_comes_with_labelmill_is_one() -> None:
    ours = Settings(slices=str(ROOT / "conf" / "slices"))
    assert len(names(ours)) >= 5
    for name in names(ours):
        found = load(name, ours)
        for parameter in found.parameters:
            assert f":{parameter.name}" in found.sql, (name, parameter.name)
