"""Clients of librdkafka that do what crowd_test.go's do: python queues.py BOOTSTRAP LOG-ADDRESS NAME BASE WRITTEN ALL

WRITTEN and ALL are topics with commas between them. Everything that the clients do and are told goes to LOG-ADDRESS, one JSON
object a line, with times of CLOCK_MONOTONIC. Words on standard input: "stop" ends the senders, "end" the others.
"""
import json
import os
import random
import socket
import sys
import threading
import time
from itertools import count

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

BOOTSTRAP, LOG, NAME, BASE, WRITTEN, ALL = sys.argv[1:]
WRITTEN, ALL, PARTITIONS = WRITTEN.split(","), ALL.split(","), 2
PATIENCE = 60
OFFSETS_PATIENCE = 15
CLIENT = {"bootstrap.servers": BOOTSTRAP, "reconnect.backoff.max.ms": 500, "socket.timeout.ms": 10000, "topic.metadata.refresh.interval.ms": 5000, "log_level": 2, "error_cb": lambda e: None}
PRODUCER = CLIENT | {"linger.ms": 1, "request.timeout.ms": 5000, "retry.backoff.max.ms": 500, "enable.idempotence": True, "message.timeout.ms": 120000}
CONSUMER = CLIENT | {"enable.auto.commit": False, "fetch.wait.max.ms": 500}

values, processes = count(int(BASE)), count(1)
stopping, ending = threading.Event(), threading.Event()
log_lock, log = threading.Lock(), socket.create_connection(LOG.rsplit(":", 1)).makefile("w")


def put(**line):
    with log_lock:
        log.write(json.dumps(line) + "\n")
        log.flush()


def begun(who, process, **more):
    return {"who": who, "process": process, "start": time.monotonic_ns(), "steps": [], "outcome": "unknown"} | more


def intends(op):
    """Says what op is if nothing more comes, since this program may be killed: before it sends anything, and before it asks for a commit."""
    put(**op, begun=True)


def done(op):
    put(**op, end=time.monotonic_ns())


def sent(topic, partition, source=0):
    """A step of a record that nobody has sent: topic, partition, offset, value, source, sent."""
    return [topic, partition, -1, next(values), source, True]


def written():
    return sent(random.choice(WRITTEN), random.randrange(PARTITIONS))


def read(m):
    return [m.topic(), m.partition(), m.offset(), int(m.value()), 0, False]


def produce(producer, step, also=None):
    def delivered(error, message):
        if error is None and message.offset() is not None:  # what a later answer has acknowledged too has none
            step[2] = message.offset()
        if also:
            also(error)

    while True:
        try:
            return producer.produce(step[0], str(step[3]), partition=step[1], on_delivery=delivered)
        except BufferError:
            producer.poll(0.1)


def sender(who):
    """Sends one record an operation, with its own outcome. There is no plain one: without idempotence librdkafka sends again what timed out,
    also with message.send.max.retries=0, and has it twice."""
    producer, process = Producer(PRODUCER), next(processes)
    while not stopping.wait(random.random() * 0.03):
        op = begun(who, process)
        op["steps"].append(written())
        intends(op)

        def delivered(error, op=op):
            op["outcome"] = "unknown" if error else "done"
            done(op)

        produce(producer, op["steps"][0], delivered)
        producer.poll(0)
    if producer.flush(2 * PATIENCE):
        put(alarm=f"{who} still waits for answers")


def end(producer, op, commit):
    """Says how a transaction is to end, until there is an answer."""
    if commit:
        op["ending"] = time.monotonic_ns()
        intends(op)
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            (producer.commit_transaction if commit else producer.abort_transaction)(10)
            op["outcome"] = "done" if commit else "failed"
            return
        except KafkaException as e:
            if not e.args[0].retriable() or time.monotonic() > deadline:
                raise


def transactional_life(who, process):
    producer = Producer(PRODUCER | {"transactional.id": f"{NAME}-{who}", "transaction.timeout.ms": 10000, "message.timeout.ms": 10000})
    initialise(producer)
    while not stopping.wait(random.random() * 0.1):
        op = begun(who, process, transaction=True, outcome="failed")
        try:
            producer.begin_transaction()
            op["steps"], failed = [written() for _ in range(random.randint(1, 6))], []
            intends(op)
            for step in op["steps"]:
                produce(producer, step, lambda error, failed=failed: error and failed.append(error))
            failed += ["no answer"] * producer.flush(PATIENCE)
            if random.randrange(30) == 0:
                return  # it dies with its transaction open
            commit = random.randrange(100) < 80 and not failed
            op["outcome"] = "unknown" if commit else "failed"
            end(producer, op, commit)
        finally:
            done(op)


def initialise(producer):
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return producer.init_transactions(10)
        except KafkaException as e:
            if not e.args[0].retriable() or time.monotonic() > deadline:
                raise


