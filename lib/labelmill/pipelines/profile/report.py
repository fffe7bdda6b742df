"""What a profile says at the end, in a terminal and to programs."""

from __future__ import annotations

from labelmill.pipelines.profile.plan import Profiled, ProfilePlan
from labelmill.pipelines.profile.statistics import MOST_CLASSES
from labelmill.spark.report import Report


def reported(report: Report, profiled: Profiled, plan: ProfilePlan, accepted: bool | None) -> None:
    profile = profiled.profile
    report.put("collection", profile.collection)
    report.put("digest", profile.digest)
    report.put("snapshot_ms", profiled.snapshot_ms)
    report.put("images", profile.images)
    report.put("width", f"{profile.width.least:.0f} to {profile.width.most:.0f}")
    report.put("height", f"{profile.height.least:.0f} to {profile.height.most:.0f}")
    report.put("channels", profile.channels)
    report.put("dtypes", profile.dtypes)
    report.put("classes", dict(list(profile.classes.items())[:20]))
    report.put("without_truth", profile.without_truth)
    report.put("conflicts", profile.conflicts)
    report.put("splits", profile.splits)
    report.put("blank", profile.blank)
    report.put("exact_duplicates", {"groups": profile.exact.groups, "images": profile.exact.images})
    report.put("near_duplicates", {"groups": profile.near.groups, "images": profile.near.images})
    report.put("leaks", profile.leaks)
    report.put("near_leaks", profile.near_leaks)
    report.put("outliers", profile.outliers)
    report.put("against", profiled.against)
    report.put("accepted", accepted)
    report.table(
        "deviations",
        [{"severity": d.severity, "sentence": d.sentence} for d in profiled.deviations],
    )
    if plan.against is not None and profiled.against is None:
        report.note(
            f"{plan.collection!r} has no accepted profile yet, so there was nothing to compare with; "
            "from now on there is"
        )
    for name, kind in (("same pixels", profile.exact), ("same look", profile.near)):
        for leak, images in kind.leaks.items():
            report.note(f"leak: {images:,} images, {name}: {leak}")
        if kind.classes_differ:
            report.note(f"{kind.classes_differ:,} groups with the {name} have different classes")
    if profile.other_classes:
        report.note(
            f"more than {MOST_CLASSES:,} classes; {profile.other_classes:,} rare ones are not listed"
        )
    if not profile.near.complete:
        report.note(
            "near duplicates are a lower bound: so many images hash alike that not all were compared"
        )
    if accepted is False:
        report.note(
            "not accepted: `--against latest` goes on meaning the profile before; --accept takes it"
        )
