"""Petastorm's side of the race: the same PNG files materialised to Parquet, as its documentation shows.

Runs in an environment of its own (``benchmarks/peers/setup petastorm``) and stays up between
repetitions, so its Spark session is as warm as ours. It takes one JSON object a line on stdin
(``folder``, ``target``) and answers with one on stdout (``rows``).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import warnings

import numpy as np

warnings.filterwarnings("ignore", category=FutureWarning)

from petastorm.codecs import NdarrayCodec, ScalarCodec  # noqa: E402
from petastorm.etl.dataset_metadata import materialize_dataset  # noqa: E402
from petastorm.unischema import Unischema, UnischemaField, dict_to_spark_row  # noqa: E402
from PIL import Image  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402
from pyspark.sql.types import StringType  # noqa: E402

SCHEMA = Unischema(
    "Images",
    [
        UnischemaField("image_id", np.str_, (), ScalarCodec(StringType()), False),
        UnischemaField("label", np.str_, (), ScalarCodec(StringType()), False),
        UnischemaField("uri", np.str_, (), ScalarCodec(StringType()), False),
        # The array as it is; CompressedImageCodec would encode every image again.
        UnischemaField("image", np.uint8, (None, None, 1), NdarrayCodec(), False),
    ],
)
ROW_GROUP_MIB = 256


def row_of(path: str) -> object:
    """Runs in a Python worker: one file read, decoded, hashed, encoded for Parquet."""
    with open(path, "rb") as file:
        data = file.read()
    pixels = np.asarray(Image.open(io.BytesIO(data), formats=("PNG",)))
    row = {
        "image_id": hashlib.sha256(data).hexdigest(),
        "label": path.split("/")[-2],
        "uri": path,
        "image": pixels[..., np.newaxis],
    }
    return dict_to_spark_row(SCHEMA, row)


def materialise(spark: SparkSession, folder: str, target: str) -> int:
    """Lists the folder and writes the data set; how many rows were listed."""
    paths = [os.path.join(at, name) for at, _, names in os.walk(folder) for name in names]
    with materialize_dataset(spark, f"file://{target}", SCHEMA, ROW_GROUP_MIB):
        rows = spark.sparkContext.parallelize(paths).map(row_of)
        frame = spark.createDataFrame(rows, SCHEMA.as_spark_schema())
        frame.write.mode("overwrite").parquet(f"file://{target}")
    return len(paths)


def main() -> None:
    """Serves until stdin ends."""
    builder = SparkSession.builder.master(sys.argv[1]).appName("petastorm")
    for key, value in {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "1g",
    }.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        rows = materialise(spark, asked["folder"], asked["target"])
        print(json.dumps({"rows": rows}), flush=True)
    spark.stop()


if __name__ == "__main__":
    main()
