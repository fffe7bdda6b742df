"""A training set: a frozen slice, verified when opened, fed from the memory map.

What is fed and how: docs/guides/training_sets.md.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labelmill.domain.splits.hashing import SPLITS_SHOWN
from labelmill.errors import ArtifactError, InputError
from labelmill.feed.batches.numpy_batches import NumpyBatches
from labelmill.feed.batches.options import Feeding, Map, blocks_of, in_numpy, in_tensorflow
from labelmill.feed.files.columns import Images
from labelmill.feed.files.locations import bring, find, local_path
from labelmill.feed.files.manifest import Manifest, read_manifest
from labelmill.feed.files.verify import verify
from labelmill.feed.maps.base import ArrayMap
from labelmill.feed.order.permutation import checked_shard
from labelmill.feed.rows.class_weights import class_weights_of
from labelmill.feed.rows.shards import Frozen


class TrainingSet(Frozen):
    """A verified training set. `open` one.

    Attributes:
        location: Folder or URI.
        manifest: What it is made of.
    """

    page: ClassVar[Callable[[TrainingSet], str] | None] = None
    """Draws a training set as HTML for notebooks; set by `labelmill.api.training_set`."""

    def __init__(self, location: str, manifest: Manifest, folder: str | None = None) -> None:
        self.location, self.manifest = location.rstrip("/"), manifest
        self._shard = (0, 1)
        below = folder or self.location
        super().__init__([f"{below}/{shard.file}" for shard in manifest.shards])

    @classmethod
    def open(cls, named: str, root: str | None = None, contents: bool = True) -> TrainingSet:
        """Opens a training set and verifies every shard.

        From a place that is no local disk, the files are first brought to this machine's folder for
        temporary files, where they take their room as long as the training set is used.

        Args:
            named: Folder or URI that holds the manifest, or a digest, or its first six letters or more.
            root: Where digests are looked for; default: the settings' ``training_sets``.
            contents: Verify what is in the files; else their sizes only, for who has just verified.

        Raises:
            InputError: There is no training set, or several fit.
            ArtifactError: A shard is missing or is not what was frozen; names it.
        """
        location = find(named, root)
        manifest = read_manifest(location)
        local = local_path(location)
        folder = local or bring(location, [shard.file for shard in manifest.shards])
        try:
            verify(folder, manifest, contents)
            opened = cls(location, manifest, folder)
        finally:
            if local is None:
                # They are mapped now: the disk has their room again when the map goes.
                shutil.rmtree(folder, ignore_errors=True)
        if opened.tables and opened.about != (manifest.kind, manifest.target, manifest.classes):
            raise ArtifactError(
                f"the manifest in {location} says {manifest.kind}, {manifest.target} and classes "
                f"{manifest.classes}, its shards say {tuple(opened.about)}; delete the folder and freeze "
                "the slice again"
            )
        return opened

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process maps the files for itself; pixels do not travel.
        return _again, (self.location, self.digest, self._shard)

    def __repr__(self) -> str:
        splits = ", ".join(f"{split} {self.count(split):,}" for split in SPLITS_SHOWN)
        classes = f", {len(self.classes):,} classes" if self.classes else ""
        return f"<TrainingSet {self.manifest.name} {self.digest[:12]}: {splits}{classes}>"

    def _repr_html_(self) -> str | None:
        # Rooms above draw pages; until one is loaded a notebook shows the text.
        return None if TrainingSet.page is None else TrainingSet.page(self)

    def __len__(self) -> int:
        return sum(self.count(split) for split in {shard.split for shard in self.manifest.shards})

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over the rows."""
        return self.manifest.digest

    @property
    def classes(self) -> list[str]:
        """Classes in the order of class indices."""
        return list(self.manifest.classes)

    @property
    def element_spec(self) -> Any:
        """`spec` of train, or of the first split that has rows."""
        has = {shard.split for shard in self.manifest.shards if shard.rows}
        return self.spec("train" if "train" in has or not has else min(has))

    def spec(self, split: str = "train") -> Any:
        """One element as ``tf.TensorSpec``: (inputs, target), or inputs alone without a target.

        Heights, widths and channels that differ are None.

        Raises:
            InputError: No such split.
            NoData: It has no rows.
        """
        from labelmill.feed.tf.specs import row_spec

        return row_spec(self.split_rows(split))

    def files(self) -> list[str]:
        """Paths or URIs of the shards, in order."""
        return [f"{self.location}/{shard.file}" for shard in self.manifest.shards]

    def count(self, split: str) -> int:
        """Rows of a split; of a shard of it, when this is one."""
        rows = sum(shard.rows for shard in self.manifest.shards if shard.split == split)
        return rows // self._shard[1]

    def shard(self, number: int, shards: int) -> TrainingSet:
        """The part that one of several learners is fed.

        Every shard has the same number of rows an epoch, the split's over the shards rounded down; no
        row is in two of them. Rows that do not fill every shard are left out, other ones each epoch
        when shuffled.

        Args:
            number: From 0.
            shards: How many there are.

        Raises:
            InputError: No such shard, or this is a shard already.
        """
        if self._shard != (0, 1):
            raise InputError(f"shard {self._shard} of a training set cannot be cut again")
        part = object.__new__(type(self))
        part.__dict__.update(self.__dict__)
        part._shard = checked_shard(number, shards)
        return part

    def arrow(self, split: str = "train") -> pa.Table:
        """Rows as they were frozen: views of the memory map; of a shard, its rows, copied.

        Raises:
            InputError: No such split.
        """
        return self.rows(split)

    def rows(self, name: str) -> pa.Table:
        """The rows of one split as they were frozen; of a shard, its rows in that order, copied.

        Raises:
            InputError: No such name.
        """
        rows = super().rows(name)
        if self._shard == (0, 1):
            return rows
        kept = np.zeros(len(rows), bool)
        kept[self._own(name)] = True
        # By filter: to take, Arrow would first put all chunks of text and pixels together.
        return rows.filter(pa.array(kept))

    def split(self, name: str) -> tuple[list[str], Images, npt.NDArray[np.int64]]:
        """All images of one split at once; of a shard, its images. See `Frozen.split`."""
        ids, images, classes = super().split(name)
        if self._shard == (0, 1):
            return ids, images, classes
        own = self._own(name)
        some = images[own] if isinstance(images, np.ndarray) else [images[n] for n in own]
        return [ids[n] for n in own], some, classes[own]

    def _own(self, split: str) -> npt.NDArray[np.int64]:
        """Rows of the split that this shard is fed when it is not shuffled, ascending."""
        number, shards = self._shard
        return np.arange(self.count(split)) * shards + number

    def class_weights(self, split: str = "train") -> dict[int, float]:
        """Class index → N / (K · n_c): rows of rare classes count more. 0 for classes without rows.

        Of a shard those of the whole split: shuffled, a shard is fed other rows each epoch, and
        learners that work together weigh alike.

        Raises:
            InputError: The target is no class.
        """
        rows = self.split_rows(split)
        return class_weights_of(rows.target, self.manifest.target, len(rows))

    def tf(
        self,
        batch: int,
        *,
        split: str = "train",
        shuffle: bool = True,
        seed: int = 0,
        balance: bool = False,
        cache: bool | ArrayMap = False,
        map: Map | Sequence[Map] | None = None,
        repeat: bool | int = False,
        drop_remainder: bool = False,
        prefetch: int = 2,
    ) -> Any:
        """Batches as a ``tf.data.Dataset`` that also has ``state()`` and ``restore(state)``.

        Rows go cache → shuffle → map → batch → prefetch. Iterated again it is the next epoch.

        Args:
            batch: Rows a batch; the last of an epoch has fewer.
            split: ``train``, ``validation`` or ``test``.
            shuffle: Another order each epoch; else the frozen one.
            seed: Of order and augmentation: the same seed, the same batches.
            balance: Draw classes equally often; an epoch is as many rows as without.
            cache: False: the page cache of the machine does it. True: keep rows in memory. A map over
                arrays that is not random, for example ``prepared(…)``: keep what it makes of them.
            map: One function or several, in order. Maps over arrays (`prepared`, `augment`, `arrays`)
                come first; others get one (inputs, target) as tensors, or a batch when `batched`.
            repeat: Epochs of one pass; True: without end.
            drop_remainder: Leave out an epoch's last batch when it is not full.
            prefetch: Batches made ready ahead, at least; 0: none.

        Raises:
            InputError: An argument that cannot be meant; mixed shapes that no map makes one; a class
                that is not in the class list.
            NoData: The split has no rows, or no batch of that size.
        """
        from labelmill.feed.tf.dataset import dataset

        feeding = Feeding(
            batch, split, shuffle, seed, balance, cache, map, repeat, drop_remainder, prefetch
        )
        on_arrays, functions = in_tensorflow(feeding.maps)
        blocks = blocks_of(feeding, self.split_rows(split), self._shard, on_arrays)
        return dataset(blocks, feeding.identity(self.digest, self._shard), feeding, functions)

    def numpy(
        self,
        batch: int,
        *,
        split: str = "train",
        shuffle: bool = True,
        seed: int = 0,
        balance: bool = False,
        cache: bool | ArrayMap = False,
        map: Map | Sequence[Map] | None = None,
        repeat: bool | int = False,
        drop_remainder: bool = False,
        prefetch: int = 2,
    ) -> NumpyBatches:
        """The same batches as numpy arrays; arguments and errors as of `tf`.

        Functions in `map` that are no maps over arrays are called with numpy arrays.
        """
        feeding = Feeding(
            batch, split, shuffle, seed, balance, cache, map, repeat, drop_remainder, prefetch
        )
        blocks = blocks_of(feeding, self.split_rows(split), self._shard, in_numpy(feeding.maps))
        identity = feeding.identity(self.digest, self._shard)
        return NumpyBatches(blocks, identity, feeding.epochs, feeding.prefetch)


def _again(location: str, digest: str, shard: tuple[int, int]) -> TrainingSet:
    opened = TrainingSet.open(location)
    if opened.digest != digest:
        raise ArtifactError(
            f"{location} holds the training set {opened.digest[:12]}, expected {digest[:12]}; open the "
            "one that is meant"
        )
    return opened if shard == (0, 1) else opened.shard(*shard)
