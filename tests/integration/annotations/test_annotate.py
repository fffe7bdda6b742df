"""People say what images show: by the command and the public method, in a real Kudu, without Spark."""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

import labelmill
from labelmill import errors
from labelmill.settings import Settings
from labelmill.store.client import RowClient
from labelmill.store.schema.tables import ANNOTATION_LOG, ANNOTATIONS, IMAGES
from labelmill.store.schema.truth import READS, truth_of

Command = Callable[..., subprocess.CompletedProcess[str]]
EARLY = datetime(2026, 1, 1, tzinfo=timezone.utc)
DAY = timedelta(days=1)


def ids(count: int) -> list[str]:
    return [hashlib.sha256(str(number).encode()).hexdigest() for number in range(count)]


def write_images(client: RowClient, count: int, collection: str = "digits") -> list[str]:
    """Images without pixels, each with the import ``folder/0`` or ``folder/1``."""
    for table in (IMAGES, ANNOTATIONS, ANNOTATION_LOG):
        client.ensure(table)
    keys = [{"collection": collection, "image_id": one} for one in ids(count)]
    images = {"uri": "x", "width": 1, "height": 1, "channels": 1, "dtype": "uint8", "mean": 0.0,
              "std": 0.0, "ink": 0.0, "bytes": 1, "ingested_at": EARLY}  # fmt: skip
    client.write(IMAGES, [{**key, **images} for key in keys])
    imported = (
        {**key, "source": f"folder/{n % 2}", "class": str(n % 2), "annotated_at": EARLY}
        for n, key in enumerate(keys)
    )
    client.write(ANNOTATIONS, list(imported))
    return ids(count)


def truth(client: RowClient, collection: str = "digits") -> dict[str, tuple[str, str]]:
    """Image → class and source, as slices see it."""
    import pyarrow as pa

    batches = client.scan(ANNOTATIONS, READS, {"collection": collection}).batches()
    rows = truth_of(pa.Table.from_batches(list(batches))).to_pylist()
    return {row["image_id"]: (row["class"], row["source"]) for row in rows}


def state(client: RowClient) -> list[object]:
    """All words, without when they were entered."""
    left_out = {"entered_at", "undone_at"}
    return sorted(
        sorted((name, str(value)) for name, value in row.items() if name not in left_out)
        for table in (ANNOTATIONS, ANNOTATION_LOG)
        for row in client.scan(table)
    )


def written(path: Path, *rows: tuple[object, ...], header: str = "image_id,class") -> Path:
    with path.open("w", newline="") as file:
        file.write(header + "\n")
        csv.writer(file).writerows(rows)
    return path


@pytest.fixture
def mill(settings: Settings) -> Iterator[labelmill.Connection]:
    with labelmill.connect(settings) as opened:
        yield opened


def test_one_image_is_corrected_and_taken_back(labelmill: Command, client: RowClient) -> None:
    image, _other = write_images(client, 2)
    before = truth(client)
    done = labelmill("annotate", image[:8], "1", "--by", "ada", "--why", "a hook", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "collection": "digits", "rows": 1, "new": 1, "overruled": 0, "people": {"ada": 1},
    }  # fmt: skip
    assert truth(client) == {**before, image: ("1", "person/ada")}
    [entry] = client.scan(ANNOTATION_LOG)
    assert (entry["class"], entry["why"], entry["undone_at"]) == ("1", "a hook", None)
    [word] = client.scan(ANNOTATIONS, where={"source": "person/ada"})
    assert word["annotated_at"] == entry["annotated_at"]

    again = state(client)
    assert "said before" in labelmill("annotate", image, "1", "--by", "ada").stdout
    assert state(client) == again

    undone = labelmill("annotate", image, "1", "--by", "ada", "--undo", "--json")
    assert json.loads(undone.stdout)["taken_back"] == 1
    assert truth(client) == before
    assert next(client.scan(ANNOTATION_LOG))["undone_at"] is not None
    twice = labelmill("annotate", image, "1", "--by", "ada", "--undo", "--json")
    assert json.loads(twice.stdout)["not_current"] == 1
    assert truth(client) == before


