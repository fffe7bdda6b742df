"""A training set: a frozen slice, verified when opened, fed from a memory map.

The guide is docs/guides/training_sets.md.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import pyarrow as pa

from labelmill.domain.splits.hashing import SPLITS_SHOWN
from labelmill.errors import ArtifactError, InputError
from labelmill.feed.batches.numpy_batches import NumpyBatches
from labelmill.feed.batches.options import Feeding, Map, blocks_of, in_numpy, in_tensorflow
from labelmill.feed.files.locations import bring, find, local_path
from labelmill.feed.files.manifest import Manifest, read_manifest
from labelmill.feed.files.verify import verify
from labelmill.feed.maps.base import ArrayMap
from labelmill.feed.order.permutation import check_shard
from labelmill.feed.rows.class_weights import class_weights_of
from labelmill.feed.rows.shards import ShardReader


class TrainingSet(ShardReader):
    """A verified training set. Get one with `open`.

    Attributes:
        location: Folder or URI.
        manifest: Its query, snapshot, classes and files.

    Example:
        >>> from labelmill.testing.samples import write_training_set
        >>> from labelmill import TrainingSet, augment
        >>> training_set = TrainingSet.open(write_training_set("sets"))
        >>> training_set.classes
        ['a', 'b', 'c']
        >>> batches = training_set.numpy(64, seed=7, map=augment.flip())
        >>> images, classes = next(iter(batches))
        >>> images.shape, images.dtype.name, classes.shape, classes.dtype.name
        ((64, 30, 30, 1), 'uint8', (64,), 'int64')
        >>> batches.state()["batch"]
        1
    """

    page: ClassVar[Callable[[TrainingSet], str] | None] = None
    """Draws a training set as HTML for notebooks; set by `labelmill.api.results.training_set`."""

    def __init__(self, location: str, manifest: Manifest, folder: str | None = None) -> None:
        self.location, self.manifest = location.rstrip("/"), manifest
        self._shard = (0, 1)
        below = folder or self.location
        super().__init__([f"{below}/{shard.file}" for shard in manifest.shards])

    @classmethod
    def open(cls, named: str, root: str | None = None, contents: bool = True) -> TrainingSet:
        """Opens a training set and verifies every shard.

        Files that are not on a local disk are first copied to this machine's folder for temporary
        files, where they take up space as long as the training set is in use.

        Args:
            named: Folder or URI of the manifest, or a digest, or its first six characters or more.
            root: Where digests are looked up; default: ``training_sets`` of the settings.
            contents: Hash the files. False: check only their sizes, for callers that have just
                verified them.

        Raises:
            InputError: There is no such training set, or more than one.
            ArtifactError: A shard is missing or differs from what was frozen; names it.
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
                # They are mapped now: the disk space is free again when the maps are closed.
                shutil.rmtree(folder, ignore_errors=True)
        if opened.tables and opened.about != (manifest.kind, manifest.target, manifest.classes):
            raise ArtifactError(
                f"the manifest in {location} says {manifest.kind}, {manifest.target} and classes "
                f"{manifest.classes}, its shards say {tuple(opened.about)}; delete the folder and freeze "
                "the slice again"
            )
        return opened

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process maps the files itself: no pixels are pickled.
        return _reopen, (self.location, self.digest, self._shard)

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
        """`spec` of the split ``train``, or of the first split that has rows."""
        has = {shard.split for shard in self.manifest.shards if shard.rows}
        return self.spec("train" if "train" in has or not has else min(has))

    def spec(self, split: str = "train") -> Any:
        """One row as ``tf.TensorSpec``: (inputs, target), or inputs alone without a target.

        Heights, widths and channels that differ between rows are None.

        Args:
            split: ``train``, ``validation`` or ``test``.

        Raises:
            InputError: No such split.
            NoData: It has no rows.

        Example:
            >>> from labelmill.testing.samples import write_training_set
            >>> TrainingSet.open(write_training_set("sets")).spec("validation")
            (TensorSpec(shape=(30, 30, 1), dtype=tf.uint8, name=None), TensorSpec(shape=(), dtype=tf.int64, name=None))
        """
        from labelmill.feed.tf.specs import row_spec

        return row_spec(self.split_rows(split))

    def files(self) -> list[str]:
        """Paths or URIs of the shards, in order."""
        return [f"{self.location}/{shard.file}" for shard in self.manifest.shards]

    def count(self, split: str) -> int:
        """Number of rows of a split, or of this shard of it."""
        rows = sum(shard.rows for shard in self.manifest.shards if shard.split == split)
        return rows // self._shard[1]

    def shard(self, number: int, shards: int) -> TrainingSet:
        """The part that one of several learners gets.

        Every shard has the same number of rows per epoch: the rows of the split divided by the shards,
        rounded down. No row is in two shards. Rows that do not fill every shard are left out,
        different ones each epoch when shuffled.

        Args:
            number: From 0.
            shards: Number of shards.

        Raises:
            InputError: No such shard, or this is a shard already.

        Example:
            >>> from labelmill.testing.samples import write_training_set
            >>> training_set = TrainingSet.open(write_training_set("sets"))
            >>> training_set.count("train"), training_set.shard(0, 3).count("train")
            (400, 133)
        """
        if self._shard != (0, 1):
            raise InputError(f"shard {self._shard} of a training set cannot be divided again")
        part = object.__new__(type(self))
        part.__dict__.update(self.__dict__)
        part._shard = check_shard(number, shards)
        return part

    def arrow(self, split: str = "train") -> pa.Table:
        """The rows of a split as they were frozen: views of the memory map; of a shard, copies.

        Args:
            split: ``train``, ``validation`` or ``test``.

        Raises:
            InputError: No such split.

        Example:
            >>> from labelmill.testing.samples import write_training_set
            >>> TrainingSet.open(write_training_set("sets")).arrow("validation").column_names[:3]
            ['collection', 'image_id', 'split']
        """
        return self.rows(split)

    def class_weights(self, split: str = "train") -> dict[int, float]:
        """Class index → N / (K · n_c): rows of rare classes count more. 0 for classes without rows.

        A shard has the weights of the whole split: shuffled, it gets different rows each epoch, and
        learners that work together must use the same weights.

        Args:
            split: ``train``, ``validation`` or ``test``.

        Raises:
            InputError: The target is not a class.

        Example:
            >>> from labelmill.testing.samples import write_training_set
            >>> {label: round(w, 3) for label, w in TrainingSet.open(write_training_set("sets")).class_weights().items()}
            {0: 0.995, 1: 1.003, 2: 1.003}
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

        Rows go cache → shuffle → map → batch → prefetch. Each iteration is the next epoch.

        Args:
            batch: Rows per batch; the last batch of an epoch may have fewer.
            split: ``train``, ``validation`` or ``test``.
            shuffle: A different order each epoch; else the frozen order.
            seed: For order and augmentation: the same seed gives the same batches.
            balance: Draw classes equally often; the number of rows in an epoch stays.
            cache: False: rely on the machine's page cache. True: keep rows in memory. A map over
                arrays that is not random, for example ``prepared(…)``: keep its results in memory.
            map: One function or several, in order. Maps over arrays (`prepared`, `augment`, `arrays`)
                come first; other functions get one (inputs, target) as tensors, or a batch if
                `batched`.
            repeat: Epochs per iteration; True: unbounded.
            drop_remainder: Leave out an epoch's last batch when it is not full.
            prefetch: Batches prepared ahead, at least; 0: none.

        Returns:
            Batches (inputs, targets), or inputs alone without a target. Images are
            ``(batch, H, W, C)`` in the dtype that they were frozen in, features a dict of
            ``(batch,)``. Classes are int64 ``(batch,)``, several classes float32 ``(batch, K)``, masks
            ``(batch, H, W, C)``.

        Raises:
            InputError: An invalid argument; mixed shapes that no map makes one shape; a class that is
                not in the class list.
            NoData: The split has no rows, or less than one batch.

        Example:
            >>> from labelmill.testing.samples import write_training_set
            >>> training_set = TrainingSet.open(write_training_set("sets"))
            >>> dataset = training_set.tf(64, seed=7, drop_remainder=True)
            >>> len(dataset), dataset.element_spec[0].shape
            (6, TensorShape([64, 30, 30, 1]))
            >>> for images, classes in dataset.take(2):
            ...     pass
            >>> dataset.state()["batch"]
            2
        """
        from labelmill.feed.tf.dataset import make_dataset

        feeding = Feeding(
            batch, split, shuffle, seed, balance, cache, map, repeat, drop_remainder, prefetch
        )
        on_arrays, functions = in_tensorflow(feeding.maps)
        blocks = blocks_of(feeding, self.split_rows(split), self._shard, on_arrays)
        return make_dataset(blocks, feeding.identity(self.digest, self._shard), feeding, functions)

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
        """The same batches as numpy arrays; arguments, results and errors as for `tf`.

        Functions in `map` that are not maps over arrays are called with numpy arrays.

        Example:
            >>> from labelmill.testing.samples import write_training_set
            >>> batches = TrainingSet.open(write_training_set("sets")).numpy(100, shuffle=False, split="validation")
            >>> [len(images) for images, classes in batches]
            [40]
        """
        feeding = Feeding(
            batch, split, shuffle, seed, balance, cache, map, repeat, drop_remainder, prefetch
        )
        blocks = blocks_of(feeding, self.split_rows(split), self._shard, in_numpy(feeding.maps))
        identity = feeding.identity(self.digest, self._shard)
        return NumpyBatches(blocks, identity, feeding.epochs, feeding.prefetch)


def _reopen(location: str, digest: str, shard: tuple[int, int]) -> TrainingSet:
    opened = TrainingSet.open(location)
    if opened.digest != digest:
        raise ArtifactError(
            f"{location} holds the training set {opened.digest[:12]}, expected {digest[:12]}; open the "
            "training set with that digest"
        )
    return opened if shard == (0, 1) else opened.shard(*shard)
