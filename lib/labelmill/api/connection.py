"""`connect` and what it opens: the jobs' verbs as methods of one object."""

from __future__ import annotations

from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

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
    """Connects to a Kudu and a Kafka.

    Settings that are not given come from ``conf/labelmill.toml`` and the environment
    (``LABELMILL_KUDU_MASTERS`` and so on), as for the jobs; without any, from the one-machine servers
    that ``labelmill up`` started. Spark and Kudu's client start when they are needed first.

    Args:
        settings: Of another connection; keywords win over it.
        home: Folder of jars, local training sets and the one-machine servers.
        kudu_masters: ``HOST:PORT[,HOST:PORT…]``.
        kafka_brokers: ``HOST:PORT[,HOST:PORT…]``.
        table_prefix: Prefix of the Kudu tables.
        training_sets: Folder or URI below which training sets are written.
        master: Spark master, for example ``local[4]``; default ``local[*]``, or what spark-submit
            chose.
        spark: A session that is already running; it is used and not stopped.
        progress: Show the progress of long work on stderr.
        **more: Any other setting of ``conf/labelmill.toml``.

    Raises:
        UnknownName: A keyword that is not a setting; suggests the closest match.
        InputError: A value that a setting does not take, or no Kudu is known.

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


class Connection(CatalogueMethods, ModelMethods):
    """An open connection; `connect` makes one. Closes with ``with``, or `close`.

    Every method calls what the job of that name calls, and raises errors of `labelmill.errors`. An
    interrupt (Ctrl-C, or a notebook's stop button) cancels what runs in Spark; the connection can be
    used on.

    Attributes:
        settings: Where everything is; `KuduBatches` and `StreamBatches` take them.

    Example::

        with labelmill.connect() as mill:
            mill.ingest("photos", collection="pets")
            mill.sql("select class, count(*) n from truth where collection = :c group by class", c="pets")
    """
