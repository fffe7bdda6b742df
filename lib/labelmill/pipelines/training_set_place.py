"""Where a training set is written: a folder of this machine, or anywhere `pyarrow.fs` reaches.

Readers go by the manifest, which is written last. On a local disk the files are made in a folder
beside and renamed, so that the folder named by the digest is whole or not there; elsewhere, where
a rename may copy, they are written in place.
"""

from __future__ import annotations

import errno
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs

from labelmill.errors import InputError, LabelmillError
from labelmill.feed.manifest import MANIFEST, Manifest, read_manifest
from labelmill.feed.places import local_path
from labelmill.feed.training_set import TrainingSet

_WORK = ".freezing-"
_WORKED_ON = re.compile(rf"{re.escape(_WORK)}(?P<host>.+)-(?P<pid>\d+)-[^-]+")


class Place:
    """``ROOT/DIGEST``.

    Args:
        root: Folder or URI.
        digest: Of the training set.

    Attributes:
        location: Folder or URI of the training set.
    """

    def __init__(self, root: str, digest: str) -> None:
        self._local = local_path(root.rstrip("/") or "/")
        self._root = root.rstrip("/")
        self.location = f"{self._root}/{digest}"
        self._digest = digest
        if self._local is None:
            self._files, self._base = opened(self.location)

    def whole(self) -> Manifest | None:
        """The manifest of what is there, if all of it is."""
        try:
            if self._local is not None:
                return TrainingSet.open(self.location).manifest
            manifest = read_manifest(self.location)
            files = (self._files.get_file_info(f"{self._base}/{s.file}") for s in manifest.shards)
            sizes = [file.size for file in files]
            return manifest if sizes == [shard.bytes for shard in manifest.shards] else None
        except LabelmillError:
            return None

    def rename(self, manifest: Manifest) -> None:
        """Puts another manifest in the place of the one that is there."""
        with told(self.location):
            if self._local is None:
                Put(self._files, self._base).manifest(manifest)
                return
            folder = Path(self._local) / self._digest
            fresh = folder / f".{MANIFEST}.new"
            fresh.write_text(_text(manifest))
            fresh.replace(folder / MANIFEST)

    @contextmanager
    def writing(self) -> Iterator[Put]:
        """What takes the files; when the block ends without an error, they are in their place.

        Raises:
            InputError: No room, or no right to write there; nothing of it stays.
        """
        with told(self.location):
            if self._local is None:
                yield from self._elsewhere()
            else:
                yield from self._here(Path(self._local))

    def _here(self, root: Path) -> Iterator[Put]:
        root.mkdir(parents=True, exist_ok=True)
        _sweep(root)
        work = tempfile.mkdtemp(prefix=f"{_WORK}{platform.node()}-{os.getpid()}-", dir=root)
        try:
            yield Put(fs.LocalFileSystem(), work)
            target = root / self._digest
            # What is there is not whole: a damaged training set is replaced by the same rows.
            shutil.rmtree(target, ignore_errors=True)
            os.chmod(work, 0o755)
            os.replace(work, target)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _elsewhere(self) -> Iterator[Put]:
        with suppress(FileNotFoundError):
            # What an interrupted freeze has left: no manifest, or not whole.
            self._files.delete_dir(self._base)
        self._files.create_dir(self._base, recursive=True)
        try:
            yield Put(self._files, self._base)
        except BaseException:
            with suppress(OSError):
                self._files.delete_dir(self._base)
            raise


class Put:
    """Takes files of one training set.

    Args:
        files: File system.
        base: Folder in it.
    """

    def __init__(self, files: fs.FileSystem, base: str) -> None:
        self._files, self._base = files, base

    def __call__(self, name: str, data: pa.Buffer) -> None:
        """Writes one file."""
        with self._files.open_output_stream(f"{self._base}/{name}") as sink:
            sink.write(data)

    def manifest(self, manifest: Manifest) -> None:
        """Writes the manifest; after everything else."""
        self(MANIFEST, pa.py_buffer(_text(manifest).encode()))


def opened(location: str) -> tuple[fs.FileSystem, str]:
    """The file system of a URI and the path in it.

    Raises:
        InputError: A URI that means nothing here, whose system cannot be reached, or that carries
            what should not be written down.
    """
    parts = urlsplit(location)
    if parts.query or parts.password:
        raise InputError(
            f"{parts.scheme}://{parts.hostname}{parts.path}: a location is recorded in the catalogue, so "
            "it carries no options and no secrets; give those by the environment "
            "(AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, …)"
        )
    try:
        files, base = fs.FileSystem.from_uri(location)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(f"{location} cannot be reached: {error}") from None
    return files, str(base).rstrip("/")


def check(root: str) -> None:
    """Raises InputError when nothing can be written below a root: before work starts on it."""
    with told(root):
        if (local := local_path(root)) is None:
            opened(root)
            return
        os.makedirs(local, exist_ok=True)
        if not os.access(local, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "not ours to write", local)


@contextmanager
def told(location: str) -> Iterator[None]:
    """Errors of disks and file systems as errors of ours."""
    try:
        yield
    except LabelmillError:
        raise  # some of ours are errors of connections, too
    except OSError as error:
        why = str(error)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            why = f"the disk is full, or the quota is used up ({error})"
        raise InputError(
            f"the training set cannot be written to {location}: {why}; nothing of it was left. Make "
            "room, or name another place with --location"
        ) from error


def _sweep(root: Path) -> None:
    """Removes what freezes of this machine that were killed have left."""
    for path in root.glob(f"{_WORK}*"):
        found = _WORKED_ON.fullmatch(path.name)
        if found and found["host"] == platform.node() and not _runs(int(found["pid"])):
            shutil.rmtree(path, ignore_errors=True)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _text(manifest: Manifest) -> str:
    return manifest.model_dump_json(indent=2) + "\n"
