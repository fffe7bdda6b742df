"""How far a stream was taken, asked by one thread while another reads ahead."""

from __future__ import annotations

import sys
import threading
from types import FrameType

from labelmill.live.kafka import offsets as stream_state
from labelmill.live.kafka.offsets import StreamProgress

READ, TAKEN = 5, 3


class Asker:
    """A thread that asks for the state whenever it is told to."""

    def __init__(self, progress: StreamProgress) -> None:
        self.told: list[object] = []
        self._progress, self._ended = progress, False
        self._asked, self._answered = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._answer)
        self._thread.start()

    def ask(self) -> None:
        """Waits for the answer, but not for long: it may have to wait for whoever asks here."""
        self._asked.release()
        self._answered.acquire(timeout=0.05)

    def end(self) -> None:
        self._ended = True
        self._asked.release()
        self._thread.join()

    def _answer(self) -> None:
        while self._asked.acquire() and not self._ended:
            try:
                self.told.append(self._progress.state()["offsets"])
            except LookupError as error:
                self.told.append(error)
            self._answered.release()


def test_a_state_asked_in_the_middle_of_a_mark_is_that_of_the_batch_that_was_taken() -> None:
    progress = StreamProgress({"topic": "t"}, {0: 0}, endless=True)
    taken = 0
    progress.taken = lambda: taken
    progress.begin()
    for number in range(1, READ):
        progress.mark({0: 10 * number})
    taken = TAKEN
    asker = Asker(progress)

    def between(frame: FrameType, event: str, _: object) -> None:
        if event == "c_return" and frame.f_code.co_filename == stream_state.__file__:
            asker.ask()

    sys.setprofile(between)
    try:
        progress.mark({0: 10 * READ})
    finally:
        sys.setprofile(None)
        asker.end()
    assert asker.told
    assert [one for one in asker.told if one != {"0": 10 * TAKEN}] == []
