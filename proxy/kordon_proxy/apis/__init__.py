"""How each Kafka API is judged: one module a family, one table, closed by default."""
