"""Java classes beside Python modules, compiled at run time by the compiler that Spark ships.

Janino knows no generics and no lambdas. Plans and rules live in the JVM, where looking at a node from
Python costs a round trip; a few lines of Java take its place, and a user needs no jar of ours.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any
from weakref import WeakKeyDictionary

from pyspark.sql import SparkSession

_LOADERS: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()
"""Gateway to a JVM → package → class loader that compiles its sources."""

_OBJECTS: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()
"""Gateway to a JVM → objects by class name; compiling one takes longer than most queries' analysis."""


def compiled(spark: SparkSession, package: str, name: str) -> Any:
    """The one object of a Java class, compiled when it is first asked for.

    Args:
        spark: Any session of the JVM.
        package: Python package that holds the sources; their Java package has the same name.
        name: Class; its source is ``NAME.java``.
    """
    gateway: Any = spark.sparkContext._gateway
    objects = _OBJECTS.setdefault(gateway, {})
    full = f"{package}.{name}"
    if full not in objects:
        loaders = _LOADERS.setdefault(gateway, {})
        if package not in loaders:
            loaders[package] = _open_loader(spark, gateway.jvm, package)
        objects[full] = loaders[package].loadClass(full).newInstance()
    return objects[full]


def _open_loader(spark: SparkSession, jvm: Any, package: str) -> Any:
    """A class loader that compiles the sources of a package when they are first used."""
    sources = jvm.org.codehaus.commons.compiler.util.resource.MapResourceFinder()
    for source in files(package).iterdir():
        if source.name.endswith(".java"):
            sources.addResource(
                f"{package.replace('.', '/')}/{source.name}", source.read_text("utf-8")
            )
    parent = spark._jsparkSession.getClass().getClassLoader()
    return jvm.org.codehaus.janino.JavaSourceClassLoader(parent, sources, "utf-8")
