"""What ``bin/test --cov`` prints."""

from __future__ import annotations

from tests import line_coverage
from tests.line_coverage import Module, summary, unnamed


def test_modules_below_the_aim_are_listed_worst_first() -> None:
    text = summary(
        [
            Module("labelmill.domain.retention", 100, 94),
            Module("labelmill.domain.timestamps", 100, 95),
            Module("labelmill.cli.sql", 100, 90),
            Module("labelmill.cli.digest", 200, 20),
            Module("labelmill.bus", 0, 0),
        ],
        ["labelmill.cli.digest"],
    )
    assert text.splitlines() == [
        "line coverage of lib/: 59.8 % of 500 lines",
        "(wanted: 90 %; 95 % of each pure module)",
        "  10.0 %    200  labelmill.cli.digest",
        "  94.0 %    100  labelmill.domain.retention  pure",
        "modules that no test imports or names: 1",
        "  labelmill.cli.digest",
    ]
    assert summary([Module("labelmill.errors", 1, 1)], []).endswith("names: none")


def test_a_module_is_named_by_an_import_or_in_a_text() -> None:
    code = "x = 1"
    modules = {
        "labelmill.a": code, "labelmill.b": code, "labelmill.c.d": code, "labelmill.c.e": code,
        "labelmill.c": '"""Nothing but a docstring."""', "labelmill.f": code,
    }  # fmt: skip
    tests = [
        "import labelmill.a\nfrom labelmill.b import x\nfrom labelmill.c import d",
        "run('-m', 'labelmill.c.e')",
    ]
    assert unnamed(modules, tests) == ["labelmill.f"]
    assert unnamed({"labelmill.f": code}, []) == ["labelmill.f"]


def test_every_pure_room_is_there() -> None:
    found = line_coverage.module_files()
    assert [one for one in line_coverage.PURE if one not in found] == []