def lives(life, who, until):
    while not until.is_set():
        try:
            life(who, next(processes))
        except KafkaException as e:
            put(note=f"{who}: {e}")
            until.wait(0.2)


def reader(who, uncommitted):
    process = next(processes)
    consumer = Consumer(CONSUMER | {"group.id": f"{NAME}-{who}", "auto.offset.reset": "error", "isolation.level": "read_uncommitted" if uncommitted else "read_committed"})
    consumer.assign([TopicPartition(t, p, 0) for t in ALL for p in range(PARTITIONS)])
    put(**begun(who, process, kind="assign", keys=[[t, p] for t in ALL for p in range(PARTITIONS)], outcome="done"))
    while not ending.is_set():
        op = begun(who, process, polled=True, uncommitted=uncommitted, outcome="done")
        messages = consumer.consume(500, 0.5)
        for m in messages:
            if m.error() and m.error().code() == KafkaError._AUTO_OFFSET_RESET:
                put(alarm=f"{who}: {m.error()}")
        op["steps"] = [read(m) for m in messages if not m.error()]
        done(op)
    consumer.close()


def gather(consumer, moved):
    """What is there to read, of one generation of the group: after a rebalance all comes again from what is committed."""
    got = []
    while not ending.is_set() and len(got) < 300:
        moved.clear()
        m = consumer.poll(0 if got else 0.5)
        if moved.is_set():
            got = []
        if m is None and got:
            break
        if m is not None and not m.error():
            got.append(m)
    return got


def in_time(call):
    """send_offsets_to_transaction may wait for ever when brokers have gone and come (librdkafka's issues 5456 and 5511): its producer is given up then."""
    failed = []

    def run():
        try:
            call()
        except KafkaException as e:
            failed.append(e)

    t = threading.Thread(target=run, daemon=True)
    t.start()
    t.join(OFFSETS_PATIENCE)
    if t.is_alive():
        failed.append(KafkaException(KafkaError(KafkaError._TIMED_OUT, "send_offsets_to_transaction does not come back")))
    if failed:
        raise failed[0]


def transformer_life(who, process):
    owned, moved = set(), threading.Event()

    def change(partitions, gained):
        moved.set()
        op = begun(who, process, kind="rebalance", outcome="done")
        for p in partitions:
            (owned.add if gained else owned.discard)((p.topic, p.partition))
        done(op | {"keys": [list(k) for k in owned]})

    producer = Producer(PRODUCER | {"transactional.id": f"{NAME}-{who}", "transaction.timeout.ms": 10000, "message.timeout.ms": 10000})
    initialise(producer)
    consumer = Consumer(CONSUMER | {"group.id": f"{NAME}-transformers", "auto.offset.reset": "earliest", "isolation.level": "read_committed", "session.timeout.ms": 6000, "heartbeat.interval.ms": 1000})
    consumer.subscribe([f"{NAME}-inputs"], on_assign=lambda _, p: change(p, True), on_revoke=lambda _, p: change(p, False), on_lost=lambda _, p: change(p, False))
    try:
        while not ending.is_set():
            start = time.monotonic_ns()
            if messages := gather(consumer, moved):
                transform(who, process, start, producer, consumer, messages)
    finally:
        consumer.close()


def transform(who, process, start, producer, consumer, messages):
    op = begun(who, process, transaction=True, polled=True, outcome="failed") | {"start": start, "steps": [read(m) for m in messages]}
    try:
        group = consumer.consumer_group_metadata()
        producer.begin_transaction()
        made = [sent(f"{NAME}-results", m.partition(), int(m.value())) for m in messages]
        op["steps"] += made
        intends(op)
        failed = []
        for step in made:
            produce(producer, step, lambda error: error and failed.append(error))
        if producer.flush(PATIENCE) or failed:
            raise KafkaException(KafkaError(KafkaError._FAIL, "results were not taken"))
        offsets = {(m.topic(), m.partition()): m.offset() + 1 for m in messages}
        offsets = [TopicPartition(t, p, o) for (t, p), o in offsets.items()]
        in_time(lambda: producer.send_offsets_to_transaction(offsets, group, OFFSETS_PATIENCE))
        op["outcome"] = "unknown"
        end(producer, op, True)
    finally:
        done(op)


def main():
    def start(*clients):
        threads = [threading.Thread(target=f, args=args) for f, *args in clients]
        for t in threads:
            t.start()
        return threads

    senders = start(
        (sender, "idempotent 0"), (sender, "idempotent 1"),
        (lives, transactional_life, "transactional 0", stopping))
    others = start(
        (reader, "reader 0", False), (reader, "reader 1", True),
        (lives, transformer_life, "transformer 0", ending), (lives, transformer_life, "transformer 1", ending))
    for word, event, threads in (("stop", stopping, senders), ("end", ending, others)):
        if sys.stdin.readline().strip() != word:
            break
        event.set()
        for t in threads:
            t.join()
        put(over=word)
    os._exit(0)  # past producers that do not come back


main()