def test_an_image_is_named_by_its_file(
    labelmill: Command, client: RowClient, tmp_path: Path
) -> None:
    image, _ = write_images(client, 2)
    file, other = tmp_path / "0.png", tmp_path / "other.png"
    file.write_bytes(b"0")  # the bytes whose hash is the first id
    other.write_bytes(b"x")
    done = labelmill("annotate", str(file), "1", "--by", "ada")
    assert done.returncode == 0, done.stderr
    assert truth(client)[image] == ("1", "person/ada")
    missing = labelmill("annotate", str(other), "1", "--by", "ada")
    assert (missing.returncode, "has no image" in missing.stderr) == (4, True)


def test_the_command_says_what_it_needs(labelmill: Command, client: RowClient) -> None:
    image, _ = write_images(client, 2)
    write_images(client, 1, "copies")
    for words, code, message in (
        (["annotate", image, "1"], 2, "say who gives the class: --by NAME"),
        (["annotate", image], 2, "either an image and its class"),
        (["annotate", image, "1", "--file", "x.csv"], 2, "either an image and its class"),
        (["annotate", "abcdef0", "1", "--by", "ada"], 4, "the catalogue has no image abcdef0"),
        (["annotate", image, "1", "--by", "ada"], 2, "is in the collections copies, digits"),
        (["annotate", image, "7", "--by", "ada", "--collection", "digits"], 2, "unknown class '7'"),
        (["annotate", image, "1", "--by", "ada", "--at", "noon"], 2, "--at 'noon' is not a time"),
        (["annotate", "x" * 300, "1", "--by", "ada"], 2, "expected an image id"),
        (["annotate", "digts", "--file", __file__], 2, "no column image_id"),
    ):
        answer = labelmill(*words)
        assert (answer.returncode, message in answer.stderr) == (code, True), answer.stderr
    assert list(client.scan(ANNOTATION_LOG)) == []


def test_a_file_is_entered_and_its_bad_rows_are_kept(
    labelmill: Command, client: RowClient, tmp_path: Path
) -> None:
    images = write_images(client, 40)
    file = written(
        tmp_path / "c.csv",
        *((image[:12], "1", "", "0.5") for image in images[:30]),
        (images[30], "two", "", ""), ("f" * 64, "1", "", ""), (images[31], "1", "bob"),
        (images[32], "0", "", ""), (images[32], "1", "", ""), ("12", "1", "", ""),
        header="image_id,class,annotator,probability",
    )  # fmt: skip
    dry = labelmill("annotate", "digits", "--file", str(file), "--by", "ada", "--dry-run")
    assert dry.returncode == 2
    assert "nothing was written" in dry.stderr
    assert list(client.scan(ANNOTATION_LOG)) == []

    done = labelmill("annotate", "digits", "--file", str(file), "--by", "ada", "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout) == {
        "collection": "digits", "rows": 36, "new": 30, "refused": 6, "overruled": 0,
        "people": {"ada": 30},
    }  # fmt: skip
    refused = tmp_path / "c.csv.refused.csv"
    assert f"6 of 36 rows were refused; they are in {refused}" in done.stderr
    assert "columns that were not read: probability" in done.stderr
    reasons = [row["refused_reason"] for row in csv.DictReader(refused.open())]
    for reason, part in zip(
        reasons,
        (
            "no image ffff",
            "3 cells",
            "unknown class 'two'",
            "first 6 or more",
            "gives image",
            "gives image",
        ),
        strict=False,
    ):
        assert part in " ".join(reasons), reason
    assert len(reasons) == 6
    assert {c for c, s in truth(client).values() if s == "person/ada"} == {"1"}
    again = state(client)
    twice = labelmill("annotate", "digits", "--file", str(file), "--by", "ada", "--json")
    assert json.loads(twice.stdout)["unchanged"] == 30
    assert state(client) == again

    # What was refused is corrected where it was written, and entered from there.
    rows = list(csv.DictReader(refused.open()))
    fixed = [{**row, "class": "1", "image_id": images[33 + n]} for n, row in enumerate(rows)]
    with refused.open("w", newline="") as out:
        writer = csv.DictWriter(out, rows[0].keys())
        writer.writeheader()
        writer.writerows(fixed)
    fixed_run = labelmill("annotate", "digits", "--file", str(refused), "--by", "ada", "--json")
    assert fixed_run.returncode == 0, fixed_run.stderr
    assert json.loads(fixed_run.stdout)["new"] == 6

    undone = labelmill("annotate", "digits", "--file", str(file), "--by", "ada", "--undo", "--json")
    assert json.loads(undone.stdout)["taken_back"] == 30
    assert sum(source == "person/ada" for _, source in truth(client).values()) == 5
    assert labelmill("annotate", "digits", "--file", str(written(tmp_path / "bad.csv", ("zz", "1"))),
                     "--by", "ada").returncode == 10  # fmt: skip


