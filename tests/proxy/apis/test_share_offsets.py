"""DescribeShareGroupOffsets, AlterShareGroupOffsets and DeleteShareGroupOffsets (KIP-932)."""

from typing import Any, Final

import pytest
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import request_type, response_type
from kordon_protocol.keys import ApiKey
from kordon_proxy.apis.share_offsets import APIS, judge_alter, judge_delete, judge_describe
from kordon_proxy.judging.entries import make, struct_type
from kordon_proxy.judging.may import May
from kordon_proxy.judging.table import Record
from kordon_proxy.judging.texts import constant_text
from kordon_proxy.judging.verdict import Answer, Forward
from tests.proxy.apis.exchanges import never, pass_through, row
from tests.proxy.apis.messages import a_request, a_response
from tests.proxy.apis.verdicts import answered, hides, refused
from tests.proxy.judging.worlds import a_picture, make_may, topic_id

POLICY: Final = """
policies:
- {{resource: [cluster, "*", group, "acme-*"], effect: Allow, actions: [GROUP_EDIT], role: devs}}
tenants:
- name: acme
  roles: [devs, guests]
  outside_view: {outside}
  resources:
  - include: [[cluster, "*", topic, "acme.*"], [cluster, "*", group, "acme-*"]]
"""
TOPICS: Final = ("acme.a", "acme.b", "globex.pay", "globex.read")
DESCRIBE: Final = ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS
ALTER: Final = ApiKey.ALTER_SHARE_GROUP_OFFSETS
DELETE: Final = ApiKey.DELETE_SHARE_GROUP_OFFSETS
NONE, UTP = ErrorCode.none, ErrorCode.unknown_topic_or_partition
TAF, GAF = ErrorCode.topic_authorization_failed, ErrorCode.group_authorization_failed

every_version = pytest.mark.parametrize("version", range(2))


def a_may(*, roles: tuple[str, ...] = ("devs",), outside: str = "not_found") -> May:
    """`globex.read` is seen because `acme-g` reads it."""
    picture = a_picture(TOPICS, inferred={"acme-g": {"globex.read"}})
    return make_may(POLICY.format(outside=outside), roles, picture=picture)


# ---- describe


def describe(version: int, *groups: tuple[str, tuple[str, ...] | None]) -> Any:
    """Groups with topics, of which None means all."""
    kind = struct_type(request_type(DESCRIBE, version), "groups")
    topic = struct_type(kind, "topics")
    entries = [
        make(
            kind,
            group_id=group,
            topics=None if topics is None else tuple(make(topic, topic_name=one, partitions=(0, 3)) for one in topics),
        )
        for group, topics in groups
    ]
    return a_request(DESCRIBE, version, groups=tuple(entries))


def broker(request: Any) -> Any:
    """A broker that has offsets of everything; its topics come in another order than they were asked for."""
    kind = struct_type(response_type(DESCRIBE, request.__version__), "groups")
    topic = struct_type(kind, "topics")
    part = struct_type(topic, "partitions")
    parts = tuple(make(part, partition_index=index, start_offset=7, error_message="at real-1") for index in (0, 3))
    groups = []
    for group in request.groups:
        names = TOPICS if group.topics is None else tuple(one.topic_name for one in group.topics)
        topics = tuple(make(topic, topic_name=name, topic_id=topic_id(name), partitions=parts) for name in names[::-1])
        groups.append(make(kind, group_id=group.group_id, topics=topics))
    return a_response(DESCRIBE, request.__version__, groups=tuple(groups))


def offsets(group: Any) -> dict[str, tuple[bool, int, int]]:
    """Topic -> whether its id is told, first offset, first error."""
    return {
        one.topic_name: (
            one.topic_id is not None,
            one.partitions[0].start_offset,
            int(one.partitions[0].error_code),
        )
        for one in group.topics
    }


@every_version
def test_offsets_of_the_tenants_topics_are_told(version: int) -> None:
    asking = describe(version, ("acme-g", ("acme.a", "globex.read")))
    passage = pass_through(row(APIS, DESCRIBE), asking, a_may(roles=("guests",)), broker)
    assert passage.heard == asking
    assert offsets(passage.got.groups[0]) == {"acme.a": (True, 7, 0), "globex.read": (True, 7, 0)}
    assert hides(passage.got, "real-1")


