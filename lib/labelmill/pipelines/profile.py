"""What a collection holds, and where it deviates from what was expected, before anyone trains on it.

One pass over Kudu turns every image into 1.3 KB (statistics, a 32×32 grey thumbnail, a hash), which
Spark keeps on its executors; everything else is counted from these. The driver gets counts, mean
images and a bounded number of pairs and pictures (decision 0068). All is read at one snapshot and all
figures are exact counts, so the same rows give the same profile and the same digest.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from labelmill.domain.deviations import Deviation, deviations
from labelmill.domain.near_pairs import MOST_DISTANCE
from labelmill.domain.profile import Profile
from labelmill.domain.schema import Schema, infer, read_schema
from labelmill.errors import InputError, NoData, NotAccepted
from labelmill.pipelines import catalogue
from labelmill.pipelines.profile_duplicates import Found, duplicates
from labelmill.pipelines.profile_figures import MOST_CLASSES, Figures, figures, mean_image
from labelmill.pipelines.profile_outliers import Outlier, outliers
from labelmill.pipelines.profile_pictures import Shown, examples, pictures
from labelmill.pipelines.profile_rows import DESCRIBED_SQL, READ, describe_batches
from labelmill.pipelines.progress import SparkProgress
from labelmill.pipelines.report import Report
from labelmill.pipelines.snapshot import settled
from labelmill.settings import Settings
from labelmill.store import profiles
from labelmill.store.client import open_client

DISTANCE, LIKENESS = 4, 0.99
"""Near pairs, by default. On MNIST, photographs and CIFAR-10 these find copies that were compressed,
scaled, brightened or made noisy, and few others (decision 0069)."""

VIEWS = ("images", "image_chunks", "truth", "truth_conflicts", "quarantine")


@dataclass(frozen=True)
class Profiled:
    """A profile with all that its page shows.

    Args:
        profile: The figures.
        schema: Inferred from them.
        snapshot_ms: Moment that was read, milliseconds since 1970 UTC.
        against: What it was compared with; None: nothing.
        deviations: The worst first.
        class_means: Class → mean image, PNG in base64.
        examples: Class → image_ids.
        duplicates: Groups that are shown.
        outliers: Images that are shown.
        blanks: image_ids of blank images.
        pictures: image_id → what is shown of the image.
        schema_before: What it was compared with.
    """

    profile: Profile
    schema: Schema
    snapshot_ms: int
    against: str | None
    deviations: list[Deviation]
    class_means: dict[str, str]
    examples: dict[str, list[str]]
    duplicates: Found
    outliers: list[Outlier]
    blanks: list[str]
    pictures: dict[str, Shown] = field(repr=False)
    schema_before: Schema | None = None


@dataclass(frozen=True)
class ProfilePlan:
    """How a collection is profiled.

    Args:
        collection: Name.
        against: ``latest``, letters of a digest, another collection's name, or a schema's
            ``FILE.json``; None: nothing is compared.
        accept: Accept it as the one that ``latest`` means, whatever deviates.
        fail_on_deviation: Whether a deviation of severity error makes the job fail.
        snapshot_ms: Milliseconds since 1970 UTC; default now.
        distance: Most bits in which hashes of near duplicates differ, 0..8.
        likeness: Least likeness of near duplicates, 0..1.
    """

    collection: str
    against: str | None = None
    accept: bool = False
    fail_on_deviation: bool = False
    snapshot_ms: int | None = None
    distance: int = DISTANCE
    likeness: float = LIKENESS


def profile_collection(
    spark: SparkSession, settings: Settings, plan: ProfilePlan
) -> tuple[Report, Profiled]:
    """Profiles a collection, compares it, writes ``profiles``.

    Args:
        spark: The session.
        settings: Where Kudu is.
        plan: What is wanted.

    Returns:
        The report (``digest``, the main figures, table ``deviations``; failed with the exit code of
        `NotAccepted` when asked to and there is an error), and what the page shows.

    Raises:
        InputError: A schema file that cannot be meant; a distance or likeness out of range.
        MissingRow: `ProfilePlan.against` names nothing.
        NoData: The collection has no images.
        StoreError: Kudu refused.
    """
    _check(plan)
    report = Report("profile_collection")
    client = open_client(settings)
    try:
        before = _before(plan) or (
            profiles.find(client, plan.collection, plan.against) if plan.against else None
        )
        at = settled(plan.snapshot_ms)
        with SparkProgress(spark, f"profile {plan.collection}"):
            profiled = _profiled(spark, settings, plan, at, before)
        severe = [d for d in profiled.deviations if d.severity == "error"]
        accepted = True if plan.accept else (not severe if before is not None else None)
        profiles.save(
            client,
            profiled.profile,
            at,
            profiled.against,
            profiled.deviations,
            accepted,
        )
    finally:
        client.close()
    _reported(report, profiled, plan, accepted)
    if plan.fail_on_deviation and severe:
        report.fail(
            f"{plan.collection!r} deviates from {profiled.against}: {severe[0].sentence}"
            + (f"; and {len(severe) - 1} more errors" if len(severe) > 1 else ""),
            NotAccepted.exit_code,
        )
    return report, profiled


def check_writable(path: Path, flag: str) -> None:
    """Makes sure, before the work, that a file can be written after it.

    Raises:
        InputError: A folder, or a place that cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{flag} {path} cannot be written: {error.strerror}") from None
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise InputError(
            f"{flag} {path} cannot be written; expected a file's path in a folder that you may "
            "write to"
        )


