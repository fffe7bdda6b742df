"""Scripts in processes of their own that begin with modules imported: imports take longer than most scripts.

One process imports the modules, and uses nothing of them. Each script runs in a fork of that: what
TensorFlow, say, sets up when it is first used (threads, devices, kernels) it sets up there.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parents[2]


class Forks:
    """A process that has imported these modules, as a context.

    Args:
        modules: What it imports.
        env: What it imports them with, beside the variables of the tests; scripts begin without.
        without: Modules that are as if they were not installed, there and in scripts.
    """

    def __init__(
        self, *modules: str, env: Mapping[str, str] | None = None, without: Iterable[str] = ()
    ) -> None:
        # Sets are in another order than in the tests' own process, which has a random seed.
        self._env = {**(env or {}), "PYTHONHASHSEED": "4"}
        self._modules = [*(f"-{name}" for name in without), *modules]

    def __enter__(self) -> Forks:
        paths = os.pathsep.join([str(ROOT / "lib"), str(ROOT)])
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, *self._modules], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": paths, **self._env},
        )  # fmt: skip
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate(timeout=60)

    def run(
        self, code: str, *arguments: str, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs code with ``sys.argv[1:]`` and these variables beside those of the tests."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        environment = {**os.environ, **(env or {})}
        request = {"code": code, "arguments": arguments, "environment": environment}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the process that has imported {self._modules} ended"
        answer = json.loads(line)
        return subprocess.CompletedProcess(
            ["python", "-c", code, *arguments], answer["code"], answer["out"], answer["err"]
        )


def serve() -> None:
    """Forks for each JSON object, one a line, and answers when the fork has ended; until stdin ends."""
    answers = os.fdopen(os.dup(1), "w")
    requests = os.fdopen(os.dup(0), "r")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for name in sys.argv[1:]:
        if name.startswith("-"):
            sys.modules[name[1:]] = None  # type: ignore[assignment]
        else:
            importlib.import_module(name)
    # A fork that looked through what stays would copy it: TensorFlow's took 2 s to end.
    gc.collect()
    gc.freeze()
    for line in requests:
        request = json.loads(line)
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            fork = os.fork()
            if not fork:
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                os.environ.clear()
                os.environ.update(request["environment"])
                sys.argv = ["-c", *request["arguments"]]
                exec(request["code"], {"__name__": "__main__"})
                return  # and end as every process does
            code = os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1])
            texts = []
            for stream in (out, err):
                stream.seek(0)
                texts.append(stream.read())
        answers.write(json.dumps({"code": code, "out": texts[0], "err": texts[1]}) + "\n")
        answers.flush()
    os._exit(0)  # at once: there is nothing to save


if __name__ == "__main__":
    serve()
