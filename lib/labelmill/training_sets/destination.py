"""Where a training set is written: a folder of this machine, or anywhere `pyarrow.fs` reaches.

Readers go by the manifest, which is written last. On a local disk the files are made in a folder
beside and renamed, so that the folder named by the digest is whole or not there; elsewhere, where
a rename may copy, they are made in this machine's folder for temporary files and copied.
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
_WORKED_ON = re.compile(rf"{re.escape(_WORK)}(?P<host>.+)-(?P<pid>\d+)-[^-]+")


class Place:
    """Where training sets lie.

    Args:
        root: Folder or URI.

    Raises:
        InputError: A URI that means nothing here.
    """

    def __init__(self, root: str) -> None:
        self._local = local_path(root.rstrip("/") or "/")
        self._root = root.rstrip("/")
        if self._local is None:
            self._files, self._base = opened(root)

    def location(self, digest: str) -> str:
        """Folder or URI of a training set."""
        return f"{self._root}/{digest}"

    def whole(self, digest: str) -> Manifest | None:
        """The manifest of a training set that is there, if all of it is.

        Raises:
            InputError: The place cannot be read.
        """
        with told(self.location(digest)):
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
        """A folder of this machine to make files in; it goes when the block ends.

        Raises:
            InputError: No room, or no right to write there.
        """
        here = Path(self._local or tempfile.gettempdir())
        with told(self._root) if self._local is not None else room_in(str(here)):
            here.mkdir(parents=True, exist_ok=True)
            _sweep(here)
            work = tempfile.mkdtemp(prefix=f"{_WORK}{platform.node()}-{os.getpid()}-", dir=here)
            try:
                yield Path(work)
            finally:
                shutil.rmtree(work, ignore_errors=True)

    def commit(self, work: Path, manifest: Manifest) -> Manifest:
        """Puts files into their place, the manifest last.

        Args:
            work: With all shards.
            manifest: Of them.

        Returns:
            The manifest that lies there now: another's, when the same rows were frozen meanwhile.

        Raises:
            InputError: No room, or no right to write there; nothing of ours stays.
        """
        if self._local is None:
            if (there := self.whole(manifest.digest)) is not None:
                return there
            with told(self.location(manifest.digest)):
                self._upload(work, manifest, f"{self._base}/{manifest.digest}")
            return manifest
        with told(self.location(manifest.digest)), _alone(self._local):
            if (there := self.whole(manifest.digest)) is not None:
                return there
            (work / MANIFEST).write_text(_text(manifest))
            work.chmod(0o755)
            return self._swap(work, Path(self._local) / manifest.digest, manifest)

    def rename(self, manifest: Manifest) -> None:
        """Puts another manifest in the place of the one that is there."""
        with told(self.location(manifest.digest)):
            if self._local is None:
                self._put_manifest(manifest, f"{self._base}/{manifest.digest}")
                return
            with _alone(self._local):
                folder = Path(self._local) / manifest.digest
                fresh = folder / f".{MANIFEST}.new"
                fresh.write_text(_text(manifest))
                fresh.replace(folder / MANIFEST)

    def _swap(self, work: Path, target: Path, manifest: Manifest) -> Manifest:
        # What is there is not whole: a damaged training set is replaced by the same rows.
        aside = work.with_name(f"{work.name}.old")
        try:
            with suppress(FileNotFoundError):
                target.rename(aside)
            work.rename(target)
        except OSError as error:
            taken = error.errno in (errno.ENOTEMPTY, errno.EEXIST)
            there = self.whole(manifest.digest) if taken else None
            if there is None:
                raise
            return there
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        return manifest

    def _upload(self, work: Path, manifest: Manifest, base: str) -> None:
        # Files of an interrupted freeze, and of one that runs now, have the same names and bytes: they
        # are written over, not removed.
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
            self._put_manifest(manifest, base)
            sizes = [self._files.get_file_info(path).size for path in done]
            if sizes != [shard.bytes for shard in manifest.shards]:
                raise OSError(
                    errno.EAGAIN, "somebody else has removed files of it; freeze it again"
                )
        except BaseException:
            with suppress(OSError):
                self._take_back(done, base)
            raise

    def _take_back(self, done: list[str], base: str) -> None:
        """Removes what a freeze has written that failed, unless another has made it whole."""
        if self.whole(os.path.basename(base)) is not None:
            return
        for path in done:
            with suppress(FileNotFoundError):
                self._files.delete_file(path)
        if not self._files.get_file_info(fs.FileSelector(base, allow_not_found=True)):
            self._files.delete_dir(base)

    def _put_manifest(self, manifest: Manifest, base: str) -> None:
        with self._files.open_output_stream(f"{base}/{MANIFEST}") as sink:
            sink.write(_text(manifest).encode())


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


def absolute(root: str) -> str:
    """A root as it is recorded: a folder means the same wherever it is read."""
    if "://" in root:
        return root.rstrip("/")
    return os.path.abspath(os.path.expanduser(root))


def check(root: str) -> None:
    """Raises InputError when nothing can be written below a root: before work starts on it."""
    with told(root):
        if (local := local_path(root)) is None:
            files, base = opened(root)
            probe = f"{base}/{_WORK}{uuid.uuid4().hex}"
            files.create_dir(base, recursive=True)
            with files.open_output_stream(probe) as sink:
                sink.write(b"written to see whether it can be")
            with suppress(OSError):  # who may write need not be allowed to remove
                files.delete_file(probe)
            return
        os.makedirs(local, exist_ok=True)
        if not os.access(local, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "not ours to write", local)


def told(location: str) -> AbstractContextManager[None]:
    """Errors of disks and file systems as errors of ours."""
    return disk_errors(
        f"the training set cannot be written to {location}",
        "nothing of it was left. Make room, or name another place with --location",
    )


@contextmanager
def _alone(root: str) -> Iterator[None]:
    """One of this machine's processes at a time; where folders cannot be locked, at one's own risk."""
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


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
