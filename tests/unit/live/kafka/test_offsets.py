"""The state of a stream, requested by one thread while another reads ahead."""

from __future__ import annotations

import sys
import threading
from types import FrameType

from labelmill.live.kafka import offsets
from labelmill.live.kafka.offsets import StreamProgress

READ, TAKEN = 5, 3


class Asker:
    """A thread that takes the state on request."""

    def __init__(self, progress: StreamProgress) -> None:
        self.states: list[object] = []
        self._progress, self._ended = progress, False
        self._asked, self._answered = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._answer)
        self._thread.start()

    def ask(self) -> None:
        """Waits briefly for the state: the thread may be waiting for a lock that the caller holds."""
        self._asked.release()
        self._answered.acquire(timeout=0.05)

    def end(self) -> None:
        self._ended = True
        self._asked.release()
        self._thread.join()

    def _answer(self) -> None:
        while self._asked.acquire() and not self._ended:
            try:
                self.states.append(self._progress.state()["offsets"])
            except LookupError as error:
                self.states.append(error)
            self._answered.release()


def test_a_state_requested_in_the_middle_of_a_mark_is_that_of_the_last_taken_batch() -> None:
    progress = StreamProgress({"topic": "t"}, {0: 0}, endless=True)
    taken = 0
    progress.taken = lambda: taken
    progress.begin()
    for number in range(1, READ):
        progress.mark({0: 10 * number})
    taken = TAKEN
    asker = Asker(progress)

    def between(frame: FrameType, event: str, _: object) -> None:
        if event == "c_return" and frame.f_code.co_filename == offsets.__file__:
            asker.ask()

    sys.setprofile(between)
    try:
        progress.mark({0: 10 * READ})
    finally:
        sys.setprofile(None)
        asker.end()
    assert asker.states
    assert [one for one in asker.states if one != {"0": 10 * TAKEN}] == []
