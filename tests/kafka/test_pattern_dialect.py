"""A pattern (KIP-848) is read by Kordon as Kafka reads it: the same ones are refused, and the same topics are found."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from kio.schema.errors import ErrorCode

from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from tests.kafka import requests as ask
from tests.kafka.fixtures import Fresh
from tests.kafka.requests import Things
from tests.kafka.tenants import eventually
from tests.kafka.wire import Wire

TOPICS: Final = ("TAG.a", "TAG.b", "TAG_c", "TAG.D", "TAG.a.b", "TAG1")
PATTERNS: Final = (
    # What is not a pattern
    *("(", ")", "a)", "(a", "[a", "[]", "[^]", "[b-a]", "*a", "+a", "?", "a**", "a*+", "a||*", "(?", "(?:", "(?P<n"),
    *("(?=TAG).*", "(?!a).*", "(?<=a)b", "(?>a)", "(?#a)a", "(?x)TAG.*", "(?|a)", "(?R)", "(?1)", "(?i", "(?^i)a"),
    *(r"(a)\1", r"\1", r"\8", "\\", r"TAG.*\Z", r"\h", r"\R", r"\X", r"\G", r"\k<n>", r"\cA", r"\e", r"\u0054AG.*"),
    *(r"\p", r"\p{}", r"\p{IsGreek}", r"\p{Alpha}+", "[[:none:]]", "x{2,1}", "a{1001}", "a{2000}", r"\_", r"\N{A}"),
    # Names as a whole
    *("TAG", "TAG.*", "TAG.", "TAG[.]a", r"TAG\.a", "TAG.a|TAG1", "TAG.(a|b)", "|TAG.a", "TAG.a|", "", "()", "$TAG"),
    *("^TAG.*$", r"\ATAG.*\z", r"\bTAG.*\b", "(?m)^TAG.*$", "TAG^", "(?s)TAG.*", "(?U)TAG.+", "TAG.*?", "TAG.+?"),
    # Classes, in Perl's words, in POSIX' and in Unicode's
    *(r"TAG\d", r"TAG\D.*", r"TAG\w.", r"TAG\W.", r"TAG[[:punct:]].", r"TAG[[:^alpha:]].*", r"TAG.\pL", r"TAG.\p{L}+"),
    *(r"TAG.\p{Lu}", r"TAG.\P{Lu}", r"TAG.\p{^Lu}", r"TAG\pN", r"TAG.\p{Latin}", r"TAG.\p{Greek}", "TAG[^a-z]a"),
    *("TAG.[]a]", "TAG.[^]a]", "TAG[.-]a", "TAG.[a-]", "TAG.[a&&b]", "TAG.[a-z&&[^b]]", "TAG.[ä-ü]|TAG1", "TAG[^ä]*"),
    # Repetition, cases, groups, quotes
    *("TAG.{2}", "TAG.{1,3}", "TAG.{2,}", "TAG.{,2}", "TAG{1}.a", "TAG.{0}.a", "{", "a{", "a{1", "}", "TAG(.a){1000}"),
    *("(?i)TAG.d", "TAG.(?i:d)", "(?i)tAG.A|TAG1", "(?-i)TAG.d", "(?P<n>TAG).a", "(?<n>TAG).a", "(?ii)TAG.A"),
    *(r"\QTAG.a\E", r"\QTAG.a", r"\QTAG\E.a", r"TAG\E.a", r"TAG\x2ea", r"TAG\x{2E}a", r"TAG\056a", r"TAG\.a\n?"),
    *("TAG.\U0001f600?a", "TAG.a\x00?", "(TAG.(a*)*)*", "(((((TAG.a)))))", "(" * 500 + "TAG.a" + ")" * 500),
)
STRICTER: Final[Mapping[str, str]] = {
    r"(TAG.a|((a{100}){100}))": "RE2 bounds repetitions of repetitions to 1,000 as well",
    r"TAG.(\ä|a)": "RE2 escapes no letters beyond ASCII",
    "TAG.a|" + "x" * 4096: "Kordon bounds the length",
    r"TAG.(a|[^\pL]{100})": "Kordon bounds the memory",
}
"""Patterns that Kafka takes and Kordon refuses."""
LAXER: Final[Mapping[str, str]] = {
    r"\C*TAG.a": "RE2 has a class for bytes",
    "(?P<n>TAG).(?P<n>a)": "Kordon gives names to no groups",
}
"""Patterns that Kafka refuses and Kordon takes."""


class Subscribers:
    """Members that subscribe by one pattern each, all in groups of their own."""

    def __init__(self, wire: Wire, tag: str) -> None:
        self._wire = wire
        self._tag = tag
        self._members: dict[str, tuple[Things, int]] = {}
        self._topics: dict[str, frozenset[str]] = {}
        self._names = {topic.topic_id: topic.name for topic in wire.ask(ask.find_all_topics(12)).message.topics}
        self.codes: dict[str, ErrorCode] = {}

    def subscribe(self, pattern: str) -> None:
        member = str(uuid4())
        things = Things(topic="", topic_id=uuid4(), group=f"dialect-{member}", transactional_id="", member_id=member)
        said: dict[str, Any] = {
            "subscribed_topic_names": None,
            "subscribed_topic_regex": pattern.replace("TAG", self._tag),
        }
        answers: list[Any] = []

        def answered() -> bool:
            answers.append(self._wire.ask(ask.beat(1, things, **said)).message)
            return answers[-1].error_code not in (
                ErrorCode.coordinator_not_available,
                ErrorCode.not_coordinator,
                ErrorCode.coordinator_load_in_progress,
            )

        eventually(answered)
        self.codes[pattern] = answers[-1].error_code
        if answers[-1].error_code is ErrorCode.none:
            self._members[pattern] = things, answers[-1].member_epoch
            self._take(pattern, answers[-1])

    def found(self, pattern: str) -> frozenset[str]:
        """The test's topics that a member is assigned now."""
        things, epoch = self._members[pattern]
        answer = self._wire.ask(ask.beat(1, things, epoch=epoch, subscribed_topic_names=None)).message
        self._members[pattern] = things, answer.member_epoch
        self._take(pattern, answer)
        return self._topics.get(pattern, frozenset())

    def _take(self, pattern: str, answer: Any) -> None:
        if answer.assignment is not None:
            names = (self._names[part.topic_id] for part in answer.assignment.topic_partitions)
            found = (name.replace(self._tag, "TAG") for name in names if name.startswith(self._tag))
            self._topics[pattern] = frozenset(found)


