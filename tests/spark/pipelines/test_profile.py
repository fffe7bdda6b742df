"""A collection with something of everything, profiled; then what was added to it deviates."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pyspark.sql import SparkSession

from labelmill.domain.codecs.png.codec import encode_png
from labelmill.domain.profiles.profile import Attribute
from labelmill.errors import InputError, MissingRow, NoData, NotAccepted
from labelmill.pipelines.ingest.driver import ingest
from labelmill.pipelines.profile.driver import profile_collection
from labelmill.pipelines.profile.plan import ProfilePlan, ProfileResult
from labelmill.pipelines.profile.schema_file import check_writable, write_schema
from labelmill.serving import profile_page
from labelmill.settings import Settings
from labelmill.store.client import RowClient
from labelmill.store.records import profiles
from labelmill.store.schema.tables import IMAGES, PROFILES

Pixels = npt.NDArray[Any]


def drawn(seed: int, side: int = 24, channels: int = 1, dark: bool = True) -> Pixels:
    """Random discs: no two look alike."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:side, 0:side] / side
    image = np.full((side, side, channels), 20 if dark else 200, np.uint8)
    for _ in range(8):
        a, b, radius = random.random(3)
        disc = (x - a) ** 2 + (y - b) ** 2 < (0.05 + 0.25 * radius) ** 2
        image[disc] = random.integers(10, 130, channels) + (0 if dark else 110)
    return image


def save(folder: Path, uri: str, pixels: Pixels, level: int = 6) -> None:
    path = folder / uri
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(pixels, level))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """40 images of two classes in two splits; what is added to them is named by what it is."""
    folder = tmp_path / "images"
    for n in range(40):
        split = "test" if n % 4 == 0 else "train"
        save(folder, f"{split}/{'ab'[n % 2]}/{n:02}.png", drawn(n))
    save(folder, "test/b/same-pixels.png", drawn(1), level=1)
    save(folder, "test/b/same-look.png", (drawn(3) * 0.9).astype(np.uint8))
    save(folder, "train/a/other-class.png", drawn(5) + np.uint8(2))
    save(folder, "train/a/blank.png", np.full((24, 24, 1), 60, np.uint8))
    # Above the cell limit, so in chunks; they differ where a thumbnail cannot show it.
    large = drawn(50, 260)
    save(folder, "train/a/large.png", large)
    save(folder, "train/a/large-again.png", large, level=1)
    large[0, 0] ^= 1
    save(folder, "train/a/large-other.png", large)
    (folder / "train/b/bad.png").write_bytes(b"no picture")
    return folder


def image_ids(client: RowClient) -> dict[str, str]:
    return {str(r["uri"]): str(r["image_id"]) for r in client.scan(IMAGES, ["uri", "image_id"])}


def test_finds_what_is_there_and_what_deviates(
    spark: SparkSession, settings: Settings, client: RowClient, source: Path, tmp_path: Path
) -> None:
    ingest(spark, settings, str(source), "c")
    report, first = profile_collection(spark, settings, ProfilePlan("c"))
    figures = first.profile
    assert report.exit_code == 0
    assert (figures.images, figures.without_truth, figures.conflicts) == (47, 0, 0)
    assert figures.classes == {"a": 25, "b": 22}
    assert figures.class_splits == {"a": {"train": 15, "test": 10}, "b": {"train": 20, "test": 2}}
    assert figures.splits == {"test": 12, "train": 35}
    assert figures.channels == {"1": 47}
    assert figures.dtypes == {"uint8": 47}
    assert (figures.width.least, figures.width.median, figures.width.most) == (24, 24, 260)
    assert [(s.width, s.images) for s in figures.shapes] == [(24, 44), (260, 3)]
    assert figures.quarantined == {"not_png": 1}
    assert (figures.blank, figures.unreadable) == (1, 0)
    assert figures.bytes == sum(f.stat().st_size for f in source.rglob("*.png")) - 10
    means = sorted(drawn(n).mean() / 255 for n in range(40))
    assert means[15] - 0.01 <= figures.brightness.spread.median <= means[25] + 0.01
    assert sum(figures.ink.bars) == 47

    ids = image_ids(client)
    exact = {frozenset((g.first, g.last)) for g in first.duplicates.exact_groups}
    assert exact == {
        frozenset((ids["train/b/01.png"], ids["test/b/same-pixels.png"])),
        frozenset((ids["train/a/large.png"], ids["train/a/large-again.png"])),
    }
    assert (figures.exact.groups, figures.exact.images) == (2, 4)
    assert figures.exact.leaks == {"test in train": 1}
    named = first.duplicates.names
    near = {frozenset((named[g.a], named[g.b])) for g in first.duplicates.near_groups.largest}
    assert frozenset((ids["train/b/03.png"], ids["test/b/same-look.png"])) in near
    assert frozenset((ids["train/b/05.png"], ids["train/a/other-class.png"])) in near
    assert (figures.near.groups, figures.near.images) == (3, 7)
    assert figures.near.leaks == {"test in train": 1}
    assert figures.near.classes_differ == 1
    assert (figures.leaks, figures.near_leaks) == (1, 1)
    far = {(o.feature, o.image_id) for o in first.outliers}
    assert {("area", ids["train/a/large.png"]), ("area", ids["train/a/large-other.png"])} <= far
    assert first.blanks == [ids["train/a/blank.png"]]
    _page_shows(first, tmp_path)

    _same_again(spark, settings, client, first)
    _deviates(spark, settings, client, tmp_path)


