"""What people have said about some images of a collection: read, changed and written as whole rows.

The log is written before ``annotations``. What a kill leaves between the two is an entry of the log
whose person says the same again when the corrections are entered again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from labelmill.domain.images.corrections import PERSON, Correction, Weighed, Word, take_back, weigh
from labelmill.store.client import RowClient
from labelmill.store.schema.tables import ANNOTATION_LOG, ANNOTATIONS

Row = dict[str, object]


class PersonWords:
    """The words of all people on some images.

    Args:
        client: Open client.
        collection: Of the images.
        images: Whole ids, some thousands at most.
        origin: Name of the file that corrections come from; empty: none.
        now: Time of this entry, timezone-aware.
        with_log: Also read what they said before their last word; `undo` needs it.
    """

    def __init__(
        self,
        client: RowClient,
        collection: str,
        images: Sequence[str],
        origin: str,
        now: datetime,
        with_log: bool,
    ) -> None:
        self._client, self._collection, self._origin, self._now = client, collection, origin, now
        where = {"collection": collection, "image_id": list(images)}
        self._rows: dict[tuple[str, str], Row] = {}
        for row in client.scan(ANNOTATIONS, where=where):
            if str(row["source"]).startswith(PERSON):
                self._rows[str(row["image_id"]), str(row["source"])] = row
        self._log: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in client.scan(ANNOTATION_LOG, where=where) if with_log else ():
            self._log[str(row["image_id"]), str(row["source"])].append(row)
        self._kept_logs: list[Row] = []
        self._new_logs: dict[tuple[object, ...], Row] = {}
        self._changed: set[tuple[str, str]] = set()

    def say(self, one: Correction) -> Weighed:
        """Enters a correction; returns what becomes of it."""
        key = one.image, one.source
        said = self._word(key)
        weighed = weigh(said, one.label, one.at, self._now)
        if weighed.outcome == "unchanged":
            return weighed
        if said is not None and key not in self._changed:
            # Words from before there was a log: without an entry they could not come back.
            self._kept_logs.append(self._log_row(key, said, None, self._rows[key]["uri"]))
        uri = f"{self._origin}, {one.position}" if self._origin else None
        if weighed.outcome == "outdated":
            assert one.at is not None
            self._kept_logs.append(self._log_row(key, Word(one.label, one.at), one.why, uri))
            return weighed
        row = self._log_row(key, weighed.word, one.why, uri)
        self._new_logs[(*key, weighed.word.at)] = row
        self._put(key, weighed.word, uri)
        return weighed

    def undo(self, one: Correction) -> bool:
        """Takes a correction back; returns whether it was the person's word.

        Their word becomes the class that they gave before, or none.
        """
        key = one.image, one.source
        said = self._word(key)
        log = self._log[key]
        if said is None or said.label != one.label or one.at not in (None, said.at):
            # Said before their last word: it must not come back when that is taken back.
            gone = [row for row in log if row["class"] == one.label
                    and one.at in (None, row["annotated_at"])]  # fmt: skip
            self._mark(gone)
            return False
        history = [(_word_of(row), row["undone_at"] is not None) for row in log]
        earlier, words = take_back(history, said)
        if not any(row["annotated_at"] == said.at for row in log):
            log.append(self._log_row(key, said, None, self._rows[key]["uri"]))
        moments = {word.at for word in words}
        self._mark([row for row in log if row["annotated_at"] in moments])
        uris = [row["uri"] for row in log if earlier and row["annotated_at"] == earlier.at]
        self._put(key, earlier, uris[0] if uris else None)
        return True

    def count_overruled(self, entered: Iterable[Correction]) -> int:
        """Corrections whose image has another class because another person gave it later."""
        last: dict[str, tuple[datetime, str, str]] = {}
        for (image, source), row in self._rows.items():
            said = _moment(row), source, str(row["class"])
            last[image] = max(last.get(image, said), said)
        return sum(
            (word := self._word((one.image, one.source))) is not None
            and last[one.image][2] != word.label
            for one in entered
        )

    def write(self) -> None:
        """Writes what has changed."""
        self._client.write(ANNOTATION_LOG, self._kept_logs, "insert_ignore")
        self._client.write(ANNOTATION_LOG, list(self._new_logs.values()))
        here = [self._rows[key] for key in sorted(self._changed) if key in self._rows]
        gone = [self._key_of(key) for key in sorted(self._changed) if key not in self._rows]
        self._client.write(ANNOTATIONS, here)
        self._client.write(ANNOTATIONS, gone, "delete_ignore")

    def _word(self, key: tuple[str, str]) -> Word | None:
        row = self._rows.get(key)
        return None if row is None else Word(str(row["class"]), _moment(row))

    def _put(self, key: tuple[str, str], word: Word | None, uri: object) -> None:
        self._changed.add(key)
        if word is None:
            self._rows.pop(key, None)
            return
        self._rows[key] = {
            **self._key_of(key), "class": word.label, "uri": uri, "annotated_at": word.at,
        }  # fmt: skip

    def _mark(self, rows: Sequence[Row]) -> None:
        for row in rows:
            if row["undone_at"] is None:
                row["undone_at"] = self._now
                self._new_logs[str(row["image_id"]), str(row["source"]), row["annotated_at"]] = row

    def _log_row(self, key: tuple[str, str], word: Word, why: str | None, uri: object) -> Row:
        return {
            **self._key_of(key), "annotated_at": word.at, "class": word.label, "why": why,
            "uri": uri, "entered_at": self._now, "undone_at": None,
        }  # fmt: skip

    def _key_of(self, key: tuple[str, str]) -> Row:
        return {"collection": self._collection, "image_id": key[0], "source": key[1]}


def _word_of(row: Row) -> Word:
    return Word(str(row["class"]), _moment(row))


def _moment(row: Row) -> datetime:
    at = row["annotated_at"]
    assert isinstance(at, datetime)
    return at
