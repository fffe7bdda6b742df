"""Turns errors into a message on stderr and an exit code."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Callable
from typing import Any

import typer
from rich.console import Console

from labelmill.errors import LabelmillError
from labelmill.signals import CODE, Terminated, raise_when_stopped

INTERRUPTED = 130


def verb(function: Callable[..., Any]) -> Callable[..., None]:
    """Makes a command of `function`: one message and one exit code per kind of error, no traceback.

    ``LABELMILL_DEBUG=1`` shows the traceback.
    """

    @functools.wraps(function)
    def command(*arguments: Any, **flags: Any) -> None:
        restore = raise_when_stopped()
        try:
            function(*arguments, **flags)
        except (typer.Exit, typer.Abort):
            raise
        except LabelmillError as error:
            _fail(f"error: {error}", error.exit_code)
        except BrokenPipeError:
            # `labelmill sql … | head` has closed the pipe.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except KeyboardInterrupt:
            _fail("interrupted", INTERRUPTED)
        except Terminated as stop:
            _fail(str(stop), CODE)
        except Exception as error:
            if isinstance(error, _usage_errors()):
                raise
            _fail(f"error: {type(error).__name__}: {error}\nset LABELMILL_DEBUG=1 to see where", 1)
        finally:
            restore()

    return command


def _fail(text: str, code: int) -> None:
    if os.environ.get("LABELMILL_DEBUG"):
        Console(stderr=True).print_exception()
    with contextlib.suppress(OSError):  # the terminal is closed
        Console(stderr=True).print(text, markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(code) from None


def _usage_errors() -> tuple[type[BaseException], ...]:
    # typer has its own copy of click, and prints usage errors itself.
    return tuple(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