def test_patterns_are_refused_and_find_topics_as_at_kafka(kordon: Kordon, kafka: Kafka, fresh: Fresh) -> None:
    tag = fresh("TxDialect").replace("-", "")
    admin = AdminClient({"bootstrap.servers": kordon.listener("admin")})
    for future in admin.create_topics([NewTopic(name.replace("TAG", tag), 1, 1) for name in TOPICS]).values():
        future.result(30)
    canary = "(TAG.a)"
    with Wire(kafka.bootstrap) as direct, Wire(kordon.listener("admin")) as through:
        theirs, ours = (Subscribers(wire, tag) for wire in (direct, through))
        for pattern in (*PATTERNS, *STRICTER, *LAXER, canary):
            theirs.subscribe(pattern)
            ours.subscribe(pattern)

        # What is refused
        refusing = {
            pattern: (theirs.codes[pattern] is ErrorCode.none, ours.codes[pattern] is ErrorCode.none)
            for pattern in theirs.codes
        }
        assert {pattern for pattern, (there, here) in refusing.items() if there and not here} == set(STRICTER)
        assert {pattern for pattern, (there, here) in refusing.items() if here and not there} == set(LAXER)
        refusals = {codes[pattern] for codes in (theirs.codes, ours.codes) for pattern in codes} - {ErrorCode.none}
        assert refusals == {ErrorCode.invalid_regular_expression}

        # What is found: Kafka looks in the background, in the order in which it was asked
        eventually(lambda: theirs.found(canary))
        taken = [pattern for pattern, (there, here) in refusing.items() if there and here]
        found = {pattern: (theirs.found(pattern), ours.found(pattern)) for pattern in taken}
        assert {pattern: both for pattern, both in found.items() if both[0] != both[1]} == {}
        assert len({both[0] for both in found.values()}) > 10
