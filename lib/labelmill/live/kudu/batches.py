"""Batches straight from Kudu, with no copy on disk: for one pass, or for what no disk holds.

What is fed and how: docs/guides/live_batches.md.
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
from labelmill.live.kudu.rows import KuduRows, target_of
from labelmill.settings import Settings
from labelmill.store.connect import shared_client

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

WINDOW_BYTES = 32 << 20
"""Pixels that rows are shuffled among. Three windows may be in memory: in use, waiting, being read."""

READERS = 3
"""Threads that read: while some wait for the server, another puts pixels into place."""

PATIENCE_SECONDS = 300.0
"""A tablet server that is started again is back after seconds, a machine after minutes."""


class KuduBatches:
    """Images that a query names, at one moment, straight from the table.

    Args:
        sql: See `plan`.
        settings: See `plan`.
        spark: See `plan`.
        snapshot_ms: See `plan`.
        parameters: See `plan`.
        classes: See `plan`.
        no_target: See `plan`.

    Raises:
        LabelmillError: As `plan`.
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
            plan: As `plan` gives it, or its bytes.
            settings: Where Kudu is.

        Raises:
            InputError: Bytes that are no plan.
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
        """Asks Spark which images, and Kudu where they lie; reads no pixels.

        Args:
            sql: A query with ``collection``, ``image_id`` and what is to be learned: ``class``,
                ``classes`` or ``mask_id`` (and ``mask_collection``). Must be repeatable. Pixels are
                those of the table ``images``, also where the query makes some of its own.
            settings: Where Kudu is.
            spark: The session.
            snapshot_ms: Milliseconds since 1970 UTC that everything is read at; default now.
            parameters: Name → text of each ``:parameter``.
            classes: Their order; those that occur, sorted, when None.
            no_target: Images alone are wanted.
            parts: For how many processes the plan shall do.

        Returns:
            The plan: picklable, ``to_bytes()``, ``part(i, n)``.

        Raises:
            QueryRefused: The query does more than read, or would not answer the same again.
            UnknownName: An unknown view, column or parameter; no collection or image_id.
            NoData: The query has no rows.
            InputError: Several targets, rows without one, an image twice, a label that is not in
                `classes`, a mask of another size than its image, an image that is not in the table,
                a snapshot older than Kudu's history, more rows than the driver takes, fewer than
                `parts`.
            StoreError: Kudu refused.
            StoreUnreachable: Kudu did not answer.
        """
        from labelmill.live.kudu.planner import plan

        if parts < 1:
            raise InputError(f"parts={parts}; expected a number of processes from 1")
        return plan(
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
        """SHA-256 (hex) of what is read, in which pieces and at which moment."""
        return self.planned.digest

    def part(self, number: int, parts: int) -> KuduBatches:
        """What one of several processes reads; see `KuduPlan.part`.

        Raises:
            InputError: No such part, or fewer units than parts.
        """
        return self.of(self.planned.part(number, parts), self._settings)

    def class_weights(self) -> dict[int, float]:
        """Class index → N / (K · n_c): rows of rare classes count more. 0 for classes without rows.

        Raises:
            InputError: The target is no class.
        """
        plan = self.planned
        return class_weights_of(target_of(plan), plan.target, len(self))

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

        The same as `labelmill.feed.training_set.TrainingSet.tf`, but that rows are shuffled within a
        window.

        Args:
            batch: Rows a batch; the last of an epoch has fewer.
            shuffle: Another order each epoch; else by collection and id.
            seed: Of order and augmentation: the same seed, the same batches.
            map: One function or several, in order; see `TrainingSet.tf`.
            repeat: Epochs of one pass, each read from Kudu; True: without end.
            drop_remainder: Leave out an epoch's last batch when it is not full.
            prefetch: Batches that are mapped ahead, at least; 0: none. Windows are read ahead anyway.
            window_bytes: Pixels that rows are shuffled among.
            patience_seconds: For how long Kudu may not answer before it is an error.

        Raises:
            InputError: An argument that cannot be meant; mixed shapes that no map makes one.
            NoData: Not one batch of that size.
        """
        from labelmill.feed.tf.dataset import dataset

        feeding = _feeding(batch, shuffle, seed, map, repeat, drop_remainder, prefetch)
        on_arrays, functions = in_tensorflow(feeding.maps)
        blocks = self._blocks(feeding, on_arrays, window_bytes, patience_seconds)
        return dataset(blocks, self._identity(feeding, window_bytes), feeding, functions)

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
        """The same batches as numpy arrays; arguments and errors as of `tf`."""
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
                f"{len(plan):,} images are no batch of {feeding.batch} with drop_remainder"
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
    # Another thread between windows that are ready and whoever takes them would only cost.
    return feeding if feeding.maps else replace(feeding, prefetch=0)
