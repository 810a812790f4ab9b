import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.metrics.KafkaMetric;
import org.apache.kafka.common.metrics.MetricsReporter;
import org.apache.kafka.server.telemetry.ClientTelemetryContext;
import org.apache.kafka.server.telemetry.ClientTelemetryExporter;
import org.apache.kafka.server.telemetry.ClientTelemetryExporterProvider;
import org.apache.kafka.server.telemetry.ClientTelemetryPayload;

/** A broker's plugin that writes down what clients push: a line each, of client id, instance id and metrics in hex. */
public class TelemetryReporter implements MetricsReporter, ClientTelemetryExporterProvider {
    private Path file;

    @Override
    public void configure(Map<String, ?> settings) {
        file = Path.of((String) settings.get("telemetry.file"));
    }

    @Override
    public ClientTelemetryExporter clientTelemetryExporter() {
        return this::write;
    }

    private synchronized void write(ClientTelemetryContext context, ClientTelemetryPayload pushed) {
        ByteBuffer data = pushed.data().duplicate();
        byte[] metrics = new byte[data.remaining()];
        data.get(metrics);
        String instance = String.format(
            "%016x%016x",
            pushed.clientInstanceId().getMostSignificantBits(),
            pushed.clientInstanceId().getLeastSignificantBits());
        String client = context.authorizableRequestContext().clientId();
        String line = String.join(" ", client, instance, HexFormat.of().formatHex(metrics)) + "\n";
        try {
            Files.writeString(file, line, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    @Override
    public void init(List<KafkaMetric> metrics) {}

    @Override
    public void metricChange(KafkaMetric metric) {}

    @Override
    public void metricRemoval(KafkaMetric metric) {}

    @Override
    public void close() {}
}
