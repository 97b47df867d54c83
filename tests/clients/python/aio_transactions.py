"""Transactions of aiokafka: see transactions.py. Each call runs the loop until it is done."""
import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import InvalidProducerEpoch, ProducerFenced

WAIT_MS = 40_000


class TransactionalProducer:
    def __init__(self, run, bootstrap, name, timeout_ms):
        self.run = run

        async def start():
            p = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=name, transaction_timeout_ms=timeout_ms)
            await p.start()
            return p
        self.p = run(start())

    def send(self, topic, values):
        async def all_of_them():
            await self.p.begin_transaction()
            await asyncio.gather(*[await self.p.send(topic, value.encode(), partition=partition) for partition, value in values])
        self.run(all_of_them())

    def offsets(self, source):
        self.run(self.p.send_offsets_to_transaction(source.next, source.group))

    def end(self, commit):
        self.run(self.p.commit_transaction() if commit else self.p.abort_transaction())

    def close(self):
        self.run(self.p.stop())


class Source:
    def __init__(self, run, bootstrap, topic, group):
        self.run, self.group, self.next = run, group, {}

        async def start():
            c = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest",
                                 isolation_level="read_committed", session_timeout_ms=6000, heartbeat_interval_ms=1000)
            await c.start()
            return c
        self.c = run(start())

    def take(self, count):
        polled = self.run(self.c.getmany(timeout_ms=WAIT_MS, max_records=count))
        if not polled:
            raise AssertionError("nothing came for 40 s")
        self.next.update((tp, records[-1].offset + 1) for tp, records in polled.items())
        return [(tp.partition, m.value.decode()) for tp, records in polled.items() for m in records]

    def close(self):
        self.run(self.c.stop())


class Client:
    def __init__(self, bootstrap):
        self.bootstrap, self.run = bootstrap, asyncio.new_event_loop().run_until_complete

    def producer(self, name, timeout_ms):
        return TransactionalProducer(self.run, self.bootstrap, name, timeout_ms)

    def source(self, topic, group):
        return Source(self.run, self.bootstrap, topic, group)

    def fenced(self, error):
        return type(error).__name__ if isinstance(error, (ProducerFenced, InvalidProducerEpoch)) else None
