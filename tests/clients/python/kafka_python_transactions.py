"""Transactions of kafka-python: see transactions.py."""
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import InvalidProducerEpochError, ProducerFencedError
from kafka.structs import OffsetAndMetadata

WAIT_MS = 40_000


class TransactionalProducer:
    def __init__(self, bootstrap, name, timeout_ms):
        self.p = KafkaProducer(bootstrap_servers=bootstrap.split(","), transactional_id=name, transaction_timeout_ms=timeout_ms)
        self.p.init_transactions()

    def send(self, topic, values):
        self.p.begin_transaction()
        for sent in [self.p.send(topic, value.encode(), partition=partition) for partition, value in values]:
            sent.get(WAIT_MS / 1000)

    def offsets(self, source):
        self.p.send_offsets_to_transaction({tp: OffsetAndMetadata(n, "", -1) for tp, n in source.next.items()}, source.c.group_metadata())

    def end(self, commit):
        self.p.commit_transaction() if commit else self.p.abort_transaction()

    def close(self):
        self.p.close()


class Source:
    def __init__(self, bootstrap, topic, group):
        self.c, self.next = KafkaConsumer(topic, bootstrap_servers=bootstrap.split(","), group_id=group, enable_auto_commit=False, auto_offset_reset="earliest",
                                          isolation_level="read_committed", session_timeout_ms=6000, heartbeat_interval_ms=1000), {}

    def take(self, count):
        polled = self.c.poll(WAIT_MS, max_records=count)
        if not polled:
            raise AssertionError("nothing came for 40 s")
        self.next.update((TopicPartition(tp.topic, tp.partition), records[-1].offset + 1) for tp, records in polled.items())
        return [(tp.partition, m.value.decode()) for tp, records in polled.items() for m in records]

    def close(self):
        self.c.close()


class Client:
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def producer(self, name, timeout_ms):
        return TransactionalProducer(self.bootstrap, name, timeout_ms)

    def source(self, topic, group):
        return Source(self.bootstrap, topic, group)

    def fenced(self, error):
        return type(error).__name__ if isinstance(error, (ProducerFencedError, InvalidProducerEpochError)) else None
