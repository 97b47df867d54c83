import java.util.*;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * An idempotent producer that goes on after a pause in which the broker may have forgotten it:
 * java Forgotten.java BOOTSTRAP TOPIC [NAME=VALUE of its configuration]... Each line on
 * standard input lets it send ten records; it answers sent=OUTCOMES.
 */
public class Forgotten {
    public static void main(String[] args) throws Exception {
        Map<String, Object> config = new HashMap<>(Map.of("bootstrap.servers", args[0], "acks", "all", "enable.idempotence", true,
            "delivery.timeout.ms", 20000, "request.timeout.ms", 10000, "batch.size", 0,
            "key.serializer", StringSerializer.class, "value.serializer", StringSerializer.class));
        for (String extra : Arrays.asList(args).subList(2, args.length)) config.put(extra.split("=")[0], extra.split("=")[1]);
        Scanner words = new Scanner(System.in);
        try (Producer<String, String> p = new KafkaProducer<>(config)) {
            int n = 0;
            for (int round = 0; words.hasNextLine(); round++) {
                words.nextLine();
                List<Future<RecordMetadata>> sent = new ArrayList<>();
                for (int i = 0; i < 10; i++) sent.add(p.send(new ProducerRecord<>(args[1], 0, null, "java-" + n++)));
                StringJoiner outcomes = new StringJoiner(" ");
                for (Future<RecordMetadata> f : sent) {
                    try {
                        f.get();
                        outcomes.add("ok");
                    } catch (ExecutionException e) {
                        outcomes.add(e.getCause().getClass().getSimpleName());
                    }
                }
                System.out.println("sent" + round + "=" + outcomes);
            }
        }
    }
}
