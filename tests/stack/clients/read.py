"""Reads topics with confluent-kafka (librdkafka) from the beginning to the end, all
partitions by assign, and prints for each its number of records and two checksums
(see digest_test.go):   python read.py BOOTSTRAP TOPIC...   ->   TOPIC=RECORDS KEYED BAG
"""
import hashlib
import struct
import sys

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition


def add(h, b):
    h.update(struct.pack(">I", len(b)))
    h.update(b)


def read(consumer, topic):
    partitions = list(consumer.list_topics(topic, timeout=30).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in partitions])
    open_partitions, expected = set(partitions), {}
    sequences, bag, count = {}, [], 0
    while open_partitions:
        for m in consumer.consume(num_messages=5000, timeout=0.1):  # waits for all 5000
            if m.error():
                if m.error().code() != KafkaError._PARTITION_EOF:
                    raise SystemExit(f"{topic}: {m.error()}")
                open_partitions.discard(m.partition())
                continue
            want = expected.get(m.partition(), 0)
            if m.offset() != want:
                raise SystemExit(f"{topic}/{m.partition()}: offset {m.offset()}, want {want}")
            expected[m.partition()] = want + 1
            value, key = m.value() or b"", m.key() or b""
            add(sequences.setdefault(key, hashlib.sha256()), value)
            bag.append(hashlib.sha256(value).digest())
            count += 1
    keyed = hashlib.sha256()
    for key in sorted(sequences):
        add(keyed, key)
        keyed.update(sequences[key].digest())
    return count, keyed.hexdigest(), hashlib.sha256(b"".join(sorted(bag))).hexdigest()


def main():
    consumer = Consumer({
        "bootstrap.servers": sys.argv[1], "group.id": "reads-by-assign", "enable.auto.commit": False,
        "enable.partition.eof": True, "auto.offset.reset": "error", "check.crcs": True,
    })
    for topic in sys.argv[2:]:
        print("%s=%d %s %s" % (topic, *read(consumer, topic)), flush=True)
    consumer.close()


main()
