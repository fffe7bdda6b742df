"""A report that failed, as the error that it stands for."""

from __future__ import annotations

from labelmill.errors import LabelmillError
from labelmill.spark.report import Report


def raise_failure(report: Report) -> None:
    """Raises what a job ends with by an exit code.

    Raises:
        LabelmillError: The class of the report's exit code, with its message.
    """
    if report.error is None:
        return
    for kind in LabelmillError.__subclasses__():
        if kind.exit_code == report.exit_code:
            raise kind(report.error)
    raise LabelmillError(report.error)
