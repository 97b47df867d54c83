import java.time.Duration;
import java.util.*;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.InvalidTxnStateException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.serialization.*;

/** The steps of transactions with Java's kafka-clients: java Transactions transact BOOTSTRAP TOPIC GROUP. See ../doc.go. */
public class Transactions {
    static final int PER_STEP = 60, INPUT = 120, PARTITIONS = 6;

    final String bootstrap, topic, group;
    final List<String> want = new ArrayList<>(); // what is committed

    Transactions(String bootstrap, String topic, String group) {
        this.bootstrap = bootstrap;
        this.topic = topic;
        this.group = group;
    }

    void run() {
        Client.step("commit", this::commit);
        Client.step("abort", this::abort);
        fails("fenced", this::fenced);
        fails("timeout", this::timeout);
        Client.step("offsets", this::offsets);
    }

    interface Zombie { KafkaProducer<String, String> make() throws Exception; }

    /** A step that ends with the error of a fenced producer. */
    static void fails(String name, Zombie zombie) {
        String said = "";
        try (var p = zombie.make()) {
            try {
                p.commitTransaction();
                throw new IllegalStateException("the producer was not fenced");
            } catch (ProducerFencedException | InvalidProducerEpochException | InvalidTxnStateException e) { // the last: Apache Kafka, after a time-out
                said = e.getClass().getSimpleName();
            }
        } catch (Exception e) {
            Client.step(name, () -> { throw e; });
        }
        System.out.println("ok " + name + ": " + said);
    }

    KafkaProducer<String, String> producer(String id, int timeoutMs) {
        var p = new KafkaProducer<String, String>(Map.of("bootstrap.servers", bootstrap, "transactional.id", id, "transaction.timeout.ms", timeoutMs,
            "key.serializer", StringSerializer.class, "value.serializer", StringSerializer.class));
        p.initTransactions();
        return p;
    }

    KafkaProducer<String, String> producer() {
        return producer(topic + "-id", 60_000);
    }

    /** Begins a transaction and waits until all its records are acknowledged. */
    void send(KafkaProducer<String, String> p, String prefix) throws Exception {
        p.beginTransaction();
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (int n = 0; n < PER_STEP; n++) sent.add(p.send(new ProducerRecord<>(topic, n % PARTITIONS, null, prefix + "-" + n)));
        for (var f : sent) f.get();
    }

    void write(KafkaProducer<String, String> p, String prefix) throws Exception {
        want.addAll(IntStream.range(0, PER_STEP).mapToObj(n -> prefix + "-" + n).toList());
        send(p, prefix);
        p.commitTransaction();
    }

    Consumer<String, String> consumer(String topic, String group) {
        var c = new KafkaConsumer<String, String>(Map.of("bootstrap.servers", bootstrap, "group.id", group, "enable.auto.commit", false, "isolation.level", "read_committed",
            "auto.offset.reset", "earliest", "max.poll.records", INPUT / 6, "key.deserializer", StringDeserializer.class, "value.deserializer", StringDeserializer.class));
        c.subscribe(List.of(topic));
        return c;
    }

    /** What was committed is read, and nothing else. */
    void visible() {
        List<String> got = new ArrayList<>();
        try (var c = consumer(topic, topic + "-" + UUID.randomUUID())) {
            long end = System.currentTimeMillis() + 40_000;
            while (got.size() < want.size()) {
                for (var r : c.poll(Duration.ofMillis(500))) got.add(r.value());
                if (System.currentTimeMillis() > end) throw new IllegalStateException(got.size() + " of " + want.size() + " records in 40 s");
            }
        }
        Collections.sort(got);
        Collections.sort(want);
        if (!got.equals(want)) {
            got.removeAll(want);
            throw new IllegalStateException("read what was not committed, or twice: " + got);
        }
    }

    void commit() throws Exception {
        try (var p = producer()) { write(p, "commit"); }
        visible();
    }

    void abort() throws Exception {
        try (var p = producer()) {
            send(p, "abort");
            p.abortTransaction();
            write(p, "after");
        }
        visible();
    }

    KafkaProducer<String, String> fenced() throws Exception {
        var first = producer();
        send(first, "zombie");
        try (var second = producer()) { write(second, "second"); }
        visible();
        return first;
    }

    /** What another commits cannot be read before the first has timed out. */
    KafkaProducer<String, String> timeout() throws Exception {
        var late = producer(topic + "-late", 2000);
        send(late, "late");
        try (var p = producer()) { write(p, "past"); }
        visible();
        return late;
    }

    /** The second transaction is aborted, and made anew from what is committed. */
    void offsets() throws Exception {
        var c = consumer(topic + "-in", group);
        try (var p = producer(group, 60_000)) {
            long end = System.currentTimeMillis() + 60_000;
            for (int done = 0, number = 0; done < INPUT;) {
                if (System.currentTimeMillis() > end) throw new IllegalStateException(done + " of " + INPUT + " records in 60 s");
                var records = c.poll(Duration.ofMillis(500));
                if (records.isEmpty()) continue;
                Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
                p.beginTransaction();
                for (var r : records) {
                    p.send(new ProducerRecord<>(topic, r.partition(), null, "out-" + r.value()));
                    next.put(new TopicPartition(r.topic(), r.partition()), new OffsetAndMetadata(r.offset() + 1));
                }
                p.sendOffsetsToTransaction(next, c.groupMetadata());
                if (number++ != 1) {
                    p.commitTransaction();
                    done += records.count();
                    continue;
                }
                p.abortTransaction();
                c.close();
                c = consumer(topic + "-in", group);
            }
        }
        c.close();
    }
}
