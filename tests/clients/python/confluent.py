"""confluent-kafka (librdkafka). Verbs and steps: ../doc.go."""
import sys

from confluent_kafka import Consumer, Producer, TopicPartition, __version__, libversion
from confluent_kafka.admin import AdminClient, NewTopic

from confluent_transactions import Client
from steps import FIRST_TIME, PARTITIONS, check, gone, records, step
from transactions import Transactions

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
TOTAL = sum(len(r) for r in records(CODECS).values())


def create(bootstrap, topic):
    new = NewTopic(topic, PARTITIONS, 1, config={"retention.ms": "-1"})
    admin = AdminClient({"bootstrap.servers": bootstrap})  # lives until the answer is there
    admin.create_topics([new])[topic].result(30)


def produce(bootstrap, topic, codec, batch):
    producer, errors = Producer({"bootstrap.servers": bootstrap, "compression.type": codec, "enable.idempotence": True}), []
    for r in batch:
        producer.produce(topic, r.value, r.key, r.partition, timestamp=r.time, headers=r.headers,
                         on_delivery=lambda error, _: error and errors.append(error))
    if producer.flush(30) or errors:
        raise AssertionError(errors or "not all were delivered")


def consumer(bootstrap, group, protocol="classic"):
    own = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 1000} if protocol == "classic" else {}
    return Consumer({"bootstrap.servers": bootstrap, "group.id": group, "group.protocol": protocol, "enable.auto.commit": False,
                     "auto.offset.reset": "earliest", **own})


def poll(c):
    """One record, or None."""
    m = c.poll(30)
    if m is None:
        raise AssertionError("nothing came for 30 s")
    if m.error():
        raise AssertionError(m.error())
    return m


def fields(m):
    return m.key(), m.value(), m.timestamp()[1], m.partition(), m.headers()


def member(bootstrap, topic, group, protocol="classic"):
    c = consumer(bootstrap, group, protocol)
    c.subscribe([topic])
    while True:
        m = c.poll(1)
        if m is None:
            continue
        if m.error():
            print("error", m.error(), flush=True)
            continue
        print("got", m.value().decode(), flush=True)
        try:
            c.commit(m, asynchronous=False)
        except Exception as e:  # a rebalance takes the partition away: whoever gets it reads on from the last commit
            print("commit", e, flush=True)


def read_some(bootstrap, topic, group, count):
    """Reads count records as a member of a group, commits what was read, and leaves."""
    c, got = consumer(bootstrap, group), []
    c.subscribe([topic])
    while len(got) < count:
        got.append(fields(poll(c)))
    c.commit(asynchronous=False)
    c.close()
    return got


def resume(bootstrap, topic, group):
    first = read_some(bootstrap, topic, group, TOTAL // 3)
    check(first + read_some(bootstrap, topic, group, TOTAL - len(first)), CODECS)


def seek(bootstrap, topic, group):
    c, got = consumer(bootstrap, group), []
    at = c.offsets_for_times([TopicPartition(topic, p, FIRST_TIME + TOTAL // 2 * 1000) for p in range(PARTITIONS)], 30)
    c.assign(at)
    while len(got) < TOTAL - TOTAL // 2:
        got.append(fields(poll(c)))
    check(got, CODECS, TOTAL // 2)
    c.close()


def delete(bootstrap, topic):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.delete_topics([topic])[topic].result(30)
    gone(lambda: topic in admin.list_topics(timeout=30).topics)


def main(verb, bootstrap, topic, *group):
    if verb == "write":
        print("version", f"{__version__} (librdkafka {libversion()[0]})")
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
