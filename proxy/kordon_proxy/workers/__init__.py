"""Several processes behind the same ports: a parent that starts them, and what it and they tell each other.

The parent serves no client. It holds the ports, so that no other Kordon takes them, starts a worker again that has
ended, and answers for all of them to Prometheus, probes and the admin API. A worker is a whole Kordon without a port of
its own for these; what workers have in common beyond that is in the store, as between replicas.
"""

from typing import Final

MOST: Final = 256
