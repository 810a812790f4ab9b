"""Look into a topic with Kordon's own credentials: what `kordon inspect` and the admin API show of records.

The process that serves clients only asks brokers and the schema registry. What tenants have written is unpacked,
decoded and filtered in a process of its own (`worker`), which has no secrets, opens nothing, and is ended when its time
or its memory is over.
"""
