"""Two teams and an admin on one real cluster, behind one real Kordon."""

from collections.abc import Iterator
from typing import Final

import pytest

from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon

POLICY: Final = """\
admin_roles: [admin]
policies:
  - resources:
      - [cluster, prod, topic, "tx_*"]
    effect: Allow
    actions: [TOPIC_INSPECT, TOPIC_PRODUCE, TOPIC_CREATE, TOPIC_EDIT, TOPIC_DELETE, TOPIC_TRUNCATE]
    role: traders
  - resource: [cluster, prod, group, "trade_*"]
    effect: Allow
    actions: [GROUP_CONSUME, GROUP_EDIT, GROUP_DELETE]
    role: traders
  - resource: [cluster, prod, transactional-id, "trade_*"]
    effect: Allow
    actions: [TRANSACTION_PRODUCE]
    role: traders
  - resource: [cluster, prod, topic, tx_secret]
    effect: Deny
    actions: [TOPIC_INSPECT, TOPIC_PRODUCE]
    role: traders
  - resource: [cluster, prod, topic, "pay_*"]
    effect: Allow
    actions: [TOPIC_INSPECT, TOPIC_PRODUCE, TOPIC_CREATE]
    role: payers
  - resource: [cluster, prod, group, "pay_*"]
    effect: Allow
    actions: [GROUP_CONSUME]
    role: payers
  - resource: [cluster, prod]
    effect: Allow
    actions: [TOPIC_INSPECT, TOPIC_PRODUCE, TOPIC_CREATE, TOPIC_EDIT, TOPIC_DELETE, TOPIC_TRUNCATE, GROUP_CONSUME,
              GROUP_EDIT, GROUP_DELETE, TRANSACTION_PRODUCE, BROKER_EDIT]
    role: admin
tenants:
  - name: Trading
    resources:
      - include:
          - [cluster, prod, topic, "tx_*"]
          - [cluster, prod, group, "trade_*"]
          - [cluster, prod, transactional-id, "trade_*"]
    roles: [traders]
  - name: Payments
    resources:
      - include:
          - [cluster, prod, topic, "pay_*"]
          - [cluster, prod, group, "pay_*"]
          - [cluster, prod, transactional-id, "pay_*"]
    roles: [payers]
  - name: Everything
    resources:
      - include: ["*"]
    roles: [admin]
"""

LISTENERS: Final = {
    "trading": {"identity": {"principal": "tina", "roles": ["traders"]}},
    "payments": {"identity": {"principal": "paul", "roles": ["payers"]}},
    "admin": {"identity": {"principal": "ada", "roles": ["admin"]}},
}


@pytest.fixture(scope="session")
def kordon(kafka: Kafka) -> Iterator[Kordon]:
    """Kordon in front of the shared Kafka; listeners `trading`, `payments` and `admin`, each with an identity of its
    own."""
    with Kordon(clusters={"prod": kafka.bootstrap}, policy=POLICY, listeners=LISTENERS) as kordon:
        yield kordon