def write_schema(schema: Schema, path: Path) -> None:
    """Writes a schema for `ProfilePlan.against`, to be kept and edited."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(schema.to_json(), indent=2, ensure_ascii=False) + "\n", "utf-8")
    part.replace(path)


def _profiled(
    spark: SparkSession,
    settings: Settings,
    plan: ProfilePlan,
    at: int,
    before: tuple[Schema, str] | None,
) -> Profiled:
    own, _ = catalogue.open_views(spark, settings, at, VIEWS)
    described = describe(own, plan.collection).persist(StorageLevel.MEMORY_AND_DISK)
    try:
        counted = figures(own, described, plan.collection)
        if not counted.totals["images"]:
            raise NoData(
                f"the collection {plan.collection!r} has no images; there are: "
                'labelmill sql "select collection, count(*) from images group by collection"'
            )
        found = duplicates(own, described, plan.collection, plan.distance, plan.likeness)
        classes = counted.fields["classes"]
        number, far = outliers(described, counted.counts, classes, counted.means)
        profile = Profile(
            collection=plan.collection,
            **counted.fields,
            exact=found.exact,
            near=found.near,
            distance=plan.distance,
            likeness=plan.likeness,
            outliers=number,
        )
        shown, blank = examples(described, list(classes))
        ids = _shown_ids(found, far, blank, shown)
        pictured = pictures(own, described, plan.collection, ids)
    finally:
        described.unpersist()
    return Profiled(
        profile=profile,
        schema=infer(profile),
        snapshot_ms=at,
        against=before[1] if before else None,
        deviations=deviations(profile, before[0]) if before else [],
        class_means=_class_means(counted),
        examples=shown,
        duplicates=found,
        outliers=far,
        blanks=blank,
        pictures=pictured,
        schema_before=before[0] if before else None,
    )


def describe(own: SparkSession, collection: str) -> DataFrame:
    """Rows of `DESCRIBED` and ``class`` of all images of a collection.

    Args:
        own: Session with the views ``images`` and ``truth``.
        collection: Name.
    """
    mine = (
        own.table("images")
        .where(F.col("collection") == collection)
        .withColumn("source_micros", F.unix_micros("source_time"))
    )
    # Only images that are their own thumbnail give their pixels, so large pixels are never read.
    small = mine.where(F.col("thumbnail").isNull())
    large = mine.where(F.col("thumbnail").isNotNull()).withColumn(
        "pixels", F.lit(None).cast("binary")
    )
    read = small.select(*READ).unionByName(large.select(*READ))
    described = read.mapInArrow(describe_batches, DESCRIBED_SQL)  # type: ignore[arg-type]
    truth = own.table("truth").where(F.col("collection") == collection)
    return described.join(truth.select("image_id", "class"), "image_id", "left")


def _check(plan: ProfilePlan) -> None:
    if not 0 <= plan.distance <= MOST_DISTANCE:
        raise InputError(f"--distance {plan.distance}; expected 0 to {MOST_DISTANCE} bits")
    if not 0 <= plan.likeness <= 1:
        raise InputError(f"--likeness {plan.likeness}; expected 0 to 1")
    if plan.fail_on_deviation and plan.against is None:
        raise InputError("--fail-on-deviation needs --against: say what is expected first")


def _before(plan: ProfilePlan) -> tuple[Schema, str] | None:
    """The schema of a file, when `against` is one."""
    if plan.against is None or not plan.against.endswith(".json"):
        return None
    try:
        text = Path(plan.against).read_text("utf-8")
        return read_schema(json.loads(text), plan.against), plan.against
    except OSError as error:
        raise InputError(f"--against {plan.against}: {error.strerror}") from None
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"--against {plan.against} is no JSON: {error}") from None


def _class_means(counted: Figures) -> dict[str, str]:
    return {name: mean_image(counted.means, name) for name in counted.means if name is not None}


def _shown_ids(
    found: Found, far: list[Outlier], blank: list[str], shown: dict[str, list[str]]
) -> list[str]:
    ids = [i for g in found.exact_groups for i in (g.first, g.last)]
    near = (*found.near_groups.disputed, *found.near_groups.largest)
    ids += [found.names[i] for g in near for i in (g.a, g.b)]
    ids += [o.image_id for o in far] + blank
    return ids + [i for group in shown.values() for i in group]


def _reported(report: Report, profiled: Profiled, plan: ProfilePlan, accepted: bool | None) -> None:
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
