"""An archive on the path is read again when it has changed, and only then."""

from __future__ import annotations

import importlib
import sys
import zipfile
import zipimport
from pathlib import Path

import pytest

from labelmill.spark.worker_process import keep_unchanged


def test_only_changed_archives_are_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "modules.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("labelmill_archived_one.py", "value = 1")
    monkeypatch.syspath_prepend(str(archive))
    assert importlib.import_module("labelmill_archived_one").value == 1
    keep_unchanged()
    keep_unchanged()
    importlib.invalidate_caches()

    reads = []
    read = zipimport.zipimporter.invalidate_caches

    def counted(finder: zipimport.zipimporter) -> None:
        reads.append(finder.archive)
        read(finder)

    monkeypatch.setattr(zipimport.zipimporter, "invalidate_caches", counted)
    importlib.invalidate_caches()
    assert str(archive) not in reads

    with zipfile.ZipFile(archive, "a") as made:
        made.writestr("labelmill_archived_two.py", "value = 2")
    importlib.invalidate_caches()
    assert reads.count(str(archive)) == 1
    assert importlib.import_module("labelmill_archived_two").value == 2

    archive.unlink()
    importlib.invalidate_caches()  # as Python does it: nothing to import any more, and no error
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("labelmill_archived_three")
    for name in ("labelmill_archived_one", "labelmill_archived_two"):
        monkeypatch.delitem(sys.modules, name)
