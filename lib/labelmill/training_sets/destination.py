"""Where a training set is written: a local folder, or anywhere `pyarrow.fs` reaches.

Readers rely on the manifest, which is written last. On a local disk the files are written to a
folder beside the final one and renamed, so that the folder named by the digest is complete or
absent. Elsewhere a rename may copy, so files are written to the local temporary folder and uploaded.
"""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs

from labelmill.errors import InputError, LabelmillError
from labelmill.feed.files.locations import local_path, sha256_of
from labelmill.feed.files.manifest import MANIFEST, Manifest, read_manifest
from labelmill.feed.training_set import TrainingSet
from labelmill.training_sets.disk_errors import disk_errors, room_in

_WORK = ".freezing-"
_READERS = 8
_WORK_FOLDER = re.compile(rf"{re.escape(_WORK)}(?P<host>.+)-(?P<pid>\d+)-[^-]+")


class Destination:
    """A root folder or URI that holds training sets.

    Args:
        root: Folder or URI.

    Raises:
        InputError: An unusable URI.
    """

    def __init__(self, root: str) -> None:
        self._local = local_path(root.rstrip("/") or "/")
        self._root = root.rstrip("/")
        if self._local is None:
            self._files, self._base = open_filesystem(root)

    def location(self, digest: str) -> str:
        """Folder or URI of a training set."""
        return f"{self._root}/{digest}"

    def find_complete(self, digest: str) -> Manifest | None:
        """The manifest of a training set whose files are all there and intact; else None.

        Raises:
            InputError: The destination cannot be read.
        """
        with destination_errors(self.location(digest)):
            try:
                if self._local is not None:
                    return TrainingSet.open(self.location(digest)).manifest
                manifest = read_manifest(self.location(digest))
                paths = [f"{self.location(digest)}/{shard.file}" for shard in manifest.shards]
                with ThreadPoolExecutor(_READERS) as readers:
                    found = list(readers.map(sha256_of, paths))
                return manifest if found == [s.sha256 for s in manifest.shards] else None
            except LabelmillError:
                return None

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """A local folder to write files in; removed when the block ends.

        Raises:
            InputError: No room, or no permission to write.
        """
        here = Path(self._local or tempfile.gettempdir())
        with destination_errors(self._root) if self._local is not None else room_in(str(here)):
            here.mkdir(parents=True, exist_ok=True)
            _remove_abandoned(here)
            work = tempfile.mkdtemp(prefix=f"{_WORK}{platform.node()}-{os.getpid()}-", dir=here)
            try:
                yield Path(work)
            finally:
                shutil.rmtree(work, ignore_errors=True)

    def commit(self, work: Path, manifest: Manifest) -> Manifest:
        """Publishes the files, the manifest last.

        Args:
            work: Folder with all shards.
            manifest: Describes them.

        Returns:
            The manifest that is now there: another one, when the same rows were frozen meanwhile.

        Raises:
            InputError: No room, or no permission to write; nothing is left behind.
        """
        if self._local is None:
            if (there := self.find_complete(manifest.digest)) is not None:
                return there
            with destination_errors(self.location(manifest.digest)):
                self._upload(work, manifest, f"{self._base}/{manifest.digest}")
            return manifest
        with destination_errors(self.location(manifest.digest)), _locked(self._local):
            if (there := self.find_complete(manifest.digest)) is not None:
                return there
            (work / MANIFEST).write_text(_to_json(manifest))
            work.chmod(0o755)
            return self._swap(work, Path(self._local) / manifest.digest, manifest)

    def rename(self, manifest: Manifest) -> None:
        """Replaces the manifest of an existing training set."""
        with destination_errors(self.location(manifest.digest)):
            if self._local is None:
                self._write_manifest(manifest, f"{self._base}/{manifest.digest}")
                return
            with _locked(self._local):
                folder = Path(self._local) / manifest.digest
                fresh = folder / f".{MANIFEST}.new"
                fresh.write_text(_to_json(manifest))
                fresh.replace(folder / MANIFEST)

    def _swap(self, work: Path, target: Path, manifest: Manifest) -> Manifest:
        # What is there is incomplete: a damaged training set is replaced by the same rows.
        aside = work.with_name(f"{work.name}.old")
        try:
            with suppress(FileNotFoundError):
                target.rename(aside)
            work.rename(target)
        except OSError as error:
            taken = error.errno in (errno.ENOTEMPTY, errno.EEXIST)
            there = self.find_complete(manifest.digest) if taken else None
            if there is None:
                raise
            return there
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        return manifest

    def _upload(self, work: Path, manifest: Manifest, base: str) -> None:
        # An interrupted or concurrent freeze writes files of the same names and bytes: they are
        # overwritten, not removed.
        done: list[str] = []
        try:
            self._files.create_dir(base, recursive=True)
            for shard in manifest.shards:
                done.append(f"{base}/{shard.file}")
                with (
                    open(work / shard.file, "rb") as source,
                    self._files.open_output_stream(done[-1]) as sink,
                ):
                    shutil.copyfileobj(source, sink, 1 << 20)
            self._write_manifest(manifest, base)
            sizes = [self._files.get_file_info(path).size for path in done]
            if sizes != [shard.bytes for shard in manifest.shards]:
                raise OSError(errno.EAGAIN, "another process removed files of it; freeze it again")
        except BaseException:
            with suppress(OSError):
                self._remove_uploaded(done, base)
            raise

    def _remove_uploaded(self, done: list[str], base: str) -> None:
        """Removes files of a failed upload, unless another process completed the training set."""
        if self.find_complete(os.path.basename(base)) is not None:
            return
        for path in done:
            with suppress(FileNotFoundError):
                self._files.delete_file(path)
        if not self._files.get_file_info(fs.FileSelector(base, allow_not_found=True)):
            self._files.delete_dir(base)

    def _write_manifest(self, manifest: Manifest, base: str) -> None:
        with self._files.open_output_stream(f"{base}/{MANIFEST}") as sink:
            sink.write(_to_json(manifest).encode())


