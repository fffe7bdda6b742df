"""What a collection holds, and where it deviates from what was expected, before anyone trains on it.

One pass over Kudu turns every image into 1.3 KB (statistics, a 32×32 grey thumbnail, a hash), which
Spark keeps on its executors; everything else is counted from these. The driver gets counts, mean
images and a bounded number of pairs and pictures (decision 0068). All is read at one snapshot and all
figures are exact counts, so the same rows give the same profile and the same digest.
"""

from __future__ import annotations

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from labelmill.domain.profiles.deviations import deviations
from labelmill.domain.profiles.profile import Profile
from labelmill.domain.profiles.schema import Schema, infer
from labelmill.errors import NoData, NotAccepted
from labelmill.pipelines.profile.duplicates import Found, duplicates
from labelmill.pipelines.profile.examples import examples, pictures
from labelmill.pipelines.profile.outliers import Outlier, outliers
from labelmill.pipelines.profile.plan import Profiled, ProfilePlan
from labelmill.pipelines.profile.report import reported
from labelmill.pipelines.profile.schema_file import read_schema_file
from labelmill.pipelines.profile.statistics import Figures, figures, mean_image
from labelmill.pipelines.profile.worker import DESCRIBED, READ, describe_batches
from labelmill.settings import Settings
from labelmill.spark.arrow import struct_type
from labelmill.spark.progress import SparkProgress
from labelmill.spark.report import Report
from labelmill.sql import catalogue
from labelmill.sql.snapshot import settled
from labelmill.store.client import RowClient
from labelmill.store.connect import open_client
from labelmill.store.records import profiles

VIEWS = ("images", "image_chunks", "truth", "truth_conflicts", "quarantine")


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
    plan.check()
    report = Report("profile_collection")
    client = open_client(settings)
    try:
        before = _before(client, plan)
        at = settled(plan.snapshot_ms)
        with SparkProgress(spark, f"profile {plan.collection}"):
            profiled = _profiled(spark, settings, plan, at, before)
        severe = [d for d in profiled.deviations if d.severity == "error"]
        accepted = True if plan.accept else (not severe if before is not None else None)
        digest = profiled.profile.digest
        if accepted is False and profiles.accepted(client, plan.collection, digest):
            accepted = True  # a person's word stands above what a comparison finds
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
    reported(report, profiled, plan, accepted)
    if plan.fail_on_deviation and severe:
        report.fail(
            f"{plan.collection!r} deviates from {profiled.against}: {severe[0].sentence}"
            + (f"; and {len(severe) - 1} more errors" if len(severe) > 1 else ""),
            NotAccepted.exit_code,
        )
    return report, profiled


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
    described = read.mapInArrow(describe_batches, struct_type(DESCRIBED))  # type: ignore[arg-type]
    truth = own.table("truth").where(F.col("collection") == collection)
    return described.join(truth.select("image_id", "class"), "image_id", "left")


def _before(client: RowClient, plan: ProfilePlan) -> tuple[Schema, str] | None:
    """The schema that is expected, and what it is called."""
    if plan.against is None:
        return None
    if plan.against.endswith(".json"):
        return read_schema_file(plan.against), plan.against
    return profiles.find(client, plan.collection, plan.against)


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
