import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.*;

/** What an application does with Java's clients: java RoundTrip.java BOOTSTRAP TOPIC. Prints NAME=VALUE. */
public class RoundTrip {
    static final long FIRST_TIME = 1_700_000_000_000L;
    static final String[] CODECS = {"none", "gzip", "snappy", "lz4", "zstd"};
    static final int PER_CODEC = 500;

    public static void main(String[] args) throws Exception {
        String bootstrap = args[0], topic = args[1];
        try (Admin admin = Admin.create(Map.<String, Object>of("bootstrap.servers", bootstrap))) {
            NewTopic wanted = new NewTopic(topic, 3, (short) 1).configs(Map.of("retention.ms", "-1", "max.message.bytes", "200000"));
            admin.createTopics(List.of(wanted)).all().get();
            say("create_again", cause(() -> admin.createTopics(List.of(wanted)).all().get()));
            say("validate_only", cause(() -> admin.createTopics(List.of(new NewTopic(topic + "-no", 1, (short) 1)), new CreateTopicsOptions().validateOnly(true)).all().get()));
            TopicDescription d = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
            say("partitions", d.partitions().size());
            say("leaders", d.partitions().stream().allMatch(p -> p.leader() != null && !p.leader().isEmpty()));
            say("cluster_nodes", admin.describeCluster().nodes().get().size());
            produce(bootstrap, topic);
            consume(bootstrap, topic);
            offsets(admin, topic);
            configs(admin, topic);
            deleteRecords(admin, bootstrap, topic);
            admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all().get();
            say("partitions_grown", admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size());
            say("too_large", tooLarge(bootstrap, topic));
            admin.deleteTopics(List.of(topic)).all().get();
            say("listed_after_delete", admin.listTopics().names().get().contains(topic));
            say("delete_again", cause(() -> admin.deleteTopics(List.of(topic)).all().get()));
        }
    }

    static Map<String, Object> producerConfig(String bootstrap, String codec) {
        return Map.of("bootstrap.servers", bootstrap, "acks", "all", "enable.idempotence", true, "linger.ms", 5,
            "compression.type", codec, "key.serializer", StringSerializer.class, "value.serializer", StringSerializer.class);
    }

    static void produce(String bootstrap, String topic) throws Exception {
        int n = 0;
        for (String codec : CODECS) {
            try (Producer<String, String> p = new KafkaProducer<>(producerConfig(bootstrap, codec))) {
                List<java.util.concurrent.Future<RecordMetadata>> sent = new ArrayList<>();
                for (int i = 0; i < PER_CODEC; i++, n++) {
                    ProducerRecord<String, String> r = new ProducerRecord<>(topic, n % 3, FIRST_TIME + n * 1000L, "key-" + n % 50, "value-" + n);
                    r.headers().add(new RecordHeader("codec", codec.getBytes(StandardCharsets.UTF_8))).add(new RecordHeader("empty", null));
                    sent.add(p.send(r));
                }
                for (var f : sent) {
                    if (f.get().offset() < 0) throw new IllegalStateException("no offset");
                }
            }
        }
        say("produced", n);
    }

    static KafkaConsumer<String, String> consumer(String bootstrap) {
        return new KafkaConsumer<>(Map.of("bootstrap.servers", bootstrap, "enable.auto.commit", false, "auto.offset.reset", "none", "check.crcs", true,
            "key.deserializer", StringDeserializer.class, "value.deserializer", StringDeserializer.class));
    }

    static void consume(String bootstrap, String topic) {
        int want = CODECS.length * PER_CODEC, got = 0;
        Map<Integer, Integer> last = new HashMap<>();
        boolean inOrder = true, intact = true;
        try (KafkaConsumer<String, String> c = consumer(bootstrap)) {
            List<TopicPartition> all = c.partitionsFor(topic).stream().map(p -> new TopicPartition(topic, p.partition())).toList();
            c.assign(all);
            c.seekToBeginning(all);
            long deadline = System.currentTimeMillis() + 60_000;
            while (got < want && System.currentTimeMillis() < deadline) {
                for (ConsumerRecord<String, String> r : c.poll(Duration.ofMillis(500))) {
                    int n = Integer.parseInt(r.value().substring("value-".length()));
                    inOrder &= n > last.getOrDefault(r.partition(), -1);
                    last.put(r.partition(), n);
                    intact &= r.key().equals("key-" + n % 50) && r.timestamp() == FIRST_TIME + n * 1000L
                        && new String(r.headers().lastHeader("codec").value(), StandardCharsets.UTF_8).equals(CODECS[n / PER_CODEC])
                        && r.headers().lastHeader("empty").value() == null;
                    got++;
                }
            }
            say("consumed", got);
            say("in_order", inOrder);
            say("intact", intact);
            TopicPartition p0 = new TopicPartition(topic, 0);
            var at = c.offsetsForTimes(Map.of(p0, FIRST_TIME + 1000L * 300)).get(p0);
            c.seek(p0, at.offset());
            c.assign(List.of(p0));
            c.seek(p0, at.offset());
            var found = c.poll(Duration.ofSeconds(10));
            say("seek_by_time", found.isEmpty() ? "nothing" : found.iterator().next().value());
        }
    }

