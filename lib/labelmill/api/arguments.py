"""Wrong argument names are answered with the closest right one."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from labelmill.errors import UnknownName

P = ParamSpec("P")
R = TypeVar("R")


def suggest_arguments(function: Callable[P, R]) -> Callable[P, R]:
    """Makes a function refuse unknown keyword arguments with `UnknownName`.

    Python's own `TypeError` names the wrong argument only.

    Example:
        >>> @suggest_arguments
        ... def resize(image: str, *, height: int = 8) -> None: ...
        >>> resize("3.png", hieght=9)
        Traceback (most recent call last):
        labelmill.errors.UnknownName: unknown argument of resize() 'hieght'; expected one of: \
height, image. Did you mean 'height'?
    """
    known = [name for name in inspect.signature(function).parameters if name != "self"]

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        for name in kwargs:
            if name not in known:
                raise UnknownName(f"argument of {function.__name__}()", name, known)
        return function(*args, **kwargs)

    return checked
