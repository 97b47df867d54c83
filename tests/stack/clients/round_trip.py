"""What an application does with librdkafka: python round_trip.py BOOTSTRAP TOPIC. Prints NAME=VALUE."""
import sys

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ConfigSource, NewPartitions, NewTopic,
                                   OffsetSpec, ResourceType)

BOOTSTRAP, TOPIC = sys.argv[1:3]
CODECS, PER_CODEC, FIRST_TIME = ["none", "gzip", "snappy", "lz4", "zstd"], 500, 1_700_000_000_000


def say(name, value):
    print(f"{name}={value}", flush=True)


def outcome(futures):
    try:
        for f in futures.values():
            f.result(30)
        return "ok"
    except KafkaException as e:
        return e.args[0].name()


def produce():
    n, failed = 0, []
    for codec in CODECS:
        p = Producer({"bootstrap.servers": BOOTSTRAP, "enable.idempotence": True, "compression.type": codec, "linger.ms": 5})
        for _ in range(PER_CODEC):
            p.produce(TOPIC, key=f"key-{n % 50}", value=f"value-{n}", partition=n % 3, timestamp=FIRST_TIME + 1000 * n,
                      headers=[("codec", codec), ("empty", None)], on_delivery=lambda e, m: failed.append(e) if e else None)
            n += 1
        p.flush(60)
    say("produced", n - len(failed))


def consume():
    c = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "none", "enable.auto.commit": False, "check.crcs": True})
    c.assign([TopicPartition(TOPIC, p, OFFSET_BEGINNING) for p in range(3)])
    got, in_order, intact, last = 0, True, True, {}
    while got < len(CODECS) * PER_CODEC:
        m = c.poll(30)
        if m is None or m.error():
            say("consume_error", m and m.error())
            return
        n = int(m.value()[len("value-"):])
        in_order = in_order and n > last.get(m.partition(), -1)
        last[m.partition()] = n
        intact = (intact and m.key() == b"key-%d" % (n % 50) and m.timestamp()[1] == FIRST_TIME + 1000 * n
                  and m.headers() == [("codec", CODECS[n // PER_CODEC].encode()), ("empty", None)])
        got += 1
    say("consumed", got)
    say("in_order", in_order)
    say("intact", intact)
    say("watermarks", c.get_watermark_offsets(TopicPartition(TOPIC, 0), timeout=30))
    at = c.offsets_for_times([TopicPartition(TOPIC, 0, FIRST_TIME + 1000 * 300)], timeout=30)[0]
    say("by_time", at.offset)
    c.assign([at])
    say("seek_by_time", c.poll(30).value().decode())
    c.assign([TopicPartition(TOPIC, 0, OFFSET_END)])
    say("at_the_end", c.poll(1))
    c.close()


def configs(admin):
    resource = ConfigResource(ResourceType.TOPIC, TOPIC)
    found = admin.describe_configs([resource])[resource].result(30)
    say("config_set", found["retention.ms"].value)
    say("config_default", ConfigSource(found["cleanup.policy"].source).name)
    change = ConfigResource(ResourceType.TOPIC, TOPIC, incremental_configs=[
        ConfigEntry("retention.ms", "123456", incremental_operation=AlterConfigOpType.SET)])
    say("config_change", outcome(admin.incremental_alter_configs([change])))
    say("config_changed", admin.describe_configs([resource])[resource].result(30)["retention.ms"].value)
    wrong = ConfigResource(ResourceType.TOPIC, TOPIC, incremental_configs=[
        ConfigEntry("retention.ms", "soon", incremental_operation=AlterConfigOpType.SET)])
    say("config_invalid", outcome(admin.incremental_alter_configs([wrong])))


def main():
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    wanted = NewTopic(TOPIC, num_partitions=3, replication_factor=1, config={"retention.ms": "-1"})
    say("create", outcome(admin.create_topics([wanted])))
    say("create_again", outcome(admin.create_topics([wanted])))
    say("partitions", len(admin.list_topics(TOPIC, timeout=30).topics[TOPIC].partitions))
    produce()
    consume()
    configs(admin)
    p0 = TopicPartition(TOPIC, 0)
    say("delete_records", admin.delete_records([TopicPartition(TOPIC, 0, 100)])[p0].result(30).low_watermark)
    say("earliest", admin.list_offsets({p0: OffsetSpec.earliest()})[p0].result(30).offset)
    say("latest", admin.list_offsets({p0: OffsetSpec.latest()})[p0].result(30).offset)
    say("grow", outcome(admin.create_partitions([NewPartitions(TOPIC, 5)])))
    say("cluster_nodes", len(admin.describe_cluster().result(30).nodes))
    say("delete", outcome(admin.delete_topics([TOPIC])))
    say("delete_again", outcome(admin.delete_topics([TOPIC])))


main()
