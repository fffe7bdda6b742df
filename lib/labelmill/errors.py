"""One tree of errors; each class carries the exit code a job ends with.

::

    LabelmillError                    1   anything of ours
    ├── InputError (ValueError)       2   arguments, settings or a file that cannot be meant
    │   └── UnknownName (LookupError) 2   a name that is not in a list; suggests the near one
    ├── NoData                        3   the input is there but holds nothing to work on
    ├── StoreError                    4   Kudu
    │   ├── StoreUnreachable (ConnectionError)
    │   ├── ScannerExpired            4   a scan was left alone for too long
    │   ├── SchemaMismatch            4   a table of another schema version
    │   ├── RowsRefused               4   Kudu refused rows
    │   └── MissingRow (LookupError)  4   a row that must be there is not
    ├── BusError                      5   Kafka
    │   ├── BusUnreachable (ConnectionError)
    │   ├── UnknownTopic (LookupError)
    │   └── EnvelopeError (ValueError)    one message that is not an envelope
    ├── ArtifactError                 6   a model whose bytes or answers are not what was stored
    ├── QueryRefused (PermissionError) 7  SQL that is more than reading the catalogue
    ├── NotAccepted                   8   an evaluation misses the acceptable error
    ├── ClusterError                  9   the one-machine servers
    ├── AllFailed                    10   every item of the work failed
    └── ImageError (ValueError)       2   one image that cannot be decoded; carries a reason code

Exit code 130 means interrupted (Ctrl-C), 143 stopped by SIGTERM before work could end cleanly.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class LabelmillError(Exception):
    """Base of every error that labelmill raises on purpose."""

    exit_code = 1


class InputError(LabelmillError, ValueError):
    """Arguments, settings or a file that cannot be meant."""

    exit_code = 2


class UnknownName(InputError, LookupError):
    """A name that is not in a known list.

    Args:
        kind: What the name stands for, for example ``"family"``.
        name: The name received.
        known: The names that would have been right.
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
    """The input is there but holds nothing to work on."""

    exit_code = 3


class StoreError(LabelmillError):
    """Kudu refused or could not do what was asked."""

    exit_code = 4


class StoreUnreachable(StoreError, ConnectionError):
    """No Kudu master answered."""


class ScannerExpired(StoreError):
    """A scan was left alone for so long that Kudu forgot it."""


class SchemaMismatch(StoreError):
    """A table exists with another schema version or other columns than declared."""


class RowsRefused(StoreError):
    """Kudu refused rows of a write; the message shows samples."""


class MissingRow(StoreError, LookupError):
    """A row that must exist does not."""


class BusError(LabelmillError):
    """Kafka refused or could not do what was asked."""

    exit_code = 5


class BusUnreachable(BusError, ConnectionError):
    """No Kafka broker answered."""


class UnknownTopic(BusError, LookupError):
    """The topic does not exist."""


class EnvelopeError(BusError, ValueError):
    """A message that is no envelope.

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
    """A model whose bytes, parts or canary answers are not what was stored."""

    exit_code = 6


class QueryRefused(LabelmillError, PermissionError):
    """SQL that does more than read the catalogue's views."""

    exit_code = 7


class NotAccepted(LabelmillError):
    """An evaluation misses the acceptable error that was stated first."""

    exit_code = 8


class ClusterError(LabelmillError):
    """The one-machine Kudu or Kafka could not be resolved, started or stopped."""

    exit_code = 9


class AllFailed(LabelmillError):
    """Every item of the work failed, so there is no result to go on with."""

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
