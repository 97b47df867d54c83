import java.io.*;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.serialization.*;

/**
 * The same as queues.py with Java's clients: java Queues.java BOOTSTRAP LOG-ADDRESS NAME BASE WRITTEN ALL. Its transformers are
 * members of a group of KIP-848.
 */
public class Queues {
    static final int PARTITIONS = 2;
    static final long PATIENCE = 60_000;
    static String bootstrap, name;
    static List<String> writtenTopics, allTopics;
    static AtomicLong values;
    static final AtomicInteger processes = new AtomicInteger();
    static final CountDownLatch stopping = new CountDownLatch(1), ending = new CountDownLatch(1);
    static Writer log;

    /** One record of an operation. The values are the JSON array of queues.py. */
    static class Step {
        final String topic;
        final int partition;
        volatile long offset = -1;
        final long value, source;
        final boolean sent;

        Step(String topic, int partition, long value, long source, boolean sent) {
            this.topic = topic;
            this.partition = partition;
            this.value = value;
            this.source = source;
            this.sent = sent;
        }

        ProducerRecord<String, String> record() { return new ProducerRecord<>(topic, partition, null, Long.toString(value)); }

        public String toString() { return "[\"" + topic + "\"," + partition + "," + offset + "," + value + "," + source + "," + sent + "]"; }
    }

    /** What a client did and was told. */
    static class Op {
        final String who;
        final int process;
        long start = System.nanoTime(), ending;
        String kind = "", outcome = "unknown";
        boolean transaction, uncommitted, polled;
        List<Step> steps = new ArrayList<>();
        Collection<TopicPartition> keys = List.of();

        Op(String who, int process) { this.who = who; this.process = process; }

        /** Says what this is if nothing more comes, since the program may be killed: before it sends anything, and before it asks for a commit. */
        void intended() { put(line() + ",\"begun\":true}"); }

        void done() { put(line() + ",\"end\":" + System.nanoTime() + "}"); }

        String line() {
            StringJoiner k = new StringJoiner(",", "[", "]");
            for (TopicPartition p : keys) k.add("[\"" + p.topic() + "\"," + p.partition() + "]");
            return "{\"who\":\"" + who + "\",\"process\":" + process + ",\"kind\":\"" + kind + "\",\"outcome\":\"" + outcome + "\",\"start\":" + start + ",\"ending\":" + ending
                + ",\"transaction\":" + transaction + ",\"uncommitted\":" + uncommitted + ",\"polled\":" + polled + ",\"steps\":" + steps + ",\"keys\":" + k;
        }
    }

