"""A frozen slice: Arrow files beside a manifest, verified when opened, read by memory map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labelmill.errors import ArtifactError, InputError
from labelmill.feed.manifest import SPLITS, Manifest, read_manifest
from labelmill.feed.places import open_input, sha256_of
from labelmill.feed.rows import Images, about_of, images_of, together


class Frozen:
    """Rows of shard files, memory-mapped; nothing is verified here.

    Args:
        paths: Local paths or `pyarrow.fs` URIs of shards, whole names as in the manifest or with
            something before them.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self.tables = [_open(path) for path in paths]

    @property
    def classes(self) -> list[str]:
        """Classes in the order of class indices."""
        return about_of(self.tables[0].schema).classes if self.tables else []

    def split(self, name: str) -> tuple[list[str], Images, npt.NDArray[np.int64]]:
        """The rows of one split.

        Args:
            name: ``train``, ``validation`` or ``test``.

        Returns:
            Image ids; images as one array ``(N, H, W, C)`` when all shapes and dtypes agree (views
            of the memory map where possible), else a list of ``(H, W, C)``; class indices ``(N,)``
            int64. All empty when the split has no rows.

        Raises:
            InputError: No such name.
        """
        tables = self._of(name)
        index = {c: i for i, c in enumerate(self.classes)}
        ids: list[str] = []
        images: list[npt.NDArray[Any]] = []
        labels: list[int] = []
        for table in tables:
            ids += table["image_id"].to_pylist()
            labels += [index[c] for c in table["class"].to_pylist()]
            for batch in table.to_batches():
                images.append(images_of(batch))  # type: ignore[arg-type]
        return ids, together(images), np.array(labels, np.int64)

    def rows(self, name: str) -> pa.Table:
        """The rows of one split as they were frozen: columns `columns_of`, views of the memory map.

        Raises:
            InputError: No such name.
        """
        return pa.concat_tables([self.tables[0].schema.empty_table(), *self._of(name)])

    def _of(self, name: str) -> list[pa.Table]:
        if name not in SPLITS:
            raise InputError(f"split {name!r}; expected one of {', '.join(SPLITS)}")
        return [t for t in self.tables if len(t) and t["split"][0].as_py() == name]


class TrainingSet(Frozen):
    """A verified training set.

    Attributes:
        location: Folder or URI.
        manifest: What it is made of.
    """

    def __init__(self, location: str, manifest: Manifest) -> None:
        self.location, self.manifest = location, manifest
        super().__init__(self.files())

    @classmethod
    def open(cls, location: str) -> TrainingSet:
        """Opens and verifies every shard.

        Args:
            location: Folder or URI that holds the manifest.

        Raises:
            InputError: There is no training set.
            ArtifactError: A shard is missing or is not what was frozen; names it.
        """
        manifest = read_manifest(location)
        for shard in manifest.shards:
            found = sha256_of(f"{location.rstrip('/')}/{shard.file}")
            if found != shard.sha256:
                raise ArtifactError(
                    f"{shard.file} of training set {manifest.digest[:12]} in {location} "
                    f"{'is missing' if found is None else f'has SHA-256 {found[:12]}…, expected {shard.sha256[:12]}…'}; "
                    "delete the folder and freeze the slice again"
                )
        return cls(location, manifest)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over the rows."""
        return self.manifest.digest

    @property
    def classes(self) -> list[str]:
        """Classes in the order of class indices."""
        return list(self.manifest.classes)

    def files(self) -> list[str]:
        """Paths or URIs of the shards, in order."""
        return [f"{self.location.rstrip('/')}/{shard.file}" for shard in self.manifest.shards]


def open_files(paths: Sequence[str]) -> Frozen:
    """Shards that were brought to this machine; for executors."""
    return Frozen(paths)


def _open(path: str) -> pa.Table:
    if "://" in path:
        with open_input(path) as file:
            return pa.ipc.open_file(pa.BufferReader(file.read())).read_all()
    return pa.ipc.open_file(pa.memory_map(path)).read_all()
