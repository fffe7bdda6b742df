"""jpype's callbacks leave the garbage collector while scans run, and return as they were; no JVM."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from labelmill.store.drivers.java.collectors import separate_collectors, separated_collectors


class Jpype:
    """Stands in for the module: the owner of the callbacks."""

    def __init__(self) -> None:
        self.phases: list[str] = []

    def collect(self, phase: str, info: dict[str, Any]) -> None:
        """What jpype adds to `gc.callbacks` when a JVM starts."""
        self.phases.append(phase)


Callbacks = list[Callable[[str, dict[str, Any]], None]]


@pytest.fixture
def jpype(monkeypatch: pytest.MonkeyPatch) -> Iterator[Jpype]:
    module = Jpype()
    monkeypatch.setitem(sys.modules, "_jpype", module)  # type: ignore[arg-type]
    before = list(gc.callbacks)
    yield module
    gc.callbacks[:] = before


@pytest.fixture
def callbacks(jpype: Jpype) -> Callbacks:
    """Callbacks of a user around two of jpype's."""
    users = [lambda phase, info: None for _ in range(3)]
    gc.callbacks[:] = [users[0], jpype.collect, users[1], jpype.collect, users[2]]
    return list(gc.callbacks)


def same(found: Callbacks, expected: Callbacks) -> bool:
    """Whether these are the same objects in the same order."""
    return len(found) == len(expected) and all(a is b for a, b in zip(found, expected, strict=True))


def test_callbacks_return_as_they_were(jpype: Jpype, callbacks: Callbacks) -> None:
    with separated_collectors():
        assert same(gc.callbacks, callbacks[::2])
        assert jpype.phases == ["start", "start"]
        gc.collect()
        assert jpype.phases == ["start", "start"]
    assert same(gc.callbacks, callbacks)
    gc.collect()
    assert jpype.phases[2:] == ["start", "start", "stop", "stop"]


def test_they_return_after_an_error(callbacks: Callbacks) -> None:
    with pytest.raises(KeyError), separated_collectors():
        raise KeyError
    assert same(gc.callbacks, callbacks)


def test_they_return_with_the_last_block_of_any_thread(callbacks: Callbacks) -> None:
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with separated_collectors():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with separated_collectors():
        thread.start()
        assert inside.wait(10)
    assert same(gc.callbacks, callbacks[::2])
    leave.set()
    thread.join()
    assert same(gc.callbacks, callbacks)


def scan() -> Iterator[int]:
    """A scan, as far as collectors go."""
    with separated_collectors():
        yield from range(3)


def test_they_return_after_an_abandoned_scan(callbacks: Callbacks) -> None:
    rows = scan()
    next(rows)
    assert same(gc.callbacks, callbacks[::2])
    del rows
    assert same(gc.callbacks, callbacks)


def test_they_return_after_a_scan_in_a_cycle(callbacks: Callbacks) -> None:
    holder: dict[str, Any] = {"rows": scan()}
    holder["itself"] = holder
    next(holder["rows"])
    del holder
    gc.collect()  # ends the scan within a collection
    assert same(gc.callbacks, callbacks)


def test_users_callbacks_may_change_meanwhile(callbacks: Callbacks) -> None:
    def another(phase: str, info: dict[str, Any]) -> None:
        """A callback that the user adds during a scan."""

    with separated_collectors():
        gc.callbacks.append(another)
    assert same(gc.callbacks, [*callbacks, another])


def test_workers_are_separated_for_good(callbacks: Callbacks) -> None:
    separate_collectors()
    with separated_collectors():
        pass
    assert same(gc.callbacks, callbacks[::2])
