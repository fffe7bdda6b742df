"""One tree of errors; each class carries the exit code a job ends with.

::

    LabelmillError                    1   any error that labelmill raises
    ├── InputError (ValueError)       2   invalid arguments, settings or an invalid file
    │   └── UnknownName (LookupError) 2   a name that is not in a list; suggests the closest match
    ├── NoData                        3   the input exists but holds nothing to work on
    ├── StoreError                    4   Kudu
    │   ├── StoreUnreachable (ConnectionError)
    │   ├── ScannerExpired            4   a scan was idle for too long; Kudu closed it
    │   ├── SchemaMismatch            4   a table of another schema version
    │   ├── RowsRefused               4   Kudu refused rows
    │   └── MissingRow (LookupError)  4   a row that must exist does not
    ├── BusError                      5   Kafka
    │   ├── BusUnreachable (ConnectionError)
    │   ├── UnknownTopic (LookupError)
    │   └── EnvelopeError (ValueError)    one message that is not an envelope
    ├── ArtifactError                 6   a model whose bytes or predictions are not what was stored
    ├── QueryRefused (PermissionError) 7  SQL that is more than reading the catalogue
    ├── NotAccepted                   8   an evaluation misses the acceptable error
    ├── ClusterError                  9   the one-machine servers
    ├── AllFailed                    10   every item of the work failed
    └── ImageError (ValueError)       2   one image that cannot be decoded; carries a reason code

`EXIT_CODES` says what each code means; docs/reference/exit_codes.md is generated from it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

EXIT_CODES: dict[int, str] = {
    0: "done",
    1: "any other error",
    2: "an invalid flag, setting or file",
    3: "the input holds nothing to work on",
    4: "Kudu: unreachable, refused, or a row or table is not as expected",
    5: "Kafka: unreachable, no such topic, or messages are gone",
    6: "a stored model or training set is not what was stored",
    7: "the SQL was refused",
    8: "no version meets the acceptable error, or a limit set by a flag was exceeded",
    9: "the one-machine servers could not be resolved, started or stopped",
    10: "every item of the work failed",
    130: "interrupted by Ctrl-C",
    143: "stopped by SIGTERM or a closed terminal",
}
"""What each exit code of ``labelmill``, of every job and of ``bin/demo`` means."""


def exit_codes_text(codes: Mapping[int, str]) -> str:
    """The exit codes as the last paragraph of a command's ``--help``.

    >>> exit_codes_text({2: "an invalid flag", 0: "done"})
    'Exit codes: 0 done; 2 an invalid flag.'
    """
    return (
        "Exit codes: " + "; ".join(f"{code} {text}" for code, text in sorted(codes.items())) + "."
    )


class LabelmillError(Exception):
    """Base of every error that labelmill raises on purpose."""

    exit_code = 1


class InputError(LabelmillError, ValueError):
    """Invalid arguments or settings, or an invalid file."""

    exit_code = 2


class UnknownName(InputError, LookupError):
    """A name that is not in a known list.

    Args:
        kind: What the name refers to, for example ``"family"``.
        name: The name received.
        known: The valid names.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name, self.known = kind, name, sorted(known)
        near = difflib.get_close_matches(name, self.known, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        super().__init__(
            f"unknown {kind} {name!r}; expected one of: {', '.join(self.known) or '(none)'}.{hint}"
        )

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.kind, self.name, self.known))


class NoData(LabelmillError):
    """The input exists but holds nothing to work on."""

    exit_code = 3


class StoreError(LabelmillError):
    """Kudu refused a request or could not carry it out."""

    exit_code = 4


class StoreUnreachable(StoreError, ConnectionError):
    """No Kudu master answered."""


class ScannerExpired(StoreError):
    """A scan was idle for so long that Kudu closed it."""


class SchemaMismatch(StoreError):
    """A table exists with another schema version or other columns than declared."""


class RowsRefused(StoreError):
    """Kudu refused rows of a write; the message shows samples."""


class MissingRow(StoreError, LookupError):
    """A row that must exist does not."""


class BusError(LabelmillError):
    """Kafka refused a request or could not carry it out."""

    exit_code = 5


class BusUnreachable(BusError, ConnectionError):
    """No Kafka broker answered."""


class UnknownTopic(BusError, LookupError):
    """The topic does not exist."""


class EnvelopeError(BusError, ValueError):
    """A message that is not an envelope.

    Args:
        reason: Short stable code, for example ``"not_an_envelope"``.
        message: What was received and what was expected.
    """

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.reason, str(self)))


class ArtifactError(LabelmillError):
    """A model whose bytes, parts or canary predictions are not what was stored."""

    exit_code = 6


class QueryRefused(LabelmillError, PermissionError):
    """SQL that does more than read the catalogue's views."""

    exit_code = 7


class NotAccepted(LabelmillError):
    """An evaluation misses the acceptable error that was stated beforehand."""

    exit_code = 8


class ClusterError(LabelmillError):
    """The one-machine Kudu or Kafka could not be resolved, started or stopped."""

    exit_code = 9


class AllFailed(LabelmillError):
    """Every item of the work failed, so there is no result to continue with."""

    exit_code = 10


class ImageError(LabelmillError, ValueError):
    """One image that cannot be decoded.

    Args:
        reason: Short stable code that goes into ``quarantine.reason``.
        message: What was received and what was expected.
    """

    exit_code = 2

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.reason, str(self)))
