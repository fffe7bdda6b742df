"""The closing report of a profile, for people and for programs."""

from __future__ import annotations

from labelmill.domain.images.class_names import alike_note
from labelmill.pipelines.profile.counts import MOST_CLASSES
from labelmill.pipelines.profile.plan import ProfilePlan, ProfileResult
from labelmill.spark.report import Report


def fill_report(
    report: Report, result: ProfileResult, plan: ProfilePlan, accepted: bool | None
) -> None:
    """Fills the report of a profile.

    Args:
        report: The report.
        result: The profile, and what it was compared with.
        plan: How it was made.
        accepted: Whether it is accepted; None: nothing was compared.
    """
    profile = result.profile
    report.put("collection", profile.collection)
    report.put("digest", profile.digest)
    report.put("snapshot_ms", result.snapshot_ms)
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
    report.put("in_several_splits", profile.in_several_splits)
    report.put("outliers", profile.outliers)
    report.put("against", result.against)
    report.put("accepted", accepted)
    report.table(
        "deviations",
        [{"severity": d.severity, "sentence": d.sentence} for d in result.deviations],
    )
    if plan.against is not None and result.against is None:
        report.note(
            f"{plan.collection!r} has no accepted profile yet, so there was nothing to compare with; "
            "from now on there is"
        )
    for name, kind in (("same pixels", profile.exact), ("same look", profile.near)):
        for leak, images in kind.leaks.items():
            report.note(f"leak: {images:,} images, {name}: {leak}")
        if kind.classes_differ:
            report.note(f"{kind.classes_differ:,} groups with the {name} have different classes")
    if profile.in_several_splits:
        report.note(
            f"{profile.in_several_splits:,} images are in several splits of their sources; the split that is "
            "held out furthest keeps them: test, then validation, then train"
        )
    if profile.other_classes:
        report.note(
            f"more than {MOST_CLASSES:,} classes; {profile.other_classes:,} rare ones are not listed"
        )
    if (alike := alike_note(profile.classes)) is not None:
        report.note(alike)
    if not profile.near.complete:
        report.note(
            "near duplicates are a lower bound: too many images hash alike to compare them all"
        )
    if accepted is False:
        report.note(
            "not accepted: `--against latest` still names the previous profile; --accept accepts this one"
        )
