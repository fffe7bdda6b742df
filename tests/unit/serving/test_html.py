"""What all pages share."""

from __future__ import annotations

import base64
from pathlib import Path

import jinja2
import pytest

from labelmill.serving import html


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"), (999, "999 B"), (1000, "1.0 KB"), (9_949, "9.9 KB"), (12_345, "12 KB"),
        (2_500_000, "2.5 MB"), (99e9, "99 GB"), (1.25e15, "1,250.0 TB"),
    ],
)  # fmt: skip
def test_sizes(count: float, text: str) -> None:
    assert html.size(count) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0 %"), (1e-9, "< 0.1 %"), (0.0004, "< 0.1 %"), (0.0005, "0.1 %"), (1, "100.0 %")],
)
def test_shares(share: float, text: str) -> None:
    assert html.percent(share) == text


def test_a_time_is_utc() -> None:
    assert html.utc_text(0) == "1970-01-01 00:00:00 UTC"
    assert html.utc_text(1_767_323_045_999) == "2026-01-02 03:04:05 UTC"


def test_a_picture_is_inline_whichever_way_it_is_given() -> None:
    uri = "data:image/png;base64," + base64.b64encode(b"png").decode()
    assert html.picture(b"png") == html.picture(base64.b64encode(b"png").decode()) == uri
    assert html.picture(None) == html.picture(b"") == ""


def test_an_undefined_name_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        html.template("run.html.j2").render()


def test_a_page_replaces_the_one_before(tmp_path: Path) -> None:
    for text in ("first", "second ✓"):
        path = html.write_page(text, tmp_path / "a" / "page.html")
    assert path.read_text(encoding="utf-8") == "second ✓"
    assert [p.name for p in path.parent.iterdir()] == ["page.html"]
