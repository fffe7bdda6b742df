"""``labelmill …`` as people call it, many calls in one process: a JVM each would take the time.

Each call is the command's own `main`, with its own arguments, environment and output. What a process of
its own shows (signals, what stays in memory) is tested elsewhere.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parents[2]


class CommandProcess:
    """A process that runs one command after the other, as a context."""

    def __enter__(self) -> CommandProcess:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        )  # fmt: skip
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate(timeout=60)

    def run(self, *words: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """``labelmill WORDS`` with this whole environment."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"words": words, "environment": dict(env)}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the process of commands ended at: labelmill {' '.join(words)}"
        answer = json.loads(line)
        return subprocess.CompletedProcess(
            ["labelmill", *words], answer["code"], answer["out"], answer["err"]
        )


def serve() -> None:
    """Answers one JSON object a line until stdin ends."""
    answers = os.fdopen(os.dup(1), "w")
    requests = os.fdopen(os.dup(0), "r")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    for line in requests:
        request = json.loads(line)
        os.environ.clear()
        os.environ.update(request["environment"])
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            code = _call(request["words"])
            texts = []
            for stream in (out, err):
                stream.seek(0)
                texts.append(stream.read())
        answers.write(json.dumps({"code": code, "out": texts[0], "err": texts[1]}) + "\n")
        answers.flush()


def _call(words: list[str]) -> int:
    from labelmill.cli.main import main

    sys.argv = ["labelmill", *words]
    try:
        main()
    except SystemExit as end:
        code = end.code
    else:
        code = 0
    sys.stdout.flush()
    sys.stderr.flush()
    if isinstance(code, str):
        os.write(2, f"{code}\n".encode())
        return 1
    return int(code or 0)


if __name__ == "__main__":
    serve()