@every_version
@pytest.mark.parametrize(("outside", "code"), [("not_found", NONE), ("denied", TAF)])
def test_a_topic_outside_the_view_has_no_offset_and_the_broker_does_not_hear_of_it(
    version: int, outside: str, code: ErrorCode
) -> None:
    asking = describe(version, ("acme-g", ("globex.pay", "acme.a", "globex.none")))

    passage = pass_through(row(APIS, DESCRIBE), asking, a_may(outside=outside), broker)

    assert [one.topic_name for one in passage.heard.groups[0].topics] == ["acme.a"]
    assert offsets(passage.got.groups[0]) == {
        "acme.a": (True, 7, 0),
        "globex.pay": (False, -1, code),
        "globex.none": (False, -1, code),
    }


@every_version
def test_all_topics_are_all_topics_of_the_view(version: int) -> None:
    passage = pass_through(row(APIS, DESCRIBE), describe(version, ("acme-g", None)), a_may(), broker)
    assert set(offsets(passage.got.groups[0])) == {"acme.a", "acme.b", "globex.read"}


@every_version
def test_a_group_outside_the_view_is_one_that_does_not_exist(version: int) -> None:
    named = ("globex.pay", "acme.b", "acme.none", "acme.a")
    asking = describe(version, ("globex-g", named), ("acme-g", ("acme.a",)), ("globex-g", None))

    passage = pass_through(row(APIS, DESCRIBE), asking, a_may(), broker)

    assert [group.group_id for group in passage.heard.groups] == ["acme-g"]
    first, second, third = passage.got.groups
    assert [one.topic_name for one in first.topics] == ["acme.b", "acme.a", "globex.pay", "acme.none"]
    assert offsets(first) == {
        "acme.b": (True, -1, 0),
        "acme.a": (True, -1, 0),
        "globex.pay": (False, -1, 0),
        "acme.none": (False, -1, 0),
    }
    assert offsets(second) == {"acme.a": (True, 7, 0)}
    assert (third.group_id, third.topics, third.error_code) == ("globex-g", (), NONE)


@every_version
def test_a_group_outside_the_view_is_denied_where_the_tenant_wants_that(version: int) -> None:
    asking = describe(version, ("globex-g", ("acme.a",)))
    passage = pass_through(row(APIS, DESCRIBE), asking, a_may(outside="denied"), never)
    (group,) = passage.got.groups
    assert (group.group_id, group.error_code, group.topics) == ("globex-g", GAF, ())


@every_version
def test_an_error_of_a_group_is_passed_on_without_its_text(version: int) -> None:
    def failing(request: Any) -> Any:
        kind = struct_type(response_type(DESCRIBE, version), "groups")
        code = ErrorCode.not_coordinator
        return a_response(
            DESCRIBE, version, groups=(make(kind, group_id="acme-g", error_code=code, error_message="at real-1"),)
        )

    asking = describe(version, ("acme-g", ("acme.a", "globex.pay")))
    (group,) = pass_through(row(APIS, DESCRIBE), asking, a_may(), failing).got.groups
    assert (group.error_code, group.topics) == (ErrorCode.not_coordinator, ())
    assert group.error_message == constant_text(ErrorCode.not_coordinator)


def test_looking_is_not_written_down() -> None:
    assert row(APIS, DESCRIBE).record is Record.NOTHING
    assert isinstance(judge_describe(describe(1), a_may()), Forward)


# ---- alter and delete


def alter(*names: str, group: str = "acme-g") -> Any:
    kind = struct_type(request_type(ALTER, 0), "topics")
    part = struct_type(kind, "partitions")
    parts = tuple(make(part, partition_index=index, start_offset=5) for index in (0, 1))
    return a_request(
        ALTER, 0, group_id=group, topics=tuple(make(kind, topic_name=name, partitions=parts) for name in names)
    )


def delete(*names: str, group: str = "acme-g") -> Any:
    kind = struct_type(request_type(DELETE, 0), "topics")
    return a_request(DELETE, 0, group_id=group, topics=tuple(make(kind, topic_name=name) for name in names))


