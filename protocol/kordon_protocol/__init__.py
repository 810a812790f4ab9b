"""The Kafka wire protocol: bytes to values and back. No sockets, no tenants, no clock."""
