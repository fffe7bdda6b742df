"""Another checkout to measure against: a folder that is ready to run, or a commit of this one."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure.machine import ROOT, commit_of
from labelmill.errors import InputError

_OF_ANOTHER = ("LABELMILL_", "PYSPARK_", "SPARK_", "PYTHON")
_KEPT = {"LABELMILL_TEST_DATA", "LABELMILL_KUDU_MASTERS", "LABELMILL_DEBUG"}


@dataclass(frozen=True)
class Checkout:
    """A checkout with an environment of its own.

    Attributes:
        root: Its folder.
        commit: With ``+`` when files differ from it.
    """

    root: Path
    commit: str

    def command(self, *arguments: str) -> list[str]:
        """Runs its Python with what its ``bin/environment.sh`` sets; arguments are Python's."""
        script = (
            'repo=$1; shift; source "$repo/bin/environment.sh"; export PYTHONPATH=$repo; '
            'exec "$LABELMILL_PYTHON" "$@"'
        )
        return ["bash", "-c", script, "bash", str(self.root), *arguments]

    @property
    def environment(self) -> dict[str, str]:
        """This process's, without what was set for another checkout."""
        return {
            name: value
            for name, value in os.environ.items()
            if name in _KEPT or not name.startswith(_OF_ANOTHER)
        }


def this_checkout() -> Checkout:
    """The one that this module is in."""
    return Checkout(ROOT, commit_of(ROOT))


@contextlib.contextmanager
def other_checkout(path_or_commit: str, say: Callable[[str], None]) -> Iterator[Checkout]:
    """A checkout at a path, or a clone at a commit that exists as long as the block lasts; set up.

    Args:
        path_or_commit: A folder, relative to the current one, or what git takes for a commit.
        say: Receives a line of progress.

    Raises:
        InputError: Neither; or ``bin/setup`` fails there.
    """
    folder = Path(path_or_commit).resolve()
    with contextlib.ExitStack() as stack:
        if not folder.is_dir():
            commit = _resolve(path_or_commit)
            scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="labelmill-against-"))
            folder = Path(scratch) / "checkout"
            say(f"cloning at {commit[:12]}")
            _run("git", "clone", "--quiet", "--shared", "--no-checkout", str(ROOT), str(folder))
            _run("git", "-C", str(folder), "checkout", "--quiet", "--detach", commit)
        elif not (folder / "bin" / "environment.sh").is_file():
            raise InputError(
                f"{folder} is no checkout of labelmill: bin/environment.sh not found; give the path of a "
                "checkout, or a commit"
            )
        other = Checkout(folder, commit_of(folder))
        say(f"setting up {folder}")
        _run(str(folder / "bin" / "setup"), "--quiet", environment=other.environment)
        yield other


def _resolve(commit: str) -> str:
    command = ["git", "-C", str(ROOT), "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}"]
    answer = subprocess.run(command, capture_output=True, text=True)
    if answer.returncode:
        raise InputError(f"{commit!r} is neither a folder nor a commit of this repository")
    return answer.stdout.strip()


def _run(*command: str, environment: dict[str, str] | None = None) -> None:
    answer = subprocess.run(command, capture_output=True, text=True, env=environment)
    if answer.returncode:
        raise InputError(
            f"{' '.join(command)} ended with {answer.returncode}:\n{answer.stderr.strip()[-2000:]}"
        )
