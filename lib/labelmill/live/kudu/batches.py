"""Batches straight from Kudu without a copy on disk: for one pass, or for more than a disk holds.

How they work: docs/guides/live_batches.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from labelmill.errors import InputError, NoData
from labelmill.feed.batches.blocks import Blocks, require_one_shape
from labelmill.feed.batches.numpy_batches import NumpyBatches
from labelmill.feed.batches.options import Feeding, Map, in_numpy, in_tensorflow
from labelmill.feed.maps.base import ArrayMap
from labelmill.feed.rows.class_weights import class_weights_of
from labelmill.live.kudu.plan import KuduPlan
from labelmill.live.kudu.rows import KuduRows, targets_of
from labelmill.settings import Settings
from labelmill.store.connect import shared_client

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

WINDOW_BYTES = 32 << 20
"""Bytes of pixels in a window. Three windows may be in memory: in use, waiting, being read."""

READERS = 3
"""Threads that read: while some wait for the server, another copies pixels."""

PATIENCE_SECONDS = 300.0
"""A tablet server that restarts is back after seconds, a machine after minutes."""


class KuduBatches:
    """Batches of the images that a query selects, at one snapshot, straight from the table.

    Args:
        sql: See `plan`.
        settings: See `plan`.
        spark: See `plan`.
        snapshot_ms: See `plan`.
        parameters: See `plan`.
        classes: See `plan`.
        no_target: See `plan`.

    Raises:
        LabelmillError: See `plan`.

    Example::

        import labelmill
        from labelmill import augment, maps

        mill = labelmill.connect()
        live = labelmill.KuduBatches(
            "select collection, image_id, class from truth where collection = :name",
            mill.settings,
            mill.spark,
            parameters={"name": "pets"},
        )
        prepare = maps.prepared(["grey", {"resize": [64, 64]}])
        for images, classes in live.numpy(128, seed=1, map=(prepare, augment.flip())):
            images.shape, classes.shape  # (128, 64, 64, 1) float32, (128,) int64

    Several processes share one plan; only the planner needs Spark::

        data = labelmill.KuduBatches.plan(sql, mill.settings, mill.spark, parts=8).to_bytes()
        part = labelmill.KuduBatches.of(data, settings).part(number, 8)  # in process `number`
    """

    def __init__(
        self,
        sql: str,
        settings: Settings,
        spark: SparkSession,
        snapshot_ms: int | None = None,
        parameters: Mapping[str, str] | None = None,
        classes: Sequence[str] | None = None,
        no_target: bool = False,
    ) -> None:
        self.planned = self.plan(sql, settings, spark, snapshot_ms, parameters, classes, no_target)
        self._settings = settings

    @classmethod
    def of(cls, plan: KuduPlan | bytes, settings: Settings) -> KuduBatches:
        """Batches of a plan, or of a part of one, in any process; needs no Spark.

        Args:
            plan: Result of `plan`, or its bytes.
            settings: Where Kudu is.

        Raises:
            InputError: The bytes are not a plan.
        """
        made = cls.__new__(cls)
        made.planned = KuduPlan.from_bytes(plan) if isinstance(plan, bytes) else plan
        made._settings = settings
        return made

    @classmethod
    def plan(
        cls,
        sql: str,
        settings: Settings,
        spark: SparkSession,
        snapshot_ms: int | None = None,
        parameters: Mapping[str, str] | None = None,
        classes: Sequence[str] | None = None,
        no_target: bool = False,
        parts: int = 1,
    ) -> KuduPlan:
        """Asks Spark which images to read, and Kudu where they are stored; reads no pixels.

        Args:
            sql: A query with ``collection``, ``image_id`` and the target: ``class``, ``classes`` or
                ``mask_id`` (and ``mask_collection``). Must be repeatable. Pixels are those of the
                table ``images``, even where the query computes its own.
            settings: Where Kudu is.
            spark: The session.
            snapshot_ms: Milliseconds since 1970 UTC at which everything is read; now when None.
            parameters: Name → text of each ``:parameter``.
            classes: In the order of class indices; the ones that occur, sorted, when None.
            no_target: Read images without a target.
            parts: Number of processes that will share the plan.

        Returns:
            The plan: picklable, ``to_bytes()``, ``part(i, n)``.

        Raises:
            QueryRefused: The query does more than read, or may give another answer when it runs again.
            UnknownName: An unknown view, column or parameter; no ``collection`` or ``image_id``.
            NoData: The query has no rows.
            InputError: Several targets, rows without one, duplicate images, a label that is not in
                `classes`, a mask of another size than its image, an image that is not in the table,
                a snapshot older than Kudu's history, more rows than the driver accepts, fewer than
                `parts`.
            StoreError: Kudu refused.
            StoreUnreachable: Kudu did not answer.
        """
        from labelmill.live.kudu.planner import make_plan

        if parts < 1:
            raise InputError(f"parts={parts}; expected a number of processes, 1 or more")
        return make_plan(
            sql, settings, spark, snapshot_ms, parameters, classes, no_target=no_target, parts=parts
        )

    def __len__(self) -> int:
        """Number of images."""
        return len(self.planned)

    @property
    def classes(self) -> list[str]:
        """Classes in the order of class indices."""
        return list(self.planned.classes)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of what is read, in which units and at which snapshot."""
        return self.planned.digest

    def part(self, number: int, parts: int) -> KuduBatches:
        """The share of one of several processes; see `KuduPlan.part`.

        Raises:
            InputError: There is no such part, or the plan has fewer units than parts.
        """
        return self.of(self.planned.part(number, parts), self._settings)

    def class_weights(self) -> dict[int, float]:
        """Weights that make rare classes count more: class index → N / (K · n_c).

        N is the number of rows, K the number of classes with rows, n_c the rows of the class. Classes
        without rows have weight 0.

        Raises:
            InputError: The target is not a class.
        """
        plan = self.planned
        return class_weights_of(targets_of(plan), plan.target, len(self))

    def tf(
        self,
        batch: int,
        *,
        shuffle: bool = True,
        seed: int = 0,
        map: Map | Sequence[Map] | None = None,
        repeat: bool | int = False,
        drop_remainder: bool = False,
        prefetch: int = 2,
        window_bytes: int = WINDOW_BYTES,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> Any:
        """Batches as a ``tf.data.Dataset`` that also has ``state()`` and ``restore(state)``.

        The same as `labelmill.feed.training_set.TrainingSet.tf`, except that rows are shuffled within
        windows.

        Args:
            batch: Rows per batch; the last batch of an epoch may have fewer.
            shuffle: Another order each epoch; otherwise by collection and id.
            seed: Seed of order and augmentation: the same seed gives the same batches.
            map: One function or several, in order; see `TrainingSet.tf`.
            repeat: Epochs of one pass, each read from Kudu; True: unbounded.
            drop_remainder: Leave out an epoch's last batch when it is not full.
            prefetch: Least number of batches to map ahead; 0: none. Windows are read ahead in any
                case.
            window_bytes: Bytes of pixels among which rows are shuffled.
            patience_seconds: Seconds without an answer from Kudu after which it is an error.

        Returns:
            Images ``(N, H, W, C)`` in their dtype, and the target: class indices ``(N,)`` int64,
            several classes ``(N, K)`` float32, masks ``(N, H, W, C)``, or none.

        Raises:
            InputError: Invalid arguments; mixed shapes that no map makes equal.
            NoData: There is not one batch of that size.
        """
        from labelmill.feed.tf.dataset import make_dataset

        feeding = _feeding(batch, shuffle, seed, map, repeat, drop_remainder, prefetch)
        on_arrays, functions = in_tensorflow(feeding.maps)
        blocks = self._blocks(feeding, on_arrays, window_bytes, patience_seconds)
        return make_dataset(blocks, self._identity(feeding, window_bytes), feeding, functions)

    def numpy(
        self,
        batch: int,
        *,
        shuffle: bool = True,
        seed: int = 0,
        map: Map | Sequence[Map] | None = None,
        repeat: bool | int = False,
        drop_remainder: bool = False,
        prefetch: int = 2,
        window_bytes: int = WINDOW_BYTES,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> NumpyBatches:
        """The same batches as numpy arrays; arguments and errors as for `tf`."""
        feeding = _feeding(batch, shuffle, seed, map, repeat, drop_remainder, prefetch)
        blocks = self._blocks(feeding, in_numpy(feeding.maps), window_bytes, patience_seconds)
        identity = self._identity(feeding, window_bytes)
        return NumpyBatches(blocks, identity, feeding.epochs, feeding.prefetch)

    def _blocks(
        self, feeding: Feeding, maps: Sequence[ArrayMap], window_bytes: int, patience: float
    ) -> Blocks:
        plan = self.planned
        client = shared_client(self._settings)
        rows = KuduRows(plan, client, patience, READERS, feeding, window_bytes)
        blocks = Blocks(rows, rows.order, feeding.batch, feeding.drop_remainder, maps)
        if not blocks.per_epoch:
            raise NoData(
                f"{len(plan):,} images are fewer than one batch of {feeding.batch}, and drop_remainder is "
                "set"
            )
        require_one_shape(blocks, plan.examples())
        return blocks

    def _identity(self, feeding: Feeding, window_bytes: int) -> dict[str, Any]:
        return {**feeding.identity(self.digest, (0, 1)), "window_bytes": window_bytes}


def _feeding(
    batch: int,
    shuffle: bool,
    seed: int,
    map: Map | Sequence[Map] | None,
    repeat: bool | int,
    drop_remainder: bool,
    prefetch: int,
) -> Feeding:
    feeding = Feeding(
        batch, shuffle=shuffle, seed=seed, map=map, repeat=repeat,
        drop_remainder=drop_remainder, prefetch=prefetch,
    )  # fmt: skip
    # Windows are read ahead already: without maps, another thread would only cost time.
    return feeding if feeding.maps else replace(feeding, prefetch=0)
