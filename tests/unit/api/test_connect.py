"""Opening and closing, and arguments that are refused before any server is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

import labelmill
from labelmill.errors import InputError, UnknownName

NOWHERE = "127.0.0.1:1"


@pytest.fixture
def mill(tmp_path: Path) -> labelmill.Connection:
    return labelmill.connect(home=tmp_path, kudu_masters=NOWHERE, progress=False)


def test_keywords_are_settings(tmp_path: Path) -> None:
    mill = labelmill.connect(
        home=tmp_path, kudu_masters=NOWHERE, table_prefix="mine_", training_sets=tmp_path, buckets=2
    )
    settings = mill.settings
    assert (settings.home, settings.kudu_masters) == (tmp_path, NOWHERE)
    assert (settings.table_prefix, settings.training_sets) == ("mine_", str(tmp_path))
    assert settings.buckets == 2


def test_settings_are_inherited_and_keywords_override_them(mill: labelmill.Connection) -> None:
    other = labelmill.connect(mill.settings, table_prefix="other_")
    assert other.settings.table_prefix == "other_"
    assert other.settings.home == mill.settings.home
    assert labelmill.connect(mill.settings).settings is mill.settings


def test_a_wrong_keyword_suggests_the_right_one() -> None:
    with pytest.raises(UnknownName, match=r"connect\(\) 'kudu_master'.*mean 'kudu_masters'"):
        labelmill.connect(kudu_master=NOWHERE)


def test_a_wrong_value_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="setting buckets"):
        labelmill.connect(home=tmp_path, kudu_masters=NOWHERE, buckets=1)


def test_a_missing_kudu_is_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no Kudu is known"):
        labelmill.connect(home=tmp_path)


@pytest.mark.parametrize(
    ("method", "wrong", "right"),
    [
        ("table", "snapshots", "snapshot"),
        ("ingest", "colection", "collection"),
        ("freeze", "nam", "name"),
        ("train", "paralel", "parallel"),
        ("evaluate", "max_err", "max_error"),
        ("predict", "treshold", "threshold"),
    ],
)
def test_a_wrong_argument_suggests_the_right_one(
    mill: labelmill.Connection, method: str, wrong: str, right: str
) -> None:
    with pytest.raises(UnknownName, match=rf"{method}\(\) '{wrong}'.*Did you mean '{right}'"):
        getattr(mill, method)("x", **{wrong: 1})


def test_a_wrong_table_suggests_the_right_one(mill: labelmill.Connection) -> None:
    with pytest.raises(UnknownName, match=r"table 'image'.*Did you mean 'images'"):
        mill.table("image")


def test_a_closed_connection_says_so(mill: labelmill.Connection) -> None:
    with mill:
        assert "open" in repr(mill)
    mill.close()
    assert "closed" in repr(mill)
    for use in (
        lambda: mill.spark,
        lambda: mill.table("images"),
        lambda: mill.sql("select 1"),
        lambda: mill.training_set("x"),
        lambda: mill.model("x"),
        lambda: mill.ingest("x", "c"),
        lambda: mill.predict("x", collection="c"),
        mill.__enter__,
    ):
        with pytest.raises(InputError, match="this connection is closed"):
            use()


def test_what_to_freeze_is_one_thing(mill: labelmill.Connection) -> None:
    with pytest.raises(InputError, match="give one of a query"):
        mill.freeze(name="x")
    with pytest.raises(InputError, match="give one of a query"):
        mill.freeze("select 1", name="x", collection="c")
    with pytest.raises(UnknownName, match=r"'mistake'.*Did you mean 'mistakes'"):
        mill.freeze("mistake", name="x")


def test_what_to_label_is_one_thing(mill: labelmill.Connection) -> None:
    with pytest.raises(InputError, match="either collection or sql"):
        mill.predict("digits")
    with pytest.raises(InputError, match="'digits:'"):
        mill.predict("digits:", collection="c")


def test_a_session_has_its_master(tmp_path: Path) -> None:
    session: object = object()
    with pytest.raises(InputError, match="either master or spark"):
        labelmill.connect(home=tmp_path, kudu_masters=NOWHERE, master="local[1]", spark=session)