def done(request: Any) -> Any:
    """A broker that does what is asked."""
    key = request.__api_key__
    kind = struct_type(response_type(key, 0), "responses")
    parts = () if key == DELETE else (make(struct_type(kind, "partitions"), partition_index=0),)
    topics = (
        make(kind, topic_name=one.topic_name, topic_id=topic_id(one.topic_name), partitions=parts)
        for one in request.topics
    )
    return a_response(key, 0, responses=tuple(topics))


def codes(response: Any) -> dict[str, tuple[bool, int]]:
    """Topic -> whether its id is told, and its error."""
    return {
        one.topic_name: (
            one.topic_id is not None,
            int(one.partitions[0].error_code if hasattr(one, "partitions") else one.error_code),
        )
        for one in response.responses
    }


both = pytest.mark.parametrize(("key", "build"), [(ALTER, alter), (DELETE, delete)], ids=["alter", "delete"])


@both
def test_offsets_of_what_the_group_may_use_are_edited(key: ApiKey, build: Any) -> None:
    asking = build("acme.a", "globex.read")
    passage = pass_through(row(APIS, key), asking, a_may(), done)
    assert passage.heard == asking
    assert codes(passage.got) == {"acme.a": (True, 0), "globex.read": (True, 0)}


@both
@pytest.mark.parametrize(("outside", "code"), [("not_found", UTP), ("denied", TAF)])
def test_other_topics_are_refused_without_an_id(key: ApiKey, build: Any, outside: str, code: ErrorCode) -> None:
    asking = build("globex.pay", "acme.a", "globex.none")

    passage = pass_through(row(APIS, key), asking, a_may(outside=outside), done)

    assert [one.topic_name for one in passage.heard.topics] == ["acme.a"]
    assert codes(passage.got) == {"globex.pay": (False, code), "acme.a": (True, 0), "globex.none": (False, code)}
    assert list(codes(passage.got)) == ["globex.pay", "acme.a", "globex.none"]


@both
def test_a_topic_that_another_group_reads_is_not_this_groups(key: ApiKey, build: Any) -> None:
    may, asking = a_may(), build("globex.read", group="acme-h")
    passage = pass_through(row(APIS, key), asking, may, done)
    assert passage.heard.topics == ()
    assert codes(passage.got) == {"globex.read": (False, UTP)}
    assert refused(may) == [("hidden", "globex.read")]


@both
def test_the_errors_of_the_group_come_first(key: ApiKey, build: Any) -> None:
    def busy(request: Any) -> Any:
        return a_response(key, 0, error_code=ErrorCode.non_empty_group, error_message="Group acme-g at real-1")

    passage = pass_through(row(APIS, key), build("globex.pay"), a_may(), busy)

    assert passage.heard.topics == ()
    assert (passage.got.error_code, passage.got.responses) == (ErrorCode.non_empty_group, ())
    assert passage.got.error_message == constant_text(ErrorCode.non_empty_group)


@pytest.mark.parametrize("judge", [judge_alter, judge_delete])
def test_editing_needs_the_right_to(judge: Any) -> None:
    build = alter if judge is judge_alter else delete
    response = answered(judge(build("acme.a"), a_may(roles=("guests",))))
    assert (response.error_code, response.responses) == (GAF, ())
    assert response.error_message is not None
    assert "GROUP_EDIT" in response.error_message


def test_altering_would_bring_a_group_into_being_and_deleting_would_not() -> None:
    assert answered(judge_alter(alter("acme.a", group="globex-g"), a_may())).error_code is GAF
    response = answered(judge_delete(delete("acme.a", group="globex-g"), a_may()))
    assert response.error_code is ErrorCode.group_id_not_found
    assert isinstance(judge_delete(delete(group="globex-g"), a_may(outside="denied")), Answer)


def test_editing_is_written_down() -> None:
    for key in (ALTER, DELETE):
        assert row(APIS, key).record is Record.EVENT
    told = row(APIS, ALTER).parameters
    assert told is not None
    assert told(alter("acme.a"), None) == {"group": "acme-g", "offsets": {"acme.a-0": 5, "acme.a-1": 5}}
    told = row(APIS, DELETE).parameters
    assert told is not None
    assert told(delete("acme.a"), None) == {"group": "acme-g", "topics": ["acme.a"]}
