import java.time.Duration;
import java.util.Properties;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.StringDeserializer;

/** Subscribes by a pattern that the coordinator evaluates (KIP-848), which no tool of Kafka's does, until it is ended.
 * It prints the topics that it is assigned whenever they change, each record, and the error that ends it. */
public class PatternConsumer {
    public static void main(String[] arguments) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", arguments[0]);
        settings.put("group.id", arguments[1]);
        settings.put("group.protocol", "consumer");
        settings.put("auto.offset.reset", "earliest");
        // With it, it commits before it lets a topic go, and repeats that for minutes while the topic's id is unknown.
        settings.put("enable.auto.commit", "false");
        KafkaConsumer<String, String> consumer =
            new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            consumer.wakeup();
            try {
                main.join();
            } catch (InterruptedException error) {
                Thread.currentThread().interrupt();
            }
        }));
        try (consumer) {
            consumer.subscribe(new SubscriptionPattern(arguments[2]));
            String before = "";
            while (true) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(100))) {
                    System.out.println("record " + record.topic() + " " + record.value());
                }
                String topics = consumer.assignment().stream().map(TopicPartition::topic)
                    .collect(Collectors.toCollection(TreeSet::new)).stream().collect(Collectors.joining(" "));
                if (!topics.equals(before)) {
                    System.out.println(("assigned " + topics).trim());
                    before = topics;
                }
            }
        } catch (WakeupException ended) {
            System.out.println("ended");
        } catch (RuntimeException error) {
            System.out.println("error " + error.getClass().getSimpleName() + " " + error.getMessage());
        }
    }
}