    static synchronized void put(String line) {
        try {
            log.write(line + "\n");
            log.flush();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static void say(String kind, String text) { put("{\"" + kind + "\":\"" + text.replaceAll("[\\\\\"\\p{Cntrl}]", "'") + "\"}"); }

    static Step written() {
        ThreadLocalRandom r = ThreadLocalRandom.current();
        return new Step(writtenTopics.get(r.nextInt(writtenTopics.size())), r.nextInt(PARTITIONS), values.getAndIncrement(), 0, true);
    }

    static boolean pause(int most) throws InterruptedException { return !stopping.await(ThreadLocalRandom.current().nextInt(most), TimeUnit.MILLISECONDS); }

    static Map<String, Object> client(Map<String, Object> more) {
        Map<String, Object> m = new HashMap<>(Map.of("bootstrap.servers", bootstrap, "request.timeout.ms", 5000, "reconnect.backoff.max.ms", 500, "retry.backoff.max.ms", 500, "metadata.max.age.ms", 5000));
        m.putAll(more);
        return m;
    }

    static KafkaProducer<String, String> producer(Map<String, Object> more) {
        Map<String, Object> m = client(Map.of("acks", "all", "linger.ms", 1, "max.block.ms", PATIENCE, "delivery.timeout.ms", 120_000));
        m.putAll(more);
        return new KafkaProducer<>(m, new StringSerializer(), new StringSerializer());
    }

    /** Dies with what it has open. */
    static KafkaProducer<String, String> transactions(String who) {
        KafkaProducer<String, String> p = producer(Map.of("transactional.id", name + "-" + who, "transaction.timeout.ms", 10_000, "delivery.timeout.ms", 10_000));
        p.initTransactions();
        return p;
    }

    static void send(KafkaProducer<String, String> p, Step step, Consumer<Exception> also) {
        p.send(step.record(), (meta, error) -> {
            if (error == null) step.offset = meta.offset();
            also.accept(error);
        });
    }

    interface Consumer<T> { void accept(T t); }

    static void sender(String who, Map<String, Object> config, boolean oneByOne) throws InterruptedException {
        int process = processes.incrementAndGet();
        KafkaProducer<String, String> p = producer(config);
        while (pause(30)) {
            Op op = new Op(who, process);
            op.steps.add(written());
            op.intended();
            send(p, op.steps.get(0), error -> {
                op.outcome = error == null ? "done" : "unknown";
                op.done();
            });
            if (oneByOne) p.flush();
        }
        p.close();
    }

    static void end(KafkaProducer<String, String> p, Op op, boolean commit) {
        if (commit) {
            op.ending = System.nanoTime();
            op.intended();
        }
        while (true) {
            try {
                if (commit) p.commitTransaction(); else p.abortTransaction();
                op.outcome = commit ? "done" : "failed";
                return;
            } catch (TimeoutException e) {
                if (System.nanoTime() - op.start > 3 * PATIENCE * 1_000_000) throw e;
            }
        }
    }

    static void transactional(String who, int process) throws InterruptedException {
        KafkaProducer<String, String> p = transactions(who);
        try {
            while (pause(100)) {
                Op op = new Op(who, process);
                op.transaction = true;
                op.outcome = "failed";
                try {
                    p.beginTransaction();
                    ThreadLocalRandom r = ThreadLocalRandom.current();
                    for (int n = 1 + r.nextInt(6); n > 0; n--) op.steps.add(written());
                    op.intended();
                    for (Step s : op.steps) send(p, s, e -> {});
                    p.flush();
                    if (r.nextInt(30) == 0) return; // it dies with its transaction open
                    boolean commit = r.nextInt(100) < 80 && op.steps.stream().allMatch(s -> s.offset >= 0);
                    op.outcome = commit ? "unknown" : "failed";
                    end(p, op, commit);
                } finally {
                    op.done();
                }
            }
        } finally {
            p.close(Duration.ZERO);
        }
    }

    interface Life { void run(String who, int process) throws InterruptedException; }

    static void lives(Life life, String who, CountDownLatch until) throws InterruptedException {
        while (until.getCount() > 0) {
            try {
                life.run(who, processes.incrementAndGet());
            } catch (KafkaException | IllegalStateException e) {
                say("note", who + ": " + e);
                until.await(200, TimeUnit.MILLISECONDS);
            }
        }
    }

    static KafkaConsumer<String, String> consumer(Map<String, Object> more) {
        Map<String, Object> m = client(more);
        m.put("enable.auto.commit", false);
        m.put("max.poll.records", 300);
        return new KafkaConsumer<>(m, new StringDeserializer(), new StringDeserializer());
    }

    static List<Step> read(ConsumerRecords<String, String> records) {
        List<Step> out = new ArrayList<>();
        for (ConsumerRecord<String, String> r : records) {
            Step s = new Step(r.topic(), r.partition(), Long.parseLong(r.value()), 0, false);
            s.offset = r.offset();
            out.add(s);
        }
        return out;
    }

    static void reader(String who, boolean uncommitted) {
        int process = processes.incrementAndGet();
        try (KafkaConsumer<String, String> c = consumer(Map.of("auto.offset.reset", "none", "isolation.level", uncommitted ? "read_uncommitted" : "read_committed"))) {
            List<TopicPartition> all = new ArrayList<>();
            for (String t : allTopics) for (int p = 0; p < PARTITIONS; p++) all.add(new TopicPartition(t, p));
            c.assign(all);
            for (TopicPartition p : all) c.seek(p, 0);
            Op first = new Op(who, process);
            first.kind = "assign";
            first.outcome = "done";
            first.keys = all;
            first.done();
            while (ending.getCount() > 0) {
                Op op = new Op(who, process);
                op.polled = true;
                op.uncommitted = uncommitted;
                op.outcome = "done";
                op.steps = read(c.poll(Duration.ofMillis(500)));
                op.done();
            }
        }
    }

    static void transformer(String who, int process) {
        Set<TopicPartition> owned = new HashSet<>();
        KafkaProducer<String, String> p = transactions(who);
        try (KafkaConsumer<String, String> c = consumer(Map.of("group.id", name + "-transformers", "group.protocol", "consumer", "auto.offset.reset", "earliest", "isolation.level", "read_committed"))) {
            c.subscribe(List.of(name + "-inputs"), new ConsumerRebalanceListener() {
                void changed() {
                    Op op = new Op(who, process);
                    op.kind = "rebalance";
                    op.outcome = "done";
                    op.keys = owned;
                    op.done();
                }

                public void onPartitionsAssigned(Collection<TopicPartition> parts) { owned.addAll(parts); changed(); }

                public void onPartitionsRevoked(Collection<TopicPartition> parts) { owned.removeAll(parts); changed(); }
            });
            while (ending.getCount() > 0) {
                Op op = new Op(who, process);
                ConsumerRecords<String, String> records = c.poll(Duration.ofMillis(500));
                if (!records.isEmpty()) transform(op, p, c, records);
            }
        } finally {
            p.close(Duration.ZERO);
        }
    }

    static void transform(Op op, KafkaProducer<String, String> p, KafkaConsumer<String, String> c, ConsumerRecords<String, String> records) {
        op.transaction = op.polled = true;
        op.outcome = "failed";
        op.steps = read(records);
        try {
            p.beginTransaction();
            List<Step> made = new ArrayList<>();
            Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
            for (Step s : op.steps) {
                made.add(new Step(name + "-results", s.partition, values.getAndIncrement(), s.value, true));
                offsets.put(new TopicPartition(s.topic, s.partition), new OffsetAndMetadata(s.offset + 1));
            }
            op.steps.addAll(made);
            op.intended();
            for (Step s : made) send(p, s, e -> {});
            p.sendOffsetsToTransaction(offsets, c.groupMetadata());
            p.flush();
            if (made.stream().anyMatch(s -> s.offset < 0)) throw new KafkaException("results were not taken");
            op.outcome = "unknown";
            end(p, op, true);
        } finally {
            op.done();
        }
    }

    interface Work { void run() throws Exception; }

    static Thread start(String who, Work work) {
        Thread t = new Thread(() -> {
            try {
                work.run();
            } catch (Exception e) {
                say("alarm", who + ": " + e);
            }
        });
        t.start();
        return t;
    }

    public static void main(String[] args) throws Exception {
        bootstrap = args[0];
        name = args[2];
        values = new AtomicLong(Long.parseLong(args[3]));
        writtenTopics = List.of(args[4].split(","));
        allTopics = List.of(args[5].split(","));
        int colon = args[1].lastIndexOf(':');
        log = new BufferedWriter(new OutputStreamWriter(new Socket(args[1].substring(0, colon), Integer.parseInt(args[1].substring(colon + 1))).getOutputStream(), StandardCharsets.UTF_8));
        Map<String, Object> plain = Map.of("enable.idempotence", false, "retries", 0, "delivery.timeout.ms", 10_000);
        List<Thread> senders = List.of(
            start("plain 0", () -> sender("plain 0", plain, true)),
            start("idempotent 0", () -> sender("idempotent 0", Map.of(), false)),
            start("transactional 0", () -> lives(Queues::transactional, "transactional 0", stopping)));
        List<Thread> others = List.of(
            start("reader 0", () -> reader("reader 0", false)), start("reader 1", () -> reader("reader 1", true)),
            start("transformer 0", () -> lives(Queues::transformer, "transformer 0", ending)),
            start("transformer 1", () -> lives(Queues::transformer, "transformer 1", ending)));
        BufferedReader words = new BufferedReader(new InputStreamReader(System.in));
        if ("stop".equals(words.readLine())) {
            stopping.countDown();
            for (Thread t : senders) t.join();
            say("over", "stop");
        }
        if ("end".equals(words.readLine())) {
            ending.countDown();
            for (Thread t : others) t.join();
            say("over", "end");
        }
        System.exit(0);
    }
}
