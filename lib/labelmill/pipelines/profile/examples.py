"""The images that a profile's page shows, as small PNG files; drawn on executors."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from labelmill.pipelines.previews import SIZE_SQL, draw

MOST = 400
"""Most pictures of a page: some megabytes, and a list that Kudu can filter by."""

EXAMPLES, EXAMPLE_CLASSES = 6, 30
"""Most examples per class, and classes that have any."""


@dataclass(frozen=True)
class ShownImage:
    """One image of the page.

    Args:
        image_id: Which.
        uri: Path of the file below the ingested root.
        label: Its class, if known.
        split: Its split, if any.
        width: Pixels of the image, not of the picture.
        height: Pixels of the image.
        png: At most `labelmill.pipelines.previews.SIDE` pixels wide and high; None: cannot be read.
    """

    image_id: str
    uri: str
    label: str | None
    split: str | None
    width: int
    height: int
    png: bytes | None


def draw_pictures(
    own: SparkSession, described: DataFrame, collection: str, ids: Collection[str]
) -> dict[str, ShownImage]:
    """Draws images.

    Args:
        own: Session with the views ``images`` and ``image_chunks``.
        described: Rows of `DESCRIBED` with ``class``; persisted.
        collection: Name.
        ids: Which; only the first `MOST` are drawn.

    Returns:
        image_id → what is shown of it.
    """
    chosen = list(dict.fromkeys(ids))[:MOST]
    if not chosen:
        return {}
    columns = ["image_id", "uri", "class", "split", "width", "height"]
    size = F.expr(SIZE_SQL).alias("size")
    known = described.where(F.col("image_id").isin(chosen)).select(*columns, size).collect()
    drawn = draw(own, collection, {row["image_id"]: row["size"] for row in known})
    return {
        row["image_id"]: ShownImage(
            image_id=row["image_id"],
            uri=row["uri"],
            label=row["class"],
            split=row["split"],
            width=row["width"],
            height=row["height"],
            png=drawn.get(row["image_id"]),
        )
        for row in known
    }


def choose_examples(
    described: DataFrame, classes: list[str]
) -> tuple[dict[str, list[str]], list[str]]:
    """The first `EXAMPLES` image_ids of each class, and of the blank images.

    Ids are hashes, so the first ones are a random sample.
    """
    listed = classes[:EXAMPLE_CLASSES]
    first = Window.partitionBy("blank", "class").orderBy("image_id")
    blank = F.col("std") == 0
    rows = (
        described.where(blank | F.col("class").isin(listed))
        .select("image_id", F.explode(F.array(F.lit(False), blank)).alias("blank"), "class")
        .distinct()
        .select(
            "image_id",
            "blank",
            F.when(~F.col("blank"), F.col("class")).alias("class"),
        )
        .select("*", F.row_number().over(first).alias("nth"))
        .where(F.col("nth") <= EXAMPLES)
        .orderBy("image_id")
        .collect()
    )
    found: dict[str, list[str]] = {name: [] for name in listed}
    for row in rows:
        if not row["blank"] and row["class"] in found:
            found[row["class"]].append(row["image_id"])
    return found, [row["image_id"] for row in rows if row["blank"]]
