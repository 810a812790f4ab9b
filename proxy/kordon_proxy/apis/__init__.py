"""How each Kafka API is judged: one module a family."""
