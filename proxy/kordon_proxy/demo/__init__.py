"""A real Apache Kafka on this machine, for the demonstration, the tests and the benchmarks."""
