"""What jcmd prints is read right: native memory by kind, live objects by class."""

from __future__ import annotations

import pytest

from benchmarks.measure.jvm import OTHER, grown, live_objects, native_memory
from labelmill.errors import NoData

SUMMARY = """
1234:

Native Memory Tracking:

Total: reserved=3000KB, committed=1000KB
-                 Java Heap (reserved=2048KB, committed=512KB)
                            (mmap: reserved=2048KB, committed=512KB)

-                     Class (reserved=200KB, committed=20KB)
                            (classes #12345)
-                    Thread (reserved=100KB, committed=10KB)
                            (thread #42)
-                      Code (reserved=300KB, committed=30KB)
-                        GC (reserved=60KB, committed=6KB)
-                 GCCardSet (reserved=1KB, committed=1KB)
-                  Compiler (reserved=4KB, committed=4KB)
-                     Other (reserved=32KB, committed=32KB)
-                    Symbol (reserved=5KB, committed=5KB)
-    Native Memory Tracking (reserved=7KB, committed=7KB)
-        Shared class space (reserved=16KB, committed=8KB)
-                 Metaspace (reserved=9KB, committed=9KB)
"""

HISTOGRAM = """ num     #instances         #bytes  class name (module)
-------------------------------------------------------
   1:        1{n}0000        10485760  [B (java.base@17.0.1)
   2:             300         {size}  java.lang.String (java.base@17.0.1)
Total         400000       30000000
"""


def test_native_memory_by_kind() -> None:
    found = native_memory(SUMMARY)
    assert {kind: size // 1024 for kind, size in found.committed.items()} == {
        "heap": 512, "classes": 34, "compiled code": 34, "garbage collector": 7, "threads": 10,
        "direct buffers": 32, OTHER: 15,
    }  # fmt: skip
    assert found.threads == 42


def test_a_jvm_that_does_not_track_says_so() -> None:
    with pytest.raises(NoData, match="NativeMemoryTracking=summary"):
        native_memory("1234:\nNative memory tracking is not enabled\n")


def test_what_grew_is_named() -> None:
    before, after = (
        live_objects(HISTOGRAM.format(n=n, size=size)) for n, size in ((0, 1 << 20), (5, 3 << 20))
    )
    assert before["java.lang.String"] == (300, 1 << 20)
    assert grown(before, after, 3) == ["java.lang.String +2.0 MiB, +0 objects"]
