"""What the three Python scripts share: the records that every client writes, and how a
step is told. See ../doc.go for the steps and their order."""
import sys
import time
import traceback

PER_CODEC = 200
FIRST_TIME = 1_700_000_000_000  # milliseconds; record n has FIRST_TIME + n seconds
PARTITIONS = 6


class Record:
    """Record n of the data, or one that was read."""

    def __init__(self, n, codec):
        self.n, self.codec = n, codec
        self.key, self.value = b"key-%d" % n, b"value-%d" % n
        self.time = FIRST_TIME + n * 1000
        self.partition = n % PARTITIONS
        self.headers = [("codec", codec.encode()), ("empty", b"")]


def records(codecs):
    """All records, a list for each codec."""
    return {c: [Record(i * PER_CODEC + j, c) for j in range(PER_CODEC)] for i, c in enumerate(codecs)}


def check(read, codecs, first=0):
    """read holds (key, value, time, partition, headers) of each record that was read: all
    from number first on, each once, as they were written."""
    got = sorted((int(v[6:]), k, t, p, h) for k, v, t, p, h in read)
    want = [(r.n, r.key, r.time, r.partition, r.headers) for c, rs in records(codecs).items() for r in rs if r.n >= first]
    if got != want:
        wrong = next((g, w) for g, w in zip(got + [None], want + [None]) if g != w)
        raise AssertionError(f"{len(got)} records, want {len(want)}; the first that differs: got {wrong[0]}, want {wrong[1]}")


GONE_MAX = 100  # looks, 0.1 s apart: brokers hear of a deletion one after the other


def gone(listed):
    """Waits until the topic is no longer listed."""
    for _ in range(GONE_MAX):
        if not listed():
            return
        time.sleep(0.1)
    raise AssertionError("the topic is still listed")


def failed(name, error):
    traceback.print_exc()
    print(f"FAIL {name}: {type(error).__name__}: {str(error) or repr(error)}".replace("\n", " "), flush=True)
    sys.exit(1)


def step(name, function, *args):
    """Runs a step and tells how it ended. The first that fails ends the script."""
    try:
        result = function(*args)
    except Exception as e:
        failed(name, e)
    print("ok", name, flush=True)
    return result
