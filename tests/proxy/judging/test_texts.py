import pytest
from kio.schema.errors import ErrorCode

from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.descriptions import DESCRIPTIONS
from kordon_proxy.judging.may import Refusal
from kordon_proxy.judging.texts import constant_text, spoken, without_free_text
from tests.proxy.apis.messages import said


def created(text: str | None, code: ErrorCode = ErrorCode.invalid_topic_exception, name: str = "acme.x_y") -> object:
    return said(ApiKey.CREATE_TOPICS, 7, "topics", name=name, error_code=code, error_message=text)


@pytest.mark.parametrize(
    "text",
    [
        "Topic 'acme.x_y' collides with existing topic: acme.x.y",
        "Topic 'globex.pay' already exists.",
        "Unable to replicate the partition 99 time(s): The target replication factor of 99 cannot be reached because "
        "only 1 broker(s) are registered or some brokers have all their log directories cordoned.",
        "The manual partition assignment includes broker 9, but no such broker is registered.",
        "Unexpected broker id, expected 1, but received 9",
        "The topic globex.pay currently has 3 partition(s); 2 would not be an increase.",
        "Topic already has 3 partition(s). So has globex.pay.",
        "Ignoring duplicate entity ClientQuotaEntity(entries={user=globex-al})",
    ],
)
def test_a_text_that_could_tell_more_than_was_asked_gives_way_to_kafka_s_constant_one(text: str) -> None:
    mended = without_free_text(created(text))

    assert mended.error_message == "The request attempted to perform an operation on an invalid topic."


@pytest.mark.parametrize(
    "text",
    [
        "Topic 'acme.x_y' already exists.",
        "Topic name is invalid: 'acme.x_y' contains one or more characters other than ASCII alphanumerics",
        "Number of partitions was set to an invalid non-positive value.",
        "The topic acme.x_y currently has 3 partition(s); 2 would not be an increase.",
        "Topic already has 3 partition(s).",
        "Invalid value abc for configuration retention.ms: Not a number of type LONG",
        "Invalid value -5 for configuration retention.ms: Value must be at least -1",
        "Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete",
        "Null value not supported for topic configs: retention.ms",
        "Null value not supported for : retention.ms",
        "Can't APPEND to key retention.ms because its type is not LIST.",
        "Invalid value maybe for configuration preallocate: Expected value to be either true or false",
        "Unknown topic config name: nope",
        "Unknown group config name: nope",
        "consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms",
        "Each resource must appear at most once.",
        "No Authorizer is configured.",
        "Could not parse principal from `alice` (no colon is present separating the principal type from the principal "
        "name)",
        "Invalid configuration key nonsense",
        "Request specified MATCH_TYPE_EXACT, but set match string to null.",
        "Attempt to delete a user credential that does not exist",
        "Too few iterations",
    ],
)
def test_a_text_that_repeats_the_request_stays(text: str) -> None:
    entry = created(text)

    assert without_free_text(entry) is entry


def test_a_text_about_a_user_stays_in_his_own_entry() -> None:
    text = "Attempt to describe a user credential that does not exist: acme-al"
    own, others = (
        said(
            ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS,
            0,
            "results",
            user=user,
            error_code=ErrorCode.resource_not_found,
            error_message=text,
        )
        for user in ("acme-al", "globex-al")
    )

    assert without_free_text(own) is own
    assert without_free_text(others).error_message == constant_text(ErrorCode.resource_not_found)


@pytest.mark.parametrize("code", [ErrorCode.policy_violation, ErrorCode.unknown_server_error])
def test_what_anybody_may_have_written_is_not_shown_whatever_its_words(code: ErrorCode) -> None:
    mended = without_free_text(created("Topic name is invalid: globex.pay has it", code))

    assert mended.error_message == constant_text(code)


@pytest.mark.parametrize("text", [None, ""])
def test_where_there_is_no_text_nothing_changes(text: str | None) -> None:
    entry = created(text)

    assert without_free_text(entry) is entry


def test_success_has_no_text() -> None:
    assert without_free_text(created("made on broker 3", ErrorCode.none)).error_message is None


def test_every_code_has_a_constant_text() -> None:
    texts = {code: constant_text(code) for code in ErrorCode if code is not ErrorCode.none}

    assert all(texts.values())
    assert constant_text(ErrorCode.none) is None


def test_no_code_is_described_that_means_success() -> None:
    assert ErrorCode.none not in DESCRIPTIONS


def test_a_refusal_says_its_own_reason_or_else_kafka_s_text() -> None:
    reasoned = Refusal(ErrorCode.topic_authorization_failed, "no policy allows it")

    assert spoken(reasoned) is reasoned
    assert spoken(Refusal(ErrorCode.topic_authorization_failed)).text == "Topic authorization failed."
