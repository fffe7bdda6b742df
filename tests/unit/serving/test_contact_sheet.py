"""The contact sheet: what a person must be able to see on it, and what must not get out of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from labelmill.domain.codecs.png.codec import decode_png, encode_png
from labelmill.pipelines.slices.contact_sheet import Sheet, SheetCard
from labelmill.pipelines.slices.sheet_columns import SheetColumns
from labelmill.pipelines.slices.sheet_rows import stretch_contrast
from labelmill.serving import contact_sheet
from labelmill.sql.named_slices import NamedSlice, SliceParameter

PNG = encode_png(np.arange(64, dtype=np.uint8).reshape(8, 8, 1) * 3)
NAMED = NamedSlice(
    "corrections",
    "select collection, image_id, class from truth where collection = :collection",
    "What people corrected.",
    (SliceParameter("collection", "the collection"),),
)
VALUES = {"collection": "c 1"}
AT = 1_767_323_045_678


def card(
    image_id: str, *classes: str, split: str | None = "train", png: bytes | None = PNG
) -> SheetCard:
    return SheetCard("c", image_id * 8, classes, split, {"probability": "0.25", "gone": None}, png)


def sheet(
    groups: Mapping[str | None, Sequence[SheetCard]],
    label: str | None = "class",
    whole: bool = True,
    rows: int | None = None,
    more_classes: int = 0,
    mask: bool = False,
    record: bool = False,
) -> Sheet:
    cards = [one for group in groups.values() for one in group]
    counts: dict[str | None, Counter[str | None]] = {}
    for one in cards:
        for name in one.classes or [None]:
            counts.setdefault(name, Counter())[one.split] += 1
    id_ = "record_id" if record else "image_id"
    return Sheet(
        columns=SheetColumns(id_, label, True, mask, False, ("probability", "gone")),
        rows=rows or len(cards),
        counts=counts,
        more_classes=more_classes,
        splits=Counter(one.split for one in cards),
        groups=groups,
        whole=whole,
    )


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL))


def test_shows_counts_pictures_labels_and_the_query() -> None:
    shown = sheet(
        {
            "a": [card("1", "a"), card("2", "a", split="test")],
            None: [card("3", split=None, png=None)],
        }
    )
    html = contact_sheet.render(NAMED, VALUES, shown, AT, note="look twice")
    text = text_of(html)
    for expected in (
        "corrections", "What people corrected.", "look twice", "3 images", "1 class",
        "1 without a split; a freeze assigns one by hash", "Classes and splits", "class rows train test none",
        "a 2 1 1 0", "no class 1 0 0 1", "All images of the slice, in its order within each class.",
        "probability 0.25", "no picture", "11111111", "The query", NAMED.sql.split("where")[0],
        ":collection c 1 the collection", "2026-01-02 03:04:05 UTC",
        "--slice corrections --param &#39;collection=c 1&#39; --snapshot 1767323045678",
    ):  # fmt: skip
        assert expected in text, (expected, text)
    assert html.count("<img ") == 2
    assert "gone" not in text_of(html).replace("gone by", "")


def test_the_command_freezes_what_is_shown() -> None:
    def command(named: NamedSlice, label: str | None, mask: bool = False) -> str:
        columns = SheetColumns("image_id", label, False, mask, False, ())
        return contact_sheet.freeze_command(named, {}, columns, AT)

    start = "bin/submit jobs/freeze_training_set.py corrections --slice"
    assert command(NAMED, "class") == f"{start} corrections --snapshot {AT}"
    assert command(NAMED, "label") == f"{start} corrections --no-target --snapshot {AT}"
    assert command(NAMED, None, mask=True) == f"{start} corrections --snapshot {AT}"
    mine = replace(NAMED, path="my slices/corrections.sql")
    assert command(mine, "class") == f"{start} 'my slices/corrections.sql' --snapshot {AT}"


def test_says_how_much_of_a_large_slice_is_shown() -> None:
    shown = sheet({"a": [card("1", "a")], "b": [card("2", "b")]}, whole=False, rows=60_000)
    text = text_of(contact_sheet.render(NAMED, VALUES, shown, AT))
    assert "60,000 images" in text
    assert "2 of 60,000 images, as many of each class as fit" in text
    shown = sheet({"a": [card("1", "a")]}, more_classes=7)
    text = text_of(contact_sheet.render(NAMED, VALUES, shown, AT))
    assert "8 classes" in text
    assert "7 more classes have fewer rows" in text


def test_several_classes_masks_and_records_have_a_form_of_their_own() -> None:
    several = sheet({None: [card("1", "cat", "dog"), card("2")]}, label="classes")
    text = text_of(contact_sheet.render(NAMED, VALUES, several, AT))
    assert "cat dog" in text
    assert "Images may have several classes and count for each." in text
    pair = SheetCard("c", "9" * 8, (), "train", {}, PNG, encode_png(np.ones((4, 4, 1), np.uint8)))
    masks = contact_sheet.render(NAMED, VALUES, sheet({None: [pair]}, None, mask=True), AT)
    assert masks.count("<img ") == 2
    assert 'alt="mask"' in masks
    records = sheet({"a": [card("1", "a", png=None)]}, record=True)
    text = text_of(contact_sheet.render(NAMED, VALUES, records, AT))
    assert "record_id split probability gone 11111111 train 0.25 –" in text
    assert "no picture" not in text


def test_nothing_that_is_shown_becomes_html_and_nothing_is_fetched() -> None:
    evil = "<script>alert(1)</script>\"'&{{ 7*7 }}"
    bad = SheetCard(evil, evil, (evil,), evil, {evil: evil}, PNG)
    named = NamedSlice(evil, evil, evil, (SliceParameter("collection", evil),))
    for label in ("class", "classes", "label"):
        for record in (False, True):
            shown = sheet({evil: [bad]}, label=label, record=record)
            html = contact_sheet.render(named, {"collection": evil}, shown, AT, note=evil)
            assert "<script" not in html
            assert "49" not in text_of(html)
            assert "&lt;script&gt;" in html
            # Every attribute is closed where the template closes it.
            for attribute in re.findall(r'(?:title|alt)="([^"]*)"', html):
                assert "<" not in attribute
            links = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"')\s>]+)""", html)
            assert {link for link in links if not link.startswith("data:image/png;base64,")} == {
                "#query"
            }
            assert not re.search(r"https?://|@import|<link|<iframe|<object", html)


def test_long_names_do_not_blow_up_the_page() -> None:
    name = "x" * 60_000
    shown = sheet({name: [SheetCard("c", "1" * 64, (name,), name, {}, PNG)]})
    html = contact_sheet.render(NAMED, VALUES, shown, AT)
    assert len(html) < 40_000


def test_the_page_appears_whole(tmp_path: Path) -> None:
    place = tmp_path / "below/sheet.html"
    shown = sheet({"a": [card("1", "a")]})
    assert contact_sheet.write(NAMED, VALUES, shown, AT, place) == place
    assert [path.name for path in place.parent.iterdir()] == ["sheet.html"]
    assert place.read_text().rstrip().endswith("</html>")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[0, 1], [2, 1]], [[0, 127], [255, 127]]),
        ([[0, 255], [128, 1]], [[0, 255], [128, 1]]),
        ([[0, 0], [0, 0]], [[0, 0], [0, 0]]),
    ],
)
def test_masks_are_stretched_to_be_seen(values: list[list[int]], expected: list[list[int]]) -> None:
    mask = np.array(values, np.uint8)[..., None]
    assert decode_png(stretch_contrast(encode_png(mask)))[..., 0].tolist() == expected
