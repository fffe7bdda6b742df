"""Options that ``bin/setup`` has chosen for the JVMs of this environment.

They name the archive of `labelmill.spark.class_archive`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

OPTIONS = Path(sys.prefix) / "labelmill-jvm-options"
"""The JVM's options, on one line, quoted as Spark and shells read them; ``bin/submit`` reads it too."""

JAVA = Path(sys.prefix) / "labelmill-java-home"
"""Holds the ``JAVA_HOME`` that ``bin/setup`` has chosen, and with which the archive was made."""


def chosen() -> str:
    """Options of a JVM on this machine; empty where ``bin/setup`` has not run.

    Another Java than the one of ``bin/setup`` may not know them, so they are for that Java only.
    """
    try:
        java, options = JAVA.read_text().strip(), OPTIONS.read_text().strip()
    except OSError:
        return ""
    return options if os.environ.get("JAVA_HOME") == java else ""