def test_the_last_person_to_say_so_has_the_last_word(
    mill: labelmill.Connection, client: RowClient
) -> None:
    image, _ = write_images(client, 2)
    rows = [
        {"image_id": image, "class": "1", "annotator": "ada", "annotated_at": EARLY + DAY},
        {"image_id": image, "class": "0", "annotator": "bob", "annotated_at": EARLY + 2 * DAY},
    ]
    assert mill.annotate("digits", rows).new == 2
    assert truth(client)[image] == ("0", "person/bob")
    # Ada's file once more: nothing new, and she is told that she has not the last word.
    again = mill.annotate("digits", {image: "1"}, by="ada")
    assert (again.unchanged, again.overruled) == (1, 1)
    assert truth(client)[image] == ("0", "person/bob")
    assert "overruled" in again._repr_html_()
    later = mill.annotate("digits", {image: "1"}, by="ada", at=EARLY + 3 * DAY)
    assert (later.changed, later.overruled) == (1, 0)
    assert truth(client)[image] == ("1", "person/ada")
    old = mill.annotate("digits", {image: "0"}, by="ada", at=EARLY + 2 * DAY)
    assert old.outdated == 1
    assert truth(client)[image] == ("1", "person/ada")
    # Taken back: all of "1" since "0", which she said before that.
    assert mill.annotate("digits", {image: "1"}, by="ada", undo=True).taken_back == 1
    assert truth(client)[image] == ("0", "person/bob")
    [own] = client.scan(ANNOTATIONS, where={"source": "person/ada"})
    assert (own["class"], own["annotated_at"]) == ("0", EARLY + 2 * DAY)


def test_a_word_from_before_the_log_comes_back(
    mill: labelmill.Connection, client: RowClient
) -> None:
    image, _ = write_images(client, 2)
    old = {"collection": "digits", "image_id": image, "source": "person/ada", "class": "1",
           "uri": "by hand", "annotated_at": EARLY}  # fmt: skip
    client.write(ANNOTATIONS, [old])
    assert mill.annotate("digits", {image: "0"}, by="ada").changed == 1
    assert mill.annotate("digits", {image: "0"}, by="ada", undo=True).taken_back == 1
    assert list(client.scan(ANNOTATIONS, where={"source": "person/ada"})) == [old]


def test_many_short_ids_in_pieces_killed_between_and_entered_again(
    mill: labelmill.Connection, client: RowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from labelmill.annotations import annotate
    from labelmill.annotations.person_words import PersonWords

    images = write_images(client, 300)
    file = written(tmp_path / "c.csv", *((image[:16], "1") for image in images))
    monkeypatch.setattr(annotate, "WRITTEN_AT_ONCE", 100)
    write, pieces = PersonWords.write, iter(range(100))

    def killed(words: PersonWords) -> None:
        if next(pieces) == 1:
            raise KeyboardInterrupt
        write(words)

    monkeypatch.setattr(PersonWords, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        mill.annotate("digits", file, by="ada")
    assert sum(source == "person/ada" for _, source in truth(client).values()) == 100
    result = mill.annotate("digits", file, by="ada")
    assert (result.new, result.unchanged, result.refused) == (200, 100, 0)
    assert truth(client) == dict.fromkeys(images, ("1", "person/ada"))
    assert len(list(client.scan(ANNOTATION_LOG))) == 300


def test_refusals_of_the_method(mill: labelmill.Connection, client: RowClient) -> None:
    image, other = write_images(client, 2)
    with pytest.raises(errors.UnknownName, match=r"unknown collection 'digts'.*mean 'digits'"):
        mill.annotate("digts", {image: "1"}, by="ada")
    with pytest.raises(errors.AllFailed, match="all 1 corrections were refused; row 1: nobody"):
        mill.annotate("digits", {image: "1"})
    some = mill.annotate("digits", {image: "1", other: "seven"}, by="ada")
    assert (some.new, some.refused) == (1, 1)
    assert "unknown class" in str(some.first_refused[0]["reason"])
    assert "unknown class" in some._repr_html_()
    assert mill.annotate("digits", {other: "seven"}, by="ada", new_classes=True).new == 1
