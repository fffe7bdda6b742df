"""Scripts in processes of their own that need not import TensorFlow first: that takes longer than they do.

One process imports TensorFlow, and uses nothing of it. Each script runs in a fork of that: TensorFlow's
threads, devices and kernels begin there, so it sets them as in a new process.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parents[2]

AS_LEARNING = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "KERAS_BACKEND": "tensorflow",
    "TF_ENABLE_ONEDNN_OPTS": "0",
}
"""What `labelmill.learning.runtime` imports TensorFlow with; scripts begin without it."""


class TensorFlowForks:
    """A process that has imported TensorFlow, as a context."""

    def __enter__(self) -> TensorFlowForks:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, cwd=ROOT,
            # Sets are in another order than in the tests' own process, which has a random seed.
            env={**os.environ, **AS_LEARNING, "PYTHONPATH": f"{ROOT / 'lib'}{os.pathsep}{ROOT}", "PYTHONHASHSEED": "4"},
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
        assert line, "the process that has imported TensorFlow ended"
        answer = json.loads(line)
        return subprocess.CompletedProcess(
            ["python", "-c", code, *arguments], answer["code"], answer["out"], answer["err"]
        )


def serve() -> None:
    """Forks for each JSON object, one a line, and answers when the fork has ended; until stdin ends."""
    answers = os.fdopen(os.dup(1), "w")
    requests = os.fdopen(os.dup(0), "r")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    import tensorflow

    tensorflow.keras.layers  # noqa: B018 - Keras is imported when it is looked at
    # What is imported stays: a fork that looks through it copies it, and takes 2 s to end.
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
