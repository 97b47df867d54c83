"""The same as Forgotten.java with librdkafka: python forgotten.py BOOTSTRAP TOPIC [NAME=VALUE]..."""
import sys

from confluent_kafka import KafkaException, Producer


def main():
    config = {
        "bootstrap.servers": sys.argv[1], "enable.idempotence": True, "delivery.timeout.ms": 20000, "request.timeout.ms": 10000,
        "batch.num.messages": 1, "linger.ms": 0, "error_cb": lambda e: print("# error:", e, "fatal" if e.fatal() else "", flush=True),
    }
    config.update(extra.split("=") for extra in sys.argv[3:])
    producer, n = Producer(config), 0
    for number, _ in enumerate(sys.stdin):
        outcomes = ["?"] * 10
        for i in range(10):
            def delivered(error, _message, i=i):
                outcomes[i] = error.name() if error else "ok"
            try:
                producer.produce(sys.argv[2], f"librdkafka-{n}", partition=0, on_delivery=delivered)
            except KafkaException as e:
                outcomes[i] = e.args[0].name()
            n += 1
        producer.flush(30)
        print(f"sent{number}=" + " ".join(outcomes), flush=True)


main()
