"""Produces one record and reads it back; settings are NAME=VALUE arguments. The token of OAUTHBEARER is read from a file."""
import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer

settings = dict(a.split("=", 1) for a in sys.argv[2:])
topic = sys.argv[1]
token_file = settings.pop("token", None)
if token_file:
    settings["oauth_cb"] = lambda _: (open(token_file).read().strip(), time.time() + 600)

failed = []
settings["error_cb"] = lambda e: failed.append(str(e))
producer = Producer({**settings, "message.timeout.ms": 20000})
producer.produce(topic, b"from python", on_delivery=lambda e, m: failed.append(str(e)) if e else print("written=1", flush=True))
end = time.time() + 25
while len(producer) and time.time() < end and not any("uthenticat" in f for f in failed):
    producer.poll(0.2)
if len(producer):
    print("refused=" + " ".join(failed), flush=True)
    sys.exit(3)
consumer = Consumer({**settings, "group.id": "python-" + topic, "auto.offset.reset": "earliest"})
consumer.subscribe([topic])
try:
    while time.time() < end + 30:
        m = consumer.poll(1)
        if m is not None and not m.error():
            print("read=" + m.value().decode(), flush=True)
            break
except KafkaException as e:
    print("refused=" + str(e), flush=True)
    sys.exit(3)
consumer.close()
