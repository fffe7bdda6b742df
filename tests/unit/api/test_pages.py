"""What a notebook shows: self-contained, escaped, and never larger than a page."""

from __future__ import annotations

import html.parser
import re
from pathlib import Path

import numpy as np
import pytest

from labelmill.errors import AllFailed, NotAccepted, UnknownName
from labelmill.spark.report import Report
from tests.helpers import shown_results

TENS = [str(n) for n in range(10)]
MANY = [f"class {n:04d}" for n in range(2_000)]


class Page(html.parser.HTMLParser):
    """Tags, attributes and text of a fragment; every tag that opens must close."""

    VOID = frozenset({"img", "br", "meta", "link", "hr", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: list[str] = []
        self.sources: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open, f"not closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def shown(result: object) -> Page:
    """The page of a result, checked for what holds of all pages."""
    text = result._repr_html_()  # type: ignore[attr-defined]
    assert len(text) < 1_000_000
    page = Page(text)
    assert not {"script", "iframe", "link"} & set(page.tags)
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    # Every rule is for what is inside: a notebook is one document.
    style = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)[0]
    for rule in re.findall(r"([^{}]+)\{", style):
        for selector in rule.split(","):
            assert selector.strip().startswith(".labelmill")
    return page


def test_a_training_set(tmp_path: Path) -> None:
    page = shown(shown_results.training_set(tmp_path, TENS))
    assert "drawn <images>" in page.text
    assert "60 images 10 classes 40 train 20 test" in page.text
    assert page.tags.count("img") == 40, "four train images of each class"
    assert "class train test train, by hash" in page.text


def test_a_training_set_of_many_classes(tmp_path: Path) -> None:
    page = shown(shown_results.training_set(tmp_path, MANY, each=2))
    assert page.tags.count("tr") == 21
    assert "1,980 smaller classes are not shown" in page.text


def test_a_training_set_of_several_classes(tmp_path: Path) -> None:
    page = shown(shown_results.training_set(tmp_path, ["a", "b"], target="classes"))
    assert page.tags.count("tr") == 3
    assert "target classes" in page.text
    # `a` is on all 8 train images, `b` on half of them.
    assert page.tags.count("img") == 8 + 4


def test_a_training_set_without_a_target(tmp_path: Path) -> None:
    page = shown(shown_results.training_set(tmp_path, ["a"], target="none"))
    assert page.tags.count("img") == 4
    assert "table" not in page.tags


def test_a_freeze_shows_its_training_set(tmp_path: Path) -> None:
    result = shown_results.freeze_result(tmp_path)
    assert "18 images 3 classes" in shown(result).text
    assert result.classes == ("a", "b", "c")
    assert result.training_set.digest == result.digest


def test_a_training_set_as_text(tmp_path: Path) -> None:
    made = shown_results.training_set(tmp_path, ["a", "b"])
    assert repr(made) == (
        f"<TrainingSet drawn <images> {made.digest[:12]}: train 8, validation 0, test 4, 2 classes>"
    )


def test_an_evaluation() -> None:
    result = shown_results.evaluation(TENS)
    page = shown(result)
    assert "Verdict: accepted" in page.text
    assert "≤ acceptable 0.1000" in page.text
    assert result.best.version == 3
    assert result.accepted == (3, 4)
    measures = result.best.measures
    assert f"{measures.accuracy:.4f} accuracy" in page.text
    for count in measures.confusion.diagonal():
        assert f" {count} " in page.text
    with pytest.raises(UnknownName, match="measured version '5'"):
        result[5]


def test_an_evaluation_that_is_not_accepted() -> None:
    result = shown_results.evaluation(TENS, max_error=0.01)
    assert "Verdict: not accepted" in shown(result).text
    assert (result.accepted, result.promoted) == ((), None)
    assert result.best.version == 3, "the best by validation"
    without = shown_results.evaluation(TENS, max_error=None)
    assert "no acceptable error was stated" in shown(without).text


def test_an_evaluation_of_many_classes() -> None:
    page = shown(shown_results.evaluation(MANY, rows=5_000, wrong=0.3))
    assert "1,981 others are summed" in page.text
    assert "Weakest classes" in page.text
    assert page.tags.count("td") < 800


def test_an_ingest() -> None:
    page = shown(shown_results.ingestion())
    assert "1,790 new images 7 already there" in page.text
    assert "received text <script>alert(1)</script>" in page.text
    assert "hidden file" in page.text
    clean = shown(shown_results.ingestion(bad=0))
    assert "Quarantined files" not in clean.text
    assert (
        "1,797 images that an ingest would add" in shown(shown_results.ingestion(dry_run=True)).text
    )


def test_a_sweep() -> None:
    result = shown_results.sweep()
    page = shown(result)
    assert "0.9800 best validation accuracy digits:2 best version" in page.text
    assert "loss is not finite" in page.text
    assert [t.version for t in result.trials] == [1, 2, 3, 4, 5, None]
    many = shown(shown_results.sweep(500))
    assert many.tags.count("tr") == 51
    assert "450 more trials" in many.text


def test_labels() -> None:
    page = shown(shown_results.labels())
    assert "1,700 accepted 99 for review 1 failed" in page.text
    assert "class 0 <b>" in page.text
    assert shown(shown_results.labels(3_000)).tags.count("tr") == 1 + 50 + 2


def test_predictions() -> None:
    result = shown_results.predictions()
    page = shown(result)
    assert page.tags.count("img") == 9
    assert "<bird>" in page.text
    assert [one.label for one in result] == result.labels
    assert [one.label for one in result[2:4]] == result.labels[2:4]
    assert result[-1].name == "folder/8.png"
    np.testing.assert_array_equal(result.probability, [one.probability for one in result])
    with pytest.raises(IndexError):
        result[9]


def test_of_many_predictions_the_least_certain_are_shown() -> None:
    page = shown(shown_results.predictions(5_000))
    assert page.tags.count("img") == 60
    assert "The 60 least certain of 5,000." in page.text
    none = shown(shown_results.predictions(0))
    assert "0 images" in none.text


def test_predictions_of_many_classes() -> None:
    page = shown(shown_results.predictions(60, tuple(MANY)))
    assert page.tags.count("small") < 200


@pytest.mark.parametrize("kind", [AllFailed, NotAccepted])
def test_a_failed_run_is_an_error(kind: type[AllFailed]) -> None:
    from labelmill.api.results.ingest import ingest_result

    report = Report("ingest_images")
    report.fail("all 3 files are quarantined", kind.exit_code)
    with pytest.raises(kind, match="all 3 files"):
        ingest_result(report)
