"""`connect` and what it opens: the jobs' verbs as methods of one object."""

from __future__ import annotations

from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

from labelmill.api.annotation_methods import AnnotationMethods
from labelmill.api.catalogue_methods import CatalogueMethods
from labelmill.api.model_methods import ModelMethods
from labelmill.errors import InputError, UnknownName
from labelmill.settings import Settings, load

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def connect(
    settings: Settings | None = None,
    *,
    home: str | PathLike[str] | None = None,
    kudu_masters: str | None = None,
    kafka_brokers: str | None = None,
    table_prefix: str | None = None,
    training_sets: str | PathLike[str] | None = None,
    master: str | None = None,
    spark: SparkSession | None = None,
    progress: bool = True,
    **more: Any,
) -> Connection:
    """Connects to Kudu and Kafka.

    Settings that are not given come from ``conf/labelmill.toml`` and the environment
    (``LABELMILL_KUDU_MASTERS`` and so on), as for the jobs; without those, the one-machine servers
    that ``labelmill up`` started are used. Spark and Kudu's client start when they are first needed.

    Args:
        settings: Those of another connection; the keywords override them.
        home: Folder of jars, local training sets and the one-machine servers.
        kudu_masters: ``HOST:PORT[,HOST:PORT…]``.
        kafka_brokers: ``HOST:PORT[,HOST:PORT…]``.
        table_prefix: Prefix of the Kudu tables.
        training_sets: Folder or URI below which training sets are written.
        master: Spark master, for example ``local[4]``; default ``local[*,4]``, or what spark-submit
            chose.
        spark: A session that is already running; it is used, and not stopped.
        progress: Show the progress of long work on stderr.
        **more: Any other setting of ``conf/labelmill.toml``.

    Raises:
        UnknownName: A keyword that is not a setting; suggests the closest match.
        InputError: An invalid value of a setting, or no Kudu is known.

    Example:
        >>> import labelmill
        >>> labelmill.connect(kudu_master="kudu:7051")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        labelmill.errors.UnknownName: unknown argument of connect() ... Did you mean 'kudu_masters'?
    """
    from labelmill.devcluster.java import choose_java

    known = {*Settings.model_fields, "settings", "master", "spark", "progress"}
    for name in more:
        if name not in known:
            raise UnknownName("argument of connect()", name, known)
    named = {
        "home": home,
        "kudu_masters": kudu_masters,
        "kafka_brokers": kafka_brokers,
        "table_prefix": table_prefix,
        "training_sets": None if training_sets is None else fspath(training_sets),
    }
    given = {name: value for name, value in {**named, **more}.items() if value is not None}
    if settings is None:
        settings = load(**given)
    elif given:
        settings = load(**{**settings.model_dump(), **given})
    settings.masters()  # says what to do when no Kudu is known
    if spark is not None and master is not None:
        raise InputError("give either master or spark: a running session has its master already")
    choose_java()
    return Connection(settings, master, spark, progress)


class Connection(CatalogueMethods, AnnotationMethods, ModelMethods):
    """An open connection, made by `connect`. Close it with `close` or a ``with`` block.

    Every method runs the same code as the job of that name, and raises errors from `labelmill.errors`.
    An interrupt (Ctrl-C, or a notebook's stop button) cancels what is running in Spark; the connection
    stays usable.

    Attributes:
        settings: Addresses and folders in use; pass them to `KuduBatches` and `StreamBatches`.

    Example::

        with labelmill.connect() as mill:
            mill.ingest("photos", collection="pets")
            mill.sql("select class, count(*) n from truth where collection = :c group by class", c="pets")
    """
