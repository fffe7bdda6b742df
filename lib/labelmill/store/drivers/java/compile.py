"""Java of our own, compiled in the JVM that runs it, by the compiler among Spark's jars: no JDK."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import jpype

from labelmill.store.drivers.jars import spark_jars
from labelmill.store.drivers.java.jvm import java

_COMPILER = ("janino-*.jar", "commons-compiler-*.jar")


@cache
def compiled(name: str) -> Any:
    """Compiles ``NAME.java`` beside this file; once per process.

    Returns:
        The class, for `jpype`; ``None`` where Spark's jars, or classes of Kudu's client that it
        names, are missing: the caller has another, slower way.
    """
    jars = [jar for pattern in _COMPILER for jar in spark_jars(pattern)]
    if len(jars) < len(_COMPILER):
        return None
    source = files("labelmill.store.drivers.java").joinpath(f"{name}.java").read_text("utf-8")
    kudu = java("org.apache.kudu.client.KuduClient").class_.getClassLoader()
    url = java("java.net.URL")
    urls = [java("java.io.File")(str(jar)).toURI().toURL() for jar in jars]
    # Not on the class path: no other code sees this compiler.
    loader = java("java.net.URLClassLoader")(jpype.JArray(url)(urls), kudu)
    try:
        compiler = jpype.JClass("org.codehaus.janino.SimpleCompiler", loader=loader)()
        compiler.setParentClassLoader(kudu)
        compiler.cook(f"{name}.java", java("java.io.StringReader")(source))
        return jpype.JClass(
            f"labelmill.store.drivers.java.{name}", loader=compiler.getClassLoader()
        )
    except (jpype.JException, TypeError):
        return None