def open_filesystem(location: str) -> tuple[fs.FileSystem, str]:
    """The file system of a URI and the path in it.

    Raises:
        InputError: An unusable URI, an unreachable system, or a URI with secrets or options.
    """
    parts = urlsplit(location)
    if parts.query or parts.password:
        raise InputError(
            f"{parts.scheme}://{parts.hostname}{parts.path}: a location is recorded in the catalogue, so "
            "it carries no options and no secrets; set those in the environment "
            "(AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, …)"
        )
    try:
        files, base = fs.FileSystem.from_uri(location)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(f"{location} cannot be reached: {error}") from None
    return files, str(base).rstrip("/")


def absolute_root(root: str) -> str:
    """The root as it is recorded: absolute, so that it means the same everywhere on this machine."""
    if "://" in root:
        return root.rstrip("/")
    return os.path.abspath(os.path.expanduser(root))


def check_writable(root: str) -> None:
    """Raises InputError when nothing can be written below a root; call it before work starts."""
    with destination_errors(root):
        if (local := local_path(root)) is None:
            files, base = open_filesystem(root)
            probe = f"{base}/{_WORK}{uuid.uuid4().hex}"
            files.create_dir(base, recursive=True)
            with files.open_output_stream(probe) as sink:
                sink.write(b"write probe")
            with suppress(OSError):  # permission to write does not imply permission to delete
                files.delete_file(probe)
            return
        os.makedirs(local, exist_ok=True)
        if not os.access(local, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "no permission to write", local)


def destination_errors(location: str) -> AbstractContextManager[None]:
    """Turns errors of disks and file systems into `InputError`."""
    return disk_errors(
        f"the training set cannot be written to {location}",
        "nothing was left behind. Make room, or choose another place with --location",
    )


@contextmanager
def _locked(root: str) -> Iterator[None]:
    """Admits one local process at a time; no protection where folders cannot be locked."""
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _remove_abandoned(root: Path) -> None:
    """Removes the leftovers of killed freezes of this machine."""
    for path in root.glob(f"{_WORK}*"):
        found = _WORK_FOLDER.fullmatch(path.name)
        if found and found["host"] == platform.node() and not _is_running(int(found["pid"])):
            shutil.rmtree(path, ignore_errors=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _to_json(manifest: Manifest) -> str:
    return manifest.model_dump_json(indent=2) + "\n"
