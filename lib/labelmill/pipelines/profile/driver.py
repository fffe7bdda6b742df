"""What a collection holds, and where it deviates from what was expected, before anyone trains on it.

One pass over Kudu turns every image into 1.3 KB (statistics, a 32×32 grey thumbnail, a hash), which
Spark keeps on its executors; everything else is counted from these. The driver gets counts, mean
images and a bounded number of pairs and pictures (decision 0068). Everything is read at one snapshot and
all statistics are exact counts, so the same rows give the same profile and the same digest.
"""

from __future__ import annotations

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from labelmill.domain.profiles.deviations import deviations
from labelmill.domain.profiles.profile import Profile
from labelmill.domain.profiles.schema import Schema, infer
from labelmill.errors import NoData, NotAccepted
from labelmill.pipelines.profile.duplicates import FoundDuplicates, find_duplicates
from labelmill.pipelines.profile.examples import choose_examples, draw_pictures
from labelmill.pipelines.profile.outliers import Outlier, find_outliers
from labelmill.pipelines.profile.plan import ProfilePlan, ProfileResult
from labelmill.pipelines.profile.report import fill_report
from labelmill.pipelines.profile.schema_file import read_schema_file
from labelmill.pipelines.profile.statistics import (
    CollectionStatistics,
    describe_collection,
    mean_image,
)
from labelmill.pipelines.profile.worker import DESCRIBED, READ, describe_batches
from labelmill.settings import Settings
from labelmill.spark.arrow import struct_type
from labelmill.spark.progress import SparkProgress
from labelmill.spark.report import Report
from labelmill.sql import catalogue
from labelmill.sql.snapshot import settled_snapshot
from labelmill.store.client import RowClient
from labelmill.store.connect import open_client
from labelmill.store.records import profiles

VIEWS = ("images", "image_chunks", "truth", "truth_conflicts", "quarantine")


def profile_collection(
    spark: SparkSession, settings: Settings, plan: ProfilePlan
) -> tuple[Report, ProfileResult]:
    """Profiles a collection, compares it, writes ``profiles``.

    Args:
        spark: The session.
        settings: Where Kudu is.
        plan: What to profile, and how.

    Returns:
        The report (``digest``, the main statistics, table ``deviations``; failed with the exit code of
        `NotAccepted` when `ProfilePlan.fail_on_deviation` is set and there is an error), and what the
        page shows.

    Raises:
        InputError: An invalid schema file; a distance or likeness out of range.
        MissingRow: `ProfilePlan.against` names nothing.
        NoData: The collection has no images.
        StoreError: Kudu refused.
    """
    plan.check()
    report = Report("profile_collection")
    client = open_client(settings)
    try:
        expected = _expected_schema(client, plan)
        at = settled_snapshot(settings, plan.snapshot_ms)
        with SparkProgress(spark, f"profile {plan.collection}"):
            result = _profile(spark, settings, plan, at, expected)
        severe = [d for d in result.deviations if d.severity == "error"]
        accepted = True if plan.accept else (not severe if expected is not None else None)
        digest = result.profile.digest
        if accepted is False and profiles.accepted(client, plan.collection, digest):
            accepted = True  # a person's decision overrides the comparison
        profiles.save(
            client,
            result.profile,
            at,
            result.against,
            result.deviations,
            accepted,
        )
    finally:
        client.close()
    fill_report(report, result, plan, accepted)
    if plan.fail_on_deviation and severe:
        report.fail(
            f"{plan.collection!r} deviates from {result.against}: {severe[0].sentence}"
            + (f"; and {len(severe) - 1} more errors" if len(severe) > 1 else ""),
            NotAccepted.exit_code,
        )
    return report, result


def _profile(
    spark: SparkSession,
    settings: Settings,
    plan: ProfilePlan,
    at: int,
    expected: tuple[Schema, str] | None,
) -> ProfileResult:
    own, _ = catalogue.open_views(spark, settings, at, VIEWS)
    described = describe(own, plan.collection).persist(StorageLevel.MEMORY_AND_DISK)
    try:
        statistics = describe_collection(own, described, plan.collection)
        if not statistics.totals["images"]:
            raise NoData(
                f"the collection {plan.collection!r} has no images; there are: "
                'labelmill sql "select collection, count(*) from images group by collection"'
            )
        found = find_duplicates(own, described, plan.collection, plan.distance, plan.likeness)
        classes = statistics.fields["classes"]
        number, far = find_outliers(described, statistics.counts, classes, statistics.means)
        profile = Profile(
            collection=plan.collection,
            **statistics.fields,
            exact=found.exact,
            near=found.near,
            distance=plan.distance,
            likeness=plan.likeness,
            outliers=number,
        )
        shown, blank = choose_examples(described, list(classes))
        ids = _shown_ids(found, far, blank, shown)
        pictures = draw_pictures(own, described, plan.collection, ids)
    finally:
        described.unpersist()
    return ProfileResult(
        profile=profile,
        schema=infer(profile),
        snapshot_ms=at,
        against=expected[1] if expected else None,
        deviations=deviations(profile, expected[0]) if expected else [],
        class_means=_class_means(statistics),
        examples=shown,
        duplicates=found,
        outliers=far,
        blanks=blank,
        pictures=pictures,
        schema_before=expected[0] if expected else None,
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
    # Pixels are read only of images that are their own thumbnail, so never of large ones.
    small = mine.where(F.col("thumbnail").isNull())
    large = mine.where(F.col("thumbnail").isNotNull()).withColumn(
        "pixels", F.lit(None).cast("binary")
    )
    read = small.select(*READ).unionByName(large.select(*READ))
    described = read.mapInArrow(describe_batches, struct_type(DESCRIBED))  # type: ignore[arg-type]
    truth = own.table("truth").where(F.col("collection") == collection)
    return described.join(truth.select("image_id", "class"), "image_id", "left")


def _expected_schema(client: RowClient, plan: ProfilePlan) -> tuple[Schema, str] | None:
    """The schema to compare with, and its name."""
    if plan.against is None:
        return None
    if plan.against.endswith(".json"):
        return read_schema_file(plan.against), plan.against
    return profiles.find(client, plan.collection, plan.against)


def _class_means(statistics: CollectionStatistics) -> dict[str, str]:
    return {
        name: mean_image(statistics.means, name) for name in statistics.means if name is not None
    }


def _shown_ids(
    found: FoundDuplicates, far: list[Outlier], blank: list[str], shown: dict[str, list[str]]
) -> list[str]:
    ids = [i for g in found.exact_groups for i in (g.first, g.last)]
    near = (*found.near_groups.disputed, *found.near_groups.largest)
    ids += [found.names[i] for g in near for i in (g.a, g.b)]
    ids += [o.image_id for o in far] + blank
    return ids + [i for group in shown.values() for i in group]
