"""Produces and consumes with kafka-bridge-client, a library for HTTP bridges, as it is."""

import asyncio
import base64
import sys

from kafka_bridge_client import KafkaBridgeConsumer, KafkaBridgeProducer
from kafka_bridge_client.exceptions import KafkaBridgeTopicNotFoundError

url, topic, count = sys.argv[1], sys.argv[2], int(sys.argv[3])

producer = KafkaBridgeProducer(url, timeout=30)
print("json=", producer.send(topic, {"key": "k", "value": "a value"}), sep="")
records = [{"key": f"k{i}", "value": f"value {i}".encode()} for i in range(count)]
print("binary=", producer.sends(topic, records, binary=True), sep="")
try:
    producer.send("no-such-topic", {"key": "k", "value": "v"})
except KafkaBridgeTopicNotFoundError:
    print("missing=not found")


def consumer(name):
    return KafkaBridgeConsumer(
        topic, bootstrap_server=url, group_id="bridge", auto_offset_reset="earliest", enable_auto_commit=False,
        consumer_name=name, sleep_interval_seconds=0)


async def poll(c, want):
    values = []
    for _ in range(60):
        values += [base64.b64decode(r["value"]).decode() for r in await c.poll_records(max_bytes=1_000_000, timeout=500)]
        if len(values) >= want:
            break
    return values


async def main():
    first = consumer("one")
    async with first:
        values = await poll(first, count + 1)
        await first.commit()
    print("read=", len(values), sep="")
    print("same=", sorted(values) == sorted(['"a value"'] + [f"value {i}" for i in range(count)]), sep="")
    second = consumer("two")
    async with second:
        again = await second.poll_records(max_bytes=1_000_000, timeout=500)
    print("again=", len(again), sep="")


asyncio.run(main())
