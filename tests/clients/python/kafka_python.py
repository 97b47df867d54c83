"""kafka-python. Verbs and steps: ../doc.go."""
import sys

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition, __version__
from kafka.admin import NewTopic
from kafka.errors import KafkaError

from kafka_python_transactions import Client
from steps import FIRST_TIME, PARTITIONS, check, gone, records, step
from transactions import Transactions

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
TOTAL = sum(len(r) for r in records(CODECS).values())


def create(bootstrap, topic):
    admin = KafkaAdminClient(bootstrap_servers=bootstrap.split(","))
    admin.create_topics([NewTopic(topic, PARTITIONS, 1, topic_configs={"retention.ms": "-1"})])
    admin.close()


def produce(bootstrap, topic, codec, batch):
    producer = KafkaProducer(bootstrap_servers=bootstrap.split(","), compression_type=None if codec == "none" else codec, acks="all")
    sent = [producer.send(topic, r.value, r.key, r.headers, r.partition, r.time) for r in batch]
    producer.flush(30)
    for f in sent:
        f.get(30)
    producer.close()


def consumer(bootstrap, group, *topics):
    return KafkaConsumer(*topics, bootstrap_servers=bootstrap.split(","), group_id=group, enable_auto_commit=False,
                         auto_offset_reset="earliest", session_timeout_ms=6000, heartbeat_interval_ms=1000, consumer_timeout_ms=30_000)


def take(c, count):
    """The next records of a consumer."""
    got = []
    while len(got) < count:
        polled = c.poll(30_000, max_records=count - len(got))
        if not polled:
            raise AssertionError(f"nothing came for 30 s after {len(got)} records")
        got += [(m.key, m.value, m.timestamp, m.partition, list(m.headers)) for ms in polled.values() for m in ms]
    return got


def member(bootstrap, topic, group):
    c = consumer(bootstrap, group, topic)
    while True:
        for ms in c.poll(1000).values():
            for m in ms:
                print("got", m.value.decode(), flush=True)
        try:
            c.commit()
        except KafkaError as e:  # a rebalance takes the partition away: whoever gets it reads on from the last commit
            print("commit", e, flush=True)


def read_some(bootstrap, topic, group, count):
    """Reads count records as a member of a group, commits what was read, and leaves."""
    c = consumer(bootstrap, group, topic)
    got = take(c, count)
    c.commit()
    c.close()
    return got


def resume(bootstrap, topic, group):
    first = read_some(bootstrap, topic, group, TOTAL // 3)
    check(first + read_some(bootstrap, topic, group, TOTAL - len(first)), CODECS)


def seek(bootstrap, topic, group):
    c = consumer(bootstrap, group)
    at = c.offsets_for_times({TopicPartition(topic, p): FIRST_TIME + TOTAL // 2 * 1000 for p in range(PARTITIONS)})
    c.assign(list(at))
    for tp, found in at.items():
        c.seek(tp, found.offset)
    check(take(c, TOTAL - TOTAL // 2), CODECS, TOTAL // 2)
    c.close()


def delete(bootstrap, topic):
    admin = KafkaAdminClient(bootstrap_servers=bootstrap.split(","))
    admin.delete_topics([topic])
    gone(lambda: topic in admin.list_topics())
    admin.close()


def main(verb, bootstrap, topic, *group):
    if verb == "write":
        print("version", __version__)
        step("create", create, bootstrap, topic)
        for codec, batch in records(CODECS).items():
            step("produce " + codec, produce, bootstrap, topic, codec, batch)
    elif verb == "member":
        member(bootstrap, topic, *group)
    elif verb == "transact":
        Transactions(Client(bootstrap), topic, *group).run()
    else:
        step("consume", lambda: check(read_some(bootstrap, topic, group[0] + "-all", TOTAL), CODECS))
        step("resume", resume, bootstrap, topic, *group)
        step("seek", seek, bootstrap, topic, *group)
        step("delete", delete, bootstrap, topic)


main(*sys.argv[1:])
