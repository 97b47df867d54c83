import java.io.*;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.serialization.*;

/** The same as steady.py with Java's clients: java Steady.java BOOTSTRAP LOG-ADDRESS TOPIC PARTITIONS PROTOCOL. */
public class Steady {
    static final long EVERY = 4_000_000;
    static final int WORKERS = 2, MEMBERS = 2, PATIENCE = 60_000;
    static String bootstrap, topic, protocol;
    static int partitions;
    static Writer log;
    static volatile boolean stopping, ending;

    static synchronized void put(Object... words) {
        StringJoiner line = new StringJoiner(" ");
        for (Object w : words) line.add(String.valueOf(w));
        try {
            log.write(line + "\n");
            log.flush();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static long now() {
        java.time.Instant i = java.time.Instant.now();
        return i.getEpochSecond() * 1_000_000_000L + i.getNano();
    }

    static void write(int worker) {
        Map<String, Object> settings = Map.of("bootstrap.servers", bootstrap);
        try (Producer<String, String> producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            long due = System.nanoTime();
            for (int number = 0; !stopping; number++) {
                due += EVERY;
                long wait = due - System.nanoTime();
                if (wait > 0) Thread.sleep(wait / 1_000_000, (int) (wait % 1_000_000));
                long began = now();
                String value = worker + "/" + number + "/" + began;
                put("sent", value);
                producer.send(new ProducerRecord<>(topic, number % partitions, null, value), (to, error) -> {
                    if (error != null) put("failed", "produce:", error);
                    else put("acked", now() - began);
                });
            }
            producer.flush();
        } catch (Exception e) {
            put("failed", "producer:", e);
        }
    }

    static void read(int member) {
        Map<String, Object> settings = Map.of("bootstrap.servers", bootstrap, "group.id", "rolling", "group.protocol", protocol, "auto.offset.reset", "earliest");
        try (Consumer<String, String> consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of(topic));
            while (!ending) {
                for (ConsumerRecord<String, String> r : consumer.poll(Duration.ofMillis(100))) {
                    put("got", now() - Long.parseLong(r.value().split("/")[2]), member, r.value());
                }
            }
        } catch (Exception e) {
            put("failed", "consume:", e);
        }
    }

    public static void main(String[] args) throws Exception {
        bootstrap = args[0];
        topic = args[2];
        partitions = Integer.parseInt(args[3]);
        protocol = args[4];
        int colon = args[1].lastIndexOf(':');
        Socket to = new Socket(args[1].substring(0, colon), Integer.parseInt(args[1].substring(colon + 1)));
        log = new OutputStreamWriter(to.getOutputStream(), StandardCharsets.UTF_8);
        List<Thread> writers = new ArrayList<>(), readers = new ArrayList<>();
        for (int w = 0; w < WORKERS; w++) {
            int worker = w;
            writers.add(new Thread(() -> write(worker)));
        }
        for (int m = 0; m < MEMBERS; m++) {
            int member = m;
            readers.add(new Thread(() -> read(member)));
        }
        for (Thread t : writers) t.start();
        for (Thread t : readers) t.start();
        BufferedReader words = new BufferedReader(new InputStreamReader(System.in));
        for (String word; (word = words.readLine()) != null && !word.equals("end"); ) {
            if (word.equals("stop")) {
                stopping = true;
                for (Thread t : writers) t.join(PATIENCE);
                put("flushed");
            }
        }
        ending = true;
        for (Thread t : readers) t.join(PATIENCE);
        to.close();
    }
}
