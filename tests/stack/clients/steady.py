"""A load at a fixed rate with clients of librdkafka: python steady.py BOOTSTRAP LOG-ADDRESS TOPIC PARTITIONS PROTOCOL

Two idempotent producers, and two members of a group of PROTOCOL (classic or consumer). What they do goes to LOG-ADDRESS, a line for each:
"sent VALUE", "acked NANOSECONDS", "got NANOSECONDS MEMBER VALUE", "failed WHAT", "flushed". Values are WORKER/NUMBER/TIME. Words on standard input:
"stop" ends the producers, "end" the others.
"""
import socket
import sys
import threading
import time

from confluent_kafka import Consumer, Producer

BOOTSTRAP, LOG, TOPIC, PARTITIONS, PROTOCOL = sys.argv[1:]
EVERY, WORKERS, MEMBERS, PATIENCE = 0.004, 2, 2, 60
stopping, ending = threading.Event(), threading.Event()
log_lock, log = threading.Lock(), socket.create_connection(LOG.rsplit(":", 1)).makefile("w")


def put(*words):
    with log_lock:
        log.write(" ".join(str(w) for w in words) + "\n")
        log.flush()


def fatal(who):
    """Only fatal errors are errors: librdkafka also tells of connections that end, which it opens again."""
    return lambda e: put("failed", who, e) if e.fatal() else None


def write(worker):
    producer = Producer({"bootstrap.servers": BOOTSTRAP, "enable.idempotence": True, "error_cb": fatal("producer"), "log_level": 2})

    def answered(began):
        return lambda err, _: put("failed", "produce:", err) if err else put("acked", time.time_ns() - began)

    number, due = 0, time.monotonic()
    while not stopping.is_set():
        due += EVERY
        producer.poll(max(0, due - time.monotonic()))
        began = time.time_ns()
        value = f"{worker}/{number}/{began}"
        put("sent", value)
        producer.produce(TOPIC, value=value, partition=number % int(PARTITIONS), on_delivery=answered(began))
        number += 1
    if left := producer.flush(PATIENCE):
        put("failed", "flush:", left, "records are left")


def read(member):
    settings = {"bootstrap.servers": BOOTSTRAP, "group.id": "rolling", "group.protocol": PROTOCOL, "auto.offset.reset": "earliest", "error_cb": fatal("consumer"), "log_level": 2}
    consumer = Consumer(settings)
    consumer.subscribe([TOPIC])
    while not ending.is_set():
        m = consumer.poll(0.1)
        if m is None:
            continue
        if m.error():
            put("failed", "consume:", m.error())
            continue
        value = m.value().decode()
        put("got", time.time_ns() - int(value.split("/")[2]), member, value)
    consumer.close()


writers = [threading.Thread(target=write, args=(w,)) for w in range(WORKERS)]
readers = [threading.Thread(target=read, args=(m,)) for m in range(MEMBERS)]
for t in writers + readers:
    t.start()
for word in sys.stdin:
    if word.strip() == "stop":
        stopping.set()
        for t in writers:
            t.join()
        put("flushed")
    elif word.strip() == "end":
        break
ending.set()
for t in readers:
    t.join()
