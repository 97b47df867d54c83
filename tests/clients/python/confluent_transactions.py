"""Transactions of confluent-kafka: see transactions.py."""
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

WAIT = 40


class TransactionalProducer:
    def __init__(self, bootstrap, name, timeout_ms):
        self.p = Producer({"bootstrap.servers": bootstrap, "transactional.id": name, "transaction.timeout.ms": timeout_ms,
                           "message.timeout.ms": timeout_ms})
        self.p.init_transactions(WAIT)

    def send(self, topic, values):
        errors = []
        self.p.begin_transaction()
        for partition, value in values:
            self.p.produce(topic, value, partition=partition, on_delivery=lambda error, _: error and errors.append(error))
        if self.p.flush(WAIT) or errors:
            raise AssertionError(errors or "not all were delivered")

    def offsets(self, source):
        c = source.c
        self.p.send_offsets_to_transaction(c.position(c.assignment()), c.consumer_group_metadata(), WAIT)

    def end(self, commit):
        self.p.commit_transaction(WAIT) if commit else self.p.abort_transaction(WAIT)

    def close(self):
        self.p.flush(WAIT)


class Source:
    def __init__(self, bootstrap, topic, group):
        self.c = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest",
                           "isolation.level": "read_committed", "session.timeout.ms": 6000, "heartbeat.interval.ms": 1000})
        self.c.subscribe([topic])

    def take(self, count):
        got = self.c.consume(1, WAIT)
        got += self.c.consume(count - 1, 1) if count > 1 else []
        if not got or got[0].error():
            raise AssertionError(got[0].error() if got else "nothing came for 40 s")
        return [(m.partition(), m.value().decode()) for m in got]

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
        if isinstance(error, KafkaException) and error.args[0].code() in (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH):
            return error.args[0].name()
