"""Kordon's own picture of each cluster: topics, ids, brokers, versions, and what groups consume from."""
