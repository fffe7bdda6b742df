"""The profile's page: what a person must be able to see on it, from a profile made by hand."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from labelmill.domain.codecs.png.codec import encode_png
from labelmill.domain.profiles.deviations import Deviation
from labelmill.domain.profiles.near_groups import NearGroup, NearGroups
from labelmill.domain.profiles.profile import Duplicates
from labelmill.domain.profiles.schema import infer
from labelmill.pipelines.profile.duplicates import ExactGroup, FoundDuplicates
from labelmill.pipelines.profile.examples import ShownImage
from labelmill.pipelines.profile.outliers import Outlier
from labelmill.pipelines.profile.plan import ProfileResult
from labelmill.serving import profile_page
from tests.unit.domain.profiles.samples import profile

PNG = encode_png(np.arange(64, dtype=np.uint8).reshape(8, 8, 1) * 3)


def shown(image_id: str, label: str | None = "a", split: str | None = "train") -> ShownImage:
    return ShownImage(image_id, f"train/a/{image_id}.png", label, split, 28, 28, PNG)


@pytest.fixture
def profiled() -> ProfileResult:
    figures = profile(
        mean_image=base64.b64encode(PNG).decode(),
        exact=Duplicates(1, 3, 0, {"test in train": 1}),
        near=Duplicates(2, 5, 1, {"test in train": 2}),
        outliers={"brightness": 9},
        blank=1,
        quarantined={"not_png": 4},
        source_time={
            "first": "2026-01-02T03:04:05+00:00",
            "last": "2026-02-03T04:05:06.000007+00:00",
            "images": 990,
        },
    )
    near = NearGroup(3, 1, 2, 2, 0.995, True)
    groups = NearGroups(2, 5, {}, 1, [near, NearGroup(2, 3, 4, 0, 0.999, False)], [near])
    names = {1: "n1", 2: "n2", 3: "n3", 4: "lost"}
    return ProfileResult(
        profile=figures,
        schema=infer(figures),
        snapshot_ms=1_767_323_045_678,
        against="digits 0123456789ab",
        deviations=[
            Deviation("error", "classes", "new classes: received 'z'"),
            Deviation("note", "splits", "splits: received 'validation'"),
        ],
        class_means={"a": base64.b64encode(PNG).decode()},
        examples={"a": ["x1", "x2"], "b": ["y1"]},
        duplicates=FoundDuplicates(
            figures.exact, figures.near, [ExactGroup(3, "e1", "e2", False)], groups, names, 0, 4
        ),
        outliers=[Outlier("brightness", "o1", "a", -4.25, "brightness 0.90, usual is 0.13")],
        blanks=["k1"],
        pictures={
            i: shown(i) for i in ("x1", "x2", "y1", "e1", "n1", "n2", "n3", "o1", "k1")
        } | {"e2": shown("e2", None, "test")},
        schema_before=infer(profile()),
    )  # fmt: skip


def test_shows_figures_pictures_and_reasons(profiled: ProfileResult) -> None:
    html = profile_page.render(profiled)
    text = re.sub(r"<[^>]+>|\s+", " ", html)
    for expected in (
        "1,000", "Deviates: check before you train", "new classes: received &#39;z&#39;",
        "brightness 0.90, usual is 0.13", "-4.2 deviations", "3 files with identical pixels",
        "3 images, similarity 0.995, 2 bits differ", "classes differ", "quarantined: not_png",
        "2026-01-02 03:04:05 to 2026-02-03 04:05:06", "2026-01-02 03:04:05 UTC", "no class · test",
    ):  # fmt: skip
        assert expected in re.sub(r"\s+", " ", text), expected
    assert re.search(r"test in train\s*</td><td>1</td><td>2</td>", html)
    # mean, mean of a, 3 examples, 2 + 2 + 1 of pairs (one is gone), 1 outlier, 1 blank
    assert html.count("data:image/png;base64,") == 12
    assert html.count("no picture") == 1
    assert html.count('class="pair bad"') == 1


def test_is_self_contained(profiled: ProfileResult) -> None:
    html = profile_page.render(profiled)
    loaded = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert loaded
    assert all(address.startswith("data:") for address in loaded)
    assert "<script" not in html
    assert "<link" not in html
    assert html.startswith("<!doctype html>")


def test_names_from_outside_are_escaped(profiled: ProfileResult) -> None:
    bad = '"><img src=x onerror=alert(1)>'
    figures = replace(
        profiled.profile,
        collection=bad,
        classes={bad: 10},
        class_splits={bad: {"train": 10}},
        quarantined={bad: 1},
    )
    html = profile_page.render(
        replace(
            profiled,
            profile=figures,
            schema=infer(figures),
            examples={bad: ["x1"]},
            pictures={"x1": replace(shown("x1"), uri=bad, label=bad)},
            deviations=[Deviation("error", "classes", bad)],
            against=bad,
        )
    )
    assert "<img src=x" not in html
    assert "&lt;img src=x" in html


@pytest.mark.parametrize(
    ("against", "deviations", "verdict"),
    [
        (None, [], "Nothing to compare with yet"),
        ("digits 1", [], "As expected"),
        ("digits 1", [Deviation("note", "splits", "x")], "As expected"),
        ("digits 1", [Deviation("warning", "blank", "x")], "Some things are not as expected"),
    ],
)
def test_says_the_verdict(
    profiled: ProfileResult, against: str | None, deviations: list[Deviation], verdict: str
) -> None:
    html = profile_page.render(replace(profiled, against=against, deviations=deviations))
    assert f"<h2>{verdict}</h2>" in html


def test_a_collection_without_classes_still_has_a_page(profiled: ProfileResult) -> None:
    bare = profile(classes={}, class_splits={}, without_truth=1000, splits={"none": 1000})
    none = NearGroups(0, 0, {}, 0, [], [])
    html = profile_page.render(
        ProfileResult(
            profile=bare,
            schema=infer(bare),
            snapshot_ms=0,
            against=None,
            deviations=[],
            class_means={},
            examples={},
            duplicates=FoundDuplicates(bare.exact, bare.near, [], none, {}, 0, 0),
            outliers=[],
            blanks=[],
            pictures={},
        )
    )
    assert "No image has a class." in html
    assert "None." in html


def test_write_leaves_no_partial_file(profiled: ProfileResult, tmp_path: Path) -> None:
    path = profile_page.write(profiled, tmp_path / "deep" / "page.html")
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [p.name for p in path.parent.iterdir()] == ["page.html"]
