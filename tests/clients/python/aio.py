"""aiokafka. Verbs and steps: ../doc.go."""
import asyncio
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition, __version__
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from aio_transactions import Client
from steps import FIRST_TIME, GONE_MAX, PARTITIONS, check, failed, records
from transactions import Transactions

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
TOTAL = sum(len(r) for r in records(CODECS).values())


async def step(name, work):
    try:
        await work
    except Exception as e:
        failed(name, e)
    print("ok", name, flush=True)


async def create(bootstrap, topic):
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    answer = await admin.create_topics([NewTopic(topic, PARTITIONS, 1, topic_configs={"retention.ms": "-1"})])
    await admin.close()
    if answer.topic_errors[0][1]:
        raise AssertionError(answer)


async def produce(bootstrap, topic, codec, batch):
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, compression_type=None if codec == "none" else codec, enable_idempotence=True) as p:
        sent = [await p.send(topic, r.value, r.key, r.partition, r.time, r.headers) for r in batch]
        await asyncio.gather(*sent)


def consumer(bootstrap, group, *topics):
    return AIOKafkaConsumer(*topics, bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest",
                            session_timeout_ms=6000, heartbeat_interval_ms=1000)


async def take(c, count):
    """The next records of a consumer."""
    got = []
    while len(got) < count:
        polled = await c.getmany(timeout_ms=30_000, max_records=count - len(got))
        if not polled:
            raise AssertionError(f"nothing came for 30 s after {len(got)} records")
        got += [(m.key, m.value, m.timestamp, m.partition, list(m.headers)) for ms in polled.values() for m in ms]
    return got


async def member(bootstrap, topic, group):
    async with consumer(bootstrap, group, topic) as c:
        while True:
            for ms in (await c.getmany(timeout_ms=1000)).values():
                for m in ms:
                    print("got", m.value.decode(), flush=True)
            try:
                await c.commit()
            except KafkaError as e:  # a rebalance takes the partition away: whoever gets it reads on from the last commit
                print("commit", e, flush=True)


async def read_some(bootstrap, topic, group, count):
    """Reads count records as a member of a group, commits what was read, and leaves."""
    async with consumer(bootstrap, group, topic) as c:
        got = await take(c, count)
        await c.commit()
    return got


async def consume(bootstrap, topic, group):
    check(await read_some(bootstrap, topic, group, TOTAL), CODECS)


async def resume(bootstrap, topic, group):
    first = await read_some(bootstrap, topic, group, TOTAL // 3)
    check(first + await read_some(bootstrap, topic, group, TOTAL - len(first)), CODECS)


async def seek(bootstrap, topic):
    async with consumer(bootstrap, None) as c:
        all_partitions = [TopicPartition(topic, p) for p in range(PARTITIONS)]
        c.assign(all_partitions)
        at = await c.offsets_for_times({tp: FIRST_TIME + TOTAL // 2 * 1000 for tp in all_partitions})
        for tp, found in at.items():
            c.seek(tp, found.offset)
        check(await take(c, TOTAL - TOTAL // 2), CODECS, TOTAL // 2)


async def delete(bootstrap, topic):
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    answer = await admin.delete_topics([topic])
    if answer.topic_error_codes[0][1]:
        raise AssertionError(answer)
    for _ in range(GONE_MAX):
        if topic not in await admin.list_topics():
            return await admin.close()
        await asyncio.sleep(0.1)
    raise AssertionError("the topic is still listed")


async def main(verb, bootstrap, topic, *group):
    if verb == "write":
        print("version", __version__)
        await step("create", create(bootstrap, topic))
        for codec, batch in records(CODECS).items():
            await step("produce " + codec, produce(bootstrap, topic, codec, batch))
    elif verb == "member":
        await member(bootstrap, topic, *group)
    else:
        await step("consume", consume(bootstrap, topic, group[0] + "-all"))
        await step("resume", resume(bootstrap, topic, *group))
        await step("seek", seek(bootstrap, topic))
        await step("delete", delete(bootstrap, topic))


if sys.argv[1] == "transact":
    Transactions(Client(sys.argv[2]), *sys.argv[3:]).run()
else:
    asyncio.run(main(*sys.argv[1:]))
