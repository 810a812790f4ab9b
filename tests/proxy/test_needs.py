"""The actions that a row of the table says it needs are those that its judge asks for."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any, Final

import pytest

from kordon_policy.actions import Action
from kordon_policy.decision import Decision
from kordon_protocol.codec import request_frame
from kordon_protocol.frames import RequestCollector
from kordon_protocol.keys import ApiKey
from kordon_proxy import gate
from kordon_proxy.apis.configs import BROKER, GROUP
from kordon_proxy.judging.connection import Connection
from kordon_proxy.judging.may import May, Ruling, Standing
from tests.kafka import requests as ask
from tests.kafka import share_requests as share
from tests.proxy.apis.messages import asked
from tests.proxy.fields import ADMITTED
from tests.proxy.judging.worlds import a_picture, make_may
from tests.proxy.test_texts_and_addresses import OURS, POLICY, TOPICS, requests, things

DEAD_LETTERS: Final = "errors.deadletterqueue.topic.name"
OF_ANSWERS: Final = {
    ApiKey.DESCRIBE_LOG_DIRS: {Action.BROKER_EDIT},
    ApiKey.LIST_CONFIG_RESOURCES: {Action.BROKER_EDIT},
}
"""What is asked only of the brokers in an answer."""


def every_request(key: ApiKey, version: int) -> Iterator[Any]:
    """About what is there, about what could come into being, and about brokers."""
    new = things("new")
    for it in (OURS.own, new):
        yield from requests(key, version, it)
    match key:
        case ApiKey.DESCRIBE_CONFIGS:
            yield ask.describe_settings(version, (BROKER, "1"))
        case ApiKey.INCREMENTAL_ALTER_CONFIGS:
            yield ask.alter_settings(version, (BROKER, "1"), setting=("log.cleaner.threads", "2"))
            yield ask.alter_settings(version, (GROUP, OURS.own.group), setting=(DEAD_LETTERS, new.topic))
        case ApiKey.ALTER_CONFIGS:
            yield ask.replace_settings(version, (GROUP, OURS.own.group), setting=(DEAD_LETTERS, new.topic))
        case ApiKey.CREATE_TOPICS:
            placed = asked(key, version, "topics", "assignments", partition_index=0, broker_ids=(1,))
            yield ask.create_topics(version, new, num_partitions=-1, replication_factor=-1, assignments=(placed,))
        case ApiKey.CREATE_PARTITIONS:
            placed = asked(key, version, "topics", "assignments", broker_ids=(1,))
            grown = ask.grow_topics(version, OURS.own)
            yield replace(grown, topics=tuple(replace(topic, assignments=(placed,)) for topic in grown.topics))


def asked_for(request: Any, tenant: str) -> set[Action]:
    """The actions that a request is judged by."""
    connection = Connection()
    if request.__api_key__ == ApiKey.SHARE_ACKNOWLEDGE:
        # Records are acknowledged in a session that a fetch began.
        told = {"group_id": request.group_id, "member_id": request.member_id}
        judged(replace(share.fetch(request.__version__, OURS.own), **told), tenant, connection)
    may = judged(request, tenant, connection)
    return {note.action for note in may.notes if note.action is not None}


@cache
def everything(tenant: str) -> May:
    return make_may(POLICY, tenant=tenant, picture=a_picture(TOPICS))


def judged(request: Any, tenant: str, connection: Connection) -> May:
    allowed = everything(tenant)
    may = May(allowed.standing, allowed.picture, allowed.cluster, connection)
    (collected,) = RequestCollector(1 << 20, 1 << 20, least=0).feed(request_frame(request, 1, "test"))
    api, head = ADMITTED[request.__api_key__], collected.head()
    gate.judge(api, gate.open_request(api, head, collected), may)
    return may


@pytest.mark.parametrize("key", ADMITTED, ids=lambda key: ApiKey(key).name)
def test_a_row_names_the_actions_that_its_judge_asks_for(key: ApiKey, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted: set[Action] = set()
    looked: set[Action | None] = set()
    ruling, any_topic = Standing.ruling, May.any_topic

    def ruled(standing: Standing, action: Action | None, *what: Any, **how: Any) -> Ruling:
        looked.add(action)
        return ruling(standing, action, *what, **how)

    def decided(may: May, action: Action) -> Decision:
        looked.add(action)
        return any_topic(may, action)

    monkeypatch.setattr(Standing, "ruling", ruled)
    monkeypatch.setattr(May, "any_topic", decided)
    for tenant in ("Acme", "Everything"):
        for version in ADMITTED[key].versions:
            for request in every_request(key, version):
                wanted |= asked_for(request, tenant)

    needs = set(ADMITTED[key].needs or ())
    assert wanted <= needs
    assert needs <= wanted | looked | OF_ANSWERS.get(key, set())
