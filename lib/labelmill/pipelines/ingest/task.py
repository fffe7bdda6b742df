"""What workers need to know of one run of ingest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from labelmill.domain.images.folders import ALONE, FolderLayout
from labelmill.domain.images.label_rules import LabelRule
from labelmill.settings import Settings


@dataclass(frozen=True)
class IngestTask:
    """One run, as its workers see it; picklable.

    Attributes:
        settings: Where Kudu is, the pixel cap.
        collection: Name that the images get.
        root: Folder or URI below which files are opened; empty where the bytes travel with the wave.
        label_rule: Where classes come from when the source names none.
        layout: What the source's folders mean.
        now: Time of the run, UTC; new rows carry it.
        retry_quarantined: The collection has quarantined files, some of which may be good now.
        annotated: The collection had annotations before this run.
        normalise_classes: Classes are written as `labelmill.domain.images.class_names` makes them one.
        dry_run: Write nothing.
    """

    settings: Settings
    collection: str
    root: str
    label_rule: LabelRule
    now: datetime
    layout: FolderLayout = ALONE
    retry_quarantined: bool = False
    annotated: bool = False
    normalise_classes: bool = False
    dry_run: bool = False
