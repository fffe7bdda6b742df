"""Settings: file < environment < flag; every key is documented; mistakes are named."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from labelmill.errors import InputError, UnknownName
from labelmill.settings import Settings, default_home, load

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder without a conf file and a home without a cluster."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LABELMILL_HOME", str(tmp_path / "home"))
    return tmp_path


def write_conf(text: str) -> Path:
    path = Path("conf/labelmill.toml")
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_flag_wins_over_environment_wins_over_file(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load().buckets == 4
    write_conf("buckets = 8\nreplicas = 3\n")
    assert load().buckets == 8
    monkeypatch.setenv("LABELMILL_BUCKETS", "16")
    assert load().buckets == 16
    assert load(buckets=32).buckets == 32
    assert load(buckets=32).replicas == 3


def test_a_flag_not_given_changes_nothing_and_zero_is_a_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LABELMILL_REPLICAS", "3")
    assert load(replicas=None).replicas == 3
    assert load(replicas=0).replicas == 0
    monkeypatch.setenv("LABELMILL_KUDU_MASTERS", "a:7051")
    assert load(kudu_masters="").kudu_masters == ""


def test_conf_file_named_by_the_environment(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (nowhere / "mine.toml").write_text('table_prefix = "mine_"\n')
    monkeypatch.setenv("LABELMILL_CONF", str(nowhere / "mine.toml"))
    assert load().table_prefix == "mine_"
    monkeypatch.setenv("LABELMILL_CONF", str(nowhere / "gone.toml"))
    with pytest.raises(InputError, match=r"LABELMILL_CONF names .*gone\.toml.*not a file"):
        load()


def test_a_typing_error_in_the_file_suggests_the_right_key() -> None:
    write_conf('kudo_masters = "a:7051"\n')
    with pytest.raises(UnknownName, match=r"setting 'kudo_masters'.*Did you mean 'kudu_masters'\?"):
        load()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("buckets = \n", r"labelmill\.toml is not TOML.*line 1"),
        ("buckets = 8\nbuckets = 9\n", r"is not TOML"),
        ('buckets = "many"\n', r"setting buckets: .*integer.*received 'many'"),
        ("buckets = 1\n", r"setting buckets: .*greater than or equal to 2.*received 1"),
        ("replicas = 2\n", r"setting replicas: .*odd number.*received 2"),
        ('table_prefix = "Upper_"\n', r"setting table_prefix: .*received 'Upper_'"),
        ('row_driver = "jav"\n', r"setting row_driver: .*'java'.*received 'jav'"),
        ("timeout_seconds = 0\n", r"setting timeout_seconds: .*greater than 0"),
    ],
)
def test_an_invalid_file_is_refused(text: str, message: str) -> None:
    write_conf(text)
    with pytest.raises(InputError, match=message) as caught:
        load()
    assert caught.value.exit_code == 2


def test_a_file_that_is_not_text() -> None:
    write_conf("").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        load()


def test_every_key_is_in_the_conf_file_with_its_default_and_meaning() -> None:
    text = (ROOT / "conf" / "labelmill.toml").read_text()
    assert tomllib.loads(text) == {}, "the file that is shipped sets nothing"
    shown = tomllib.loads("\n".join(re.findall(r"^# ([a-z_]+ = .*)$", text, re.MULTILINE)))
    assert set(shown) == set(Settings.model_fields)
    words = re.sub(r"\s+", " ", re.sub(r"[#`\"]", "", text))
    for name, field in Settings.model_fields.items():
        if name != "home":
            assert shown[name] == field.default, name
        assert re.sub(r"[`\"]", "", field.description or "?").rstrip(".") in words, name


def test_every_key_is_in_the_operations_page() -> None:
    text = (ROOT / "docs" / "guides" / "operations.md").read_text()
    assert [name for name in Settings.model_fields if f"`{name}`" not in text] == []


def test_a_running_cluster_fills_what_is_not_set(nowhere: Path) -> None:
    with pytest.raises(
        InputError, match=r"no Kudu is known.*bin/labelmill up.*LABELMILL_KUDU_MASTERS"
    ):
        load().masters()
    home = nowhere / "home"
    home.mkdir()
    (home / "cluster.json").write_text(json.dumps({"kudu_masters": "x:1", "kafka_brokers": "x:2"}))
    assert (load().masters(), load().brokers()) == ("x:1", "x:2")
    assert load(kudu_masters="mine:7051").masters() == "mine:7051"


def test_home_is_found(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load().home == default_home() == nowhere / "home"
    assert load(home=Path("below")).home == nowhere / "below"
    monkeypatch.delenv("LABELMILL_HOME")
    monkeypatch.setenv("HOME", str(nowhere / "user"))
    assert default_home() == nowhere / "user" / ".labelmill"
    (nowhere / ".labelmill" / "jars").mkdir(parents=True)
    assert default_home() == nowhere / ".labelmill"
