import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.common.utils.AppInfoParser;

/** Java's kafka-clients, of Kafka 3 and 4. Verbs and steps: ../doc.go. */
public class Client {
    static final String[] CODECS = {"none", "gzip", "snappy", "lz4", "zstd"};
    static final int PARTITIONS = 6, PER_CODEC = 200, TOTAL = CODECS.length * PER_CODEC;
    static final long FIRST_TIME = 1_700_000_000_000L;

    final String bootstrap, topic;

    Client(String bootstrap, String topic) {
        this.bootstrap = bootstrap;
        this.topic = topic;
    }

    public static void main(String[] args) throws Exception {
        Client c = new Client(args[1], args[2]);
        switch (args[0]) {
            case "write" -> {
                System.out.println("version " + AppInfoParser.getVersion());
                step("create", c::create);
                for (int i = 0; i < CODECS.length; i++) {
                    int codec = i;
                    step("produce " + CODECS[i], () -> c.produce(codec));
                }
            }
            case "transact" -> new Transactions(args[1], args[2], args[3]).run();
            case "member" -> c.member(args[3], args.length > 4 ? args[4] : "classic");
            case "read" -> {
                step("consume", () -> check(c.readSome(args[3] + "-all", TOTAL), 0));
                step("resume", () -> {
                    List<String> got = c.readSome(args[3], TOTAL / 3);
                    got.addAll(c.readSome(args[3], TOTAL - got.size()));
                    check(got, 0);
                });
                step("seek", c::seek);
                step("delete", c::delete);
            }
            default -> throw new IllegalArgumentException(args[0]);
        }
    }

    interface Work { void run() throws Exception; }

    /** Runs a step and tells how it ended. The first that fails ends the program. */
    static void step(String name, Work work) {
        try {
            work.run();
        } catch (Exception e) {
            e.printStackTrace();
            System.out.println(("FAIL " + name + ": " + e).replace('\n', ' '));
            System.exit(1);
        }
        System.out.println("ok " + name);
    }

    /** Record n as it is compared, all of it in a line. */
    static String describe(int partition, String key, String value, long time, String codec, String empty) {
        return value + " " + key + " " + partition + " " + time + " " + codec + " [" + empty + "]";
    }

    static void check(List<String> got, int first) {
        List<String> want = new ArrayList<>(IntStream.range(first, TOTAL).mapToObj(n ->
            describe(n % PARTITIONS, "key-" + n, "value-" + n, FIRST_TIME + n * 1000L, CODECS[n / PER_CODEC], "")).toList());
        Collections.sort(want);
        Collections.sort(got);
        for (int i = 0; i < Math.max(got.size(), want.size()); i++) {
            String g = i < got.size() ? got.get(i) : "nothing", w = i < want.size() ? want.get(i) : "nothing";
            if (!g.equals(w)) throw new IllegalStateException(got.size() + " records, want " + want.size() + "; got " + g + ", want " + w);
        }
    }

    Admin admin() {
        return Admin.create(Map.<String, Object>of("bootstrap.servers", bootstrap));
    }

    void create() throws Exception {
        try (Admin admin = admin()) {
            admin.createTopics(List.of(new NewTopic(topic, PARTITIONS, (short) 1).configs(Map.of("retention.ms", "-1")))).all().get();
        }
    }

    void produce(int codec) throws Exception {
        Map<String, Object> config = Map.of("bootstrap.servers", bootstrap, "compression.type", CODECS[codec],
            "key.serializer", StringSerializer.class, "value.serializer", StringSerializer.class);
        try (Producer<String, String> p = new KafkaProducer<>(config)) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int n = codec * PER_CODEC; n < (codec + 1) * PER_CODEC; n++) {
                var r = new ProducerRecord<>(topic, n % PARTITIONS, FIRST_TIME + n * 1000L, "key-" + n, "value-" + n);
                r.headers().add("codec", CODECS[codec].getBytes(StandardCharsets.UTF_8)).add("empty", new byte[0]);
                sent.add(p.send(r));
            }
            for (var f : sent) f.get();
        }
    }

    Consumer<String, String> consumer(String group, String protocol) {
        Map<String, Object> config = new HashMap<>(Map.of("bootstrap.servers", bootstrap, "group.id", group, "enable.auto.commit", false,
            "auto.offset.reset", "earliest", "key.deserializer", StringDeserializer.class, "value.deserializer", StringDeserializer.class));
        if (protocol.equals("classic")) {
            config.putAll(Map.of("session.timeout.ms", 6000, "heartbeat.interval.ms", 1000));
        } else {
            config.put("group.protocol", protocol);
        }
        return new KafkaConsumer<>(config);
    }

    /** The next records of a consumer, and the offsets after them. */
    static List<String> take(Consumer<String, String> c, int count, Map<TopicPartition, OffsetAndMetadata> next) {
        List<String> got = new ArrayList<>();
        long end = System.currentTimeMillis() + 30_000;
        while (got.size() < count) {
            for (ConsumerRecord<String, String> r : c.poll(Duration.ofMillis(500))) {
                if (got.size() == count) break;
                got.add(describe(r.partition(), r.key(), r.value(), r.timestamp(), header(r, "codec"), header(r, "empty")));
                next.put(new TopicPartition(r.topic(), r.partition()), new OffsetAndMetadata(r.offset() + 1));
            }
            if (System.currentTimeMillis() > end) throw new IllegalStateException(got.size() + " of " + count + " records in 30 s");
        }
        return got;
    }

    static String header(ConsumerRecord<?, ?> r, String name) {
        var h = r.headers().lastHeader(name);
        return h == null || h.value() == null ? "none" : new String(h.value(), StandardCharsets.UTF_8);
    }

    /** Reads count records as a member of a group, commits what was read, and leaves. */
    List<String> readSome(String group, int count) {
        try (var c = consumer(group, "classic")) {
            Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
            c.subscribe(List.of(topic));
            List<String> got = take(c, count, next);
            c.commitSync(next);
            return got;
        }
    }

    void seek() {
        try (var c = consumer("by-time", "classic")) {
            Map<TopicPartition, Long> times = new HashMap<>();
            for (int p = 0; p < PARTITIONS; p++) times.put(new TopicPartition(topic, p), FIRST_TIME + TOTAL / 2 * 1000L);
            c.assign(times.keySet());
            c.offsetsForTimes(times).forEach((tp, found) -> c.seek(tp, found.offset()));
            check(take(c, TOTAL - TOTAL / 2, new HashMap<>()), TOTAL / 2);
        }
    }

    void delete() throws Exception {
        try (Admin admin = admin()) {
            admin.deleteTopics(List.of(topic)).all().get();
            long end = System.currentTimeMillis() + 10_000; // brokers hear of it one after the other
            while (admin.listTopics().names().get().contains(topic)) {
                if (System.currentTimeMillis() > end) throw new IllegalStateException("the topic is still listed");
                Thread.sleep(100);
            }
        }
    }

    void member(String group, String protocol) {
        try (var c = consumer(group, protocol)) {
            c.subscribe(List.of(topic));
            while (true) {
                for (var r : c.poll(Duration.ofSeconds(1))) System.out.println("got " + r.value());
                try {
                    c.commitSync();
                } catch (KafkaException e) { // a rebalance took the partition away: whoever gets it reads on from the last commit
                    System.out.println("commit " + e);
                }
            }
        }
    }
}