    static long listed(Admin admin, TopicPartition tp, OffsetSpec spec) throws Exception {
        return admin.listOffsets(Map.of(tp, spec)).partitionResult(tp).get().offset();
    }

    static void offsets(Admin admin, String topic) throws Exception {
        TopicPartition p0 = new TopicPartition(topic, 0);
        say("earliest", listed(admin, p0, OffsetSpec.earliest()));
        say("latest", listed(admin, p0, OffsetSpec.latest()));
        say("by_time", listed(admin, p0, OffsetSpec.forTimestamp(FIRST_TIME + 1000L * 300)));
        say("after_the_end", listed(admin, p0, OffsetSpec.forTimestamp(FIRST_TIME + 1_000_000_000L)));
        say("max_timestamp", listed(admin, p0, OffsetSpec.maxTimestamp()));
    }

    static void configs(Admin admin, String topic) throws Exception {
        ConfigResource r = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        Config before = admin.describeConfigs(List.of(r)).all().get().get(r);
        say("config_set", before.get("max.message.bytes").value() + " default=" + before.get("max.message.bytes").isDefault());
        say("config_default", before.get("cleanup.policy").value() + " default=" + before.get("cleanup.policy").isDefault());
        admin.incrementalAlterConfigs(Map.of(r, List.of(
            new AlterConfigOp(new ConfigEntry("retention.ms", "123456"), AlterConfigOp.OpType.SET),
            new AlterConfigOp(new ConfigEntry("max.message.bytes", ""), AlterConfigOp.OpType.DELETE)))).all().get();
        Config after = admin.describeConfigs(List.of(r)).all().get().get(r);
        say("config_changed", after.get("retention.ms").value() + " " + after.get("max.message.bytes").isDefault());
        say("config_invalid", cause(() -> admin.incrementalAlterConfigs(Map.of(r, List.of(
            new AlterConfigOp(new ConfigEntry("retention.ms", "soon"), AlterConfigOp.OpType.SET)))).all().get()));
    }

    static void deleteRecords(Admin admin, String bootstrap, String topic) throws Exception {
        TopicPartition p0 = new TopicPartition(topic, 0);
        say("low_watermark", admin.deleteRecords(Map.of(p0, RecordsToDelete.beforeOffset(100))).lowWatermarks().get(p0).get().lowWatermark());
        say("earliest_after", listed(admin, p0, OffsetSpec.earliest()));
        say("delete_beyond", cause(() -> admin.deleteRecords(Map.of(p0, RecordsToDelete.beforeOffset(1 << 30))).all().get()));
        try (KafkaConsumer<String, String> c = consumer(bootstrap)) {
            c.assign(List.of(p0));
            c.seek(p0, 50);
            say("fetch_deleted", cause(() -> {
                for (int i = 0; i < 20; i++) c.poll(Duration.ofMillis(500));
                return null;
            }));
        }
    }

    static String tooLarge(String bootstrap, String topic) throws Exception {
        Map<String, Object> config = new HashMap<>(producerConfig(bootstrap, "none"));
        config.put("max.request.size", 4 << 20);
        try (Producer<String, String> p = new KafkaProducer<>(config)) {
            String refused = cause(() -> p.send(new ProducerRecord<>(topic, 1, null, "x".repeat(2 << 20))).get());
            p.send(new ProducerRecord<>(topic, 1, null, "small")).get(); // the producer goes on
            return refused;
        }
    }

    interface Call { Object run() throws Exception; }

    static String cause(Call call) {
        try {
            call.run();
            return "nothing";
        } catch (ExecutionException e) {
            return e.getCause().getClass().getSimpleName();
        } catch (Exception e) {
            return e.getClass().getSimpleName();
        }
    }

    static void say(String name, Object value) {
        System.out.println(name + "=" + value);
    }
}
