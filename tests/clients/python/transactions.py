"""The steps of transactions, which the scripts share: see ../doc.go. A client gives:

producer(id, timeout_ms)  send(topic, values) begins a transaction and waits for all, end(commit), offsets(source), close()
source(topic, group)      a member of a group, read_committed: take(count) gives (partition, value) pairs, close()
fenced(error)             the name of the error of a fenced producer, or None
"""
import uuid

from steps import PARTITIONS, failed, step

PER_STEP, INPUT = 60, 120


def values(prefix):
    return [(n % PARTITIONS, f"{prefix}-{n}") for n in range(PER_STEP)]


class Transactions:
    def __init__(self, client, topic, group):
        self.client, self.topic, self.group, self.want = client, topic, group, []

    def run(self):
        step("commit", self.commit)
        step("abort", self.abort)
        self.fails("fenced", self.fenced)
        self.fails("timeout", self.timeout)
        step("offsets", self.transform)

    def fails(self, name, work):
        """A step that ends with the error of a fenced producer."""
        try:
            zombie = work()
            try:
                zombie.end(True)
            except Exception as e:
                said = self.client.fenced(e)
                if said is None:
                    raise
            else:
                raise AssertionError("the producer was not fenced")
        except Exception as e:
            failed(name, e)
        print(f"ok {name}: {said}", flush=True)

    def producer(self, name="id", timeout_ms=60_000):
        return self.client.producer(f"{self.topic}-{name}", timeout_ms)

    def write(self, p, prefix):
        self.want += [v for _, v in values(prefix)]
        p.send(self.topic, values(prefix))
        p.end(True)

    def visible(self):
        """What was committed is read, and nothing else."""
        source, got = self.client.source(self.topic, f"{self.topic}-{uuid.uuid4()}"), []
        while len(got) < len(self.want):
            got += [v for _, v in source.take(len(self.want) - len(got))]
        source.close()
        odd = set(got) - set(self.want)
        if odd or sorted(got) != sorted(self.want):
            raise AssertionError(f"read {len(got)} records, among them {sorted(odd)[:3]}")

    def commit(self):
        p = self.producer()
        self.write(p, "commit")
        p.close()
        self.visible()

    def abort(self):
        p = self.producer()
        p.send(self.topic, values("abort"))
        p.end(False)
        self.write(p, "after")
        p.close()
        self.visible()

    def fenced(self):
        first = self.producer()
        first.send(self.topic, values("zombie"))
        second = self.producer()
        self.write(second, "second")
        second.close()
        self.visible()
        return first

    def timeout(self):
        """What another commits cannot be read before the first has timed out."""
        late = self.producer("late", 2000)
        late.send(self.topic, values("late"))
        p = self.producer()
        self.write(p, "past")
        p.close()
        self.visible()
        return late

    def transform(self):
        """The second transaction is aborted, and made anew from what is committed."""
        p = self.client.producer(self.group, 60_000)
        source, done, number = self.client.source(self.topic + "-in", self.group), 0, 0
        while done < INPUT:
            got = source.take(min(INPUT - done, INPUT // 6))
            p.send(self.topic, [(n, "out-" + v) for n, v in got])
            p.offsets(source)
            p.end(number != 1)
            if number != 1:
                done += len(got)
            else:
                source.close()
                source = self.client.source(self.topic + "-in", self.group)
            number += 1
        source.close()
        p.close()
