"""Errors of a command: one message, one exit code, no traceback."""

from __future__ import annotations

import signal

import pytest
import typer

from labelmill.cli.exit_codes import verb
from labelmill.errors import LabelmillError, NoData, QueryRefused
from labelmill.signals import Terminated


def code_of(error: BaseException) -> int:
    def command() -> None:
        raise error

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(typer.Exit) as caught:
        verb(command)()
    assert signal.getsignal(signal.SIGTERM) is before, "handlers are restored"
    return caught.value.exit_code


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (NoData("nothing"), 3, "error: nothing\n"),
        (QueryRefused("no [bold]writes"), 7, "error: no [bold]writes\n"),
        (LabelmillError("odd"), LabelmillError.exit_code, "error: odd\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (Terminated(signal.SIGTERM), 143, "stopped by SIGTERM\n"),
        (KeyError("x"), 1, "error: KeyError: 'x'\nset LABELMILL_DEBUG=1 to see where\n"),
    ],
)
def test_an_error_is_a_message_and_a_code(
    error: BaseException, code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert code_of(error) == code
    assert capsys.readouterr() == ("", text)


def test_debug_shows_where_it_came_from(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABELMILL_DEBUG", "1")
    assert code_of(NoData("nothing")) == 3
    assert "Traceback" in capsys.readouterr().err


def test_what_typer_reports_itself_passes() -> None:
    for error in (typer.BadParameter("x"), typer.Abort(), typer.Exit(5)):

        def command(error: BaseException = error) -> None:
            raise error

        with pytest.raises(type(error)) as caught:
            verb(command)()
        assert caught.value is error