def _page_shows(profiled: ProfileResult, tmp_path: Path) -> None:
    html = profile_page.write(profiled, tmp_path / "page.html").read_text()
    assert html.count("data:image/png;base64,") > 20
    assert "no picture" not in html
    assert "test/b/same-look.png" in html
    assert "times the usual number of pixels" in html


def _same_again(
    spark: SparkSession, settings: Settings, client: RowClient, first: ProfileResult
) -> None:
    """The same rows cut otherwise: the same profile, the same row."""
    before = spark.conf.get("spark.sql.shuffle.partitions")
    spark.conf.set("spark.sql.shuffle.partitions", "7")
    try:
        report, again = profile_collection(
            spark, settings, ProfilePlan("c", "latest", fail_on_deviation=True)
        )
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", str(before))
    assert again.profile == first.profile
    assert report.results["digest"] == first.profile.digest
    assert [d.about for d in again.deviations] == ["leaks"], "never what is expected"
    assert report.exit_code == NotAccepted.exit_code
    (row,) = client.scan(PROFILES)
    assert (row["digest"], row["accepted"]) == (first.profile.digest, False)
    assert (row["images"], row["leaks"], row["near_leaks"], row["near_duplicates"]) == (47, 1, 1, 7)
    stored = json.loads(str(row["profile"]))
    assert stored["profile"]["classes"] == {"a": 25, "b": 22}
    assert json.loads(str(row["deviations"]))[0]["severity"] == "error"


def _deviates(spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path) -> None:
    """New images of another kind, against a schema that a person wrote down."""
    new = tmp_path / "new"
    for n in range(30):
        save(new, f"{'bz'[n % 2]}/{n:02}.png", drawn(100 + n, 30, 3, dark=False))
    for n in range(10):
        save(new, f"without-{n}.png", drawn(200 + n, 30, 3, dark=False))
    ingest(spark, settings, str(new), "new")
    changed = list(client.scan(IMAGES, where={"collection": "new"}))[:9]
    made = datetime(2026, 3, 4, 5, 6, 7, 8, tzinfo=timezone.utc)
    for n, row in enumerate(changed):
        row |= {"attributes": '{"camera": 7}', "source_time": made + timedelta(days=n)}
    client.write(IMAGES, changed)
    schema = tmp_path / "schema.json"
    found = profiles.find(client, "new", next(iter(client.scan(PROFILES)))["digest"])  # type: ignore[arg-type]
    assert found is not None
    write_schema(found[0], schema)
    plan = ProfilePlan("new", str(schema), fail_on_deviation=True)
    report, profiled = profile_collection(spark, settings, plan)
    assert report.exit_code == NotAccepted.exit_code
    about = {d.about: d for d in profiled.deviations}
    assert {"classes", "channels", "brightness", "without_truth", "splits"} <= set(about)
    assert "new classes: received 'z' in 15 of 30 images" in " ".join(
        d.sentence for d in profiled.deviations
    )
    assert "received '3' in 40 of 40 images" in about["channels"].sentence
    assert about["brightness"].severity == "error"
    assert "leaks" not in about
    figures = profiled.profile
    assert figures.attributes == {"camera": Attribute(9, {"number": 9})}
    assert figures.source_time == {
        "first": "2026-03-04T05:06:07.000008+00:00",
        "last": "2026-03-12T05:06:07.000008+00:00",
        "images": 9,
    }
    assert "schema.json" in str(report.error)


def test_invalid_arguments(spark: SparkSession, settings: Settings, tmp_path: Path) -> None:
    def run(**plan: Any) -> None:
        profile_collection(spark, settings, ProfilePlan("nothing", **plan))

    with pytest.raises(NoData, match="'nothing' has no images"):
        run()
    with pytest.raises(MissingRow, match="no profile 'other'"):
        run(against="other")
    with pytest.raises(InputError, match=r"--against .*absent.json: No such file"):
        run(against=str(tmp_path / "absent.json"))
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(InputError, match=r"bad.json is not JSON"):
        run(against=str(tmp_path / "bad.json"))
    with pytest.raises(InputError, match="needs --against"):
        run(fail_on_deviation=True)
    with pytest.raises(InputError, match="--distance 9"):
        run(distance=9)
    with pytest.raises(InputError, match=r"--out .* cannot be written"):
        check_writable(tmp_path, "--out")
