"""The closing report of a publish."""

from __future__ import annotations

from labelmill.errors import BusError, NoData
from labelmill.pipelines.publish.worker import PublishTotals
from labelmill.spark.report import Report


def closing_report(report: Report, topic: str, totals: PublishTotals, nothing: str) -> Report:
    """The closing report of a publish.

    Args:
        report: Started when the job began.
        topic: Where the messages went.
        totals: What became of the images.
        nothing: Why there may be nothing to publish, for the message.

    Raises:
        NoData: No row was read.
        BusError: `totals.error`, with its exit code.
    """
    if totals.error:
        failure = BusError(totals.error)
        failure.exit_code = totals.exit_code
        raise failure
    if not (totals.messages or totals.left_out or totals.without_pixels):
        raise NoData(f"nothing to publish: {nothing}")
    report.put("topic", topic)
    report.put("messages", totals.messages)
    report.put("bytes", totals.bytes)
    report.put("recoded_as_png", totals.recoded)
    report.put("left_out_too_large", totals.left_out)
    report.put("left_out_without_pixels", totals.without_pixels)
    report.put("messages_per_second", round(totals.messages / max(report.seconds, 1e-9), 1))
    if totals.left_out:
        report.note(
            f"{totals.left_out} images are larger than {topic}'s max.message.bytes even as PNG and "
            f"were left out, for example {', '.join(totals.too_large)}; raise the topic's limit"
        )
    if totals.without_pixels:
        report.note(f"{totals.without_pixels} rows have no pixels and were left out")
    return report
