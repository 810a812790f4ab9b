"""Who a client is, how it proves it, and which roles and tenant that gives; and how Kordon logs in to the brokers."""
