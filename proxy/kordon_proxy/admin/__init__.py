"""The admin HTTP API: what people do with a running Kordon, by the same rights as on the wire."""
