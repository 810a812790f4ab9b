"""Answers leave in request order, whatever is relayed, mended, held back or Kordon's own."""

import struct
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kordon_protocol.errors import FrameTooLarge
from kordon_protocol.header import RequestHead
from kordon_protocol.varints import Buffer
from kordon_proxy.answers import BEGINNING, AnswerQueue, UnexpectedAnswer
from kordon_proxy.exchange import Exchange
from kordon_proxy.gate import OWN
from kordon_proxy.judging.verdict import RELAY, Mended, Plan, Stream, Streamed, unchanged


class Shouting:
    """A stream that changes every byte."""

    def feed(self, data: bytes) -> Iterable[bytes]:
        return (data.upper(),)

    def runs(self) -> int:
        return 0

    def ran(self, size: int) -> None:
        raise AssertionError("nothing runs by it")

    def sizes(self) -> Mapping[str, int]:
        return {}


class Stuttering(Shouting):
    """A stream that changes every tenth byte and is not asked for the others."""

    def __init__(self) -> None:
        self.position = 0

    def feed(self, data: bytes) -> Iterable[bytes]:
        at = range(self.position, self.position + len(data))
        self.position += len(data)
        return (bytes(byte if place % 10 else 0 for place, byte in zip(at, data, strict=True)),)

    def runs(self) -> int:
        return -self.position % 10

    def ran(self, size: int) -> None:
        assert size <= self.runs()
        self.position += size


class FakeSession:
    def __init__(self) -> None:
        self.held: dict[int, bytes] = {}
        self.hold: set[int] = set()
        self.passed_ids: list[int] = []

    def begin(self, exchange: Any) -> Plan:
        plan: Plan = exchange.plan
        return plan

    def stream(self, exchange: Any, plan: Streamed) -> Stream:
        return plan.stream(exchange)

    def mend(self, exchange: Any, frame: bytes) -> bytes | None:
        if exchange.correlation_id in self.hold:
            self.held[exchange.correlation_id] = frame
            return None
        return frame.replace(b"real", b"ours")

    def passed(self, exchange: Any) -> None:
        self.passed_ids.append(exchange.correlation_id)


LARGE = BEGINNING // 10
MEND = Mended(unchanged)
STREAM = Streamed(lambda may: Shouting())
STUTTER = Streamed(lambda may: Stuttering())


def frame(correlation_id: int, body: bytes = b"body") -> bytes:
    return struct.pack(">ii", 4 + len(body), correlation_id) + body


def queue() -> tuple[AnswerQueue, FakeSession]:
    session = FakeSession()
    return AnswerQueue(session), session


def an_exchange(correlation_id: int, plan: Plan = RELAY) -> Exchange:
    return Exchange(RequestHead(0, 0, correlation_id, None, 0), OWN, None, None, 0.0, 0, plan)


def expect(answers: AnswerQueue, correlation_id: int, plan: Plan = RELAY) -> Exchange:
    exchange = an_exchange(correlation_id, plan)
    answers.expect(exchange)
    return exchange


def feed(answers: AnswerQueue, data: Buffer) -> list[Buffer]:
    """As the session does it."""
    return [data] if answers.passes(len(data)) else answers.feed(data)


def stuttered(number: int, body: bytes) -> bytes:
    return b"".join(Stuttering().feed(frame(number, body)))[8:]


def test_the_inside_of_an_answer_that_is_relayed_need_not_be_fed() -> None:
    answers, session = queue()
    expect(answers, 1)
    data = frame(1, bytes(100))

    assert not answers.passes(1), "nothing has begun"
    answers.feed(data[:50])
    assert answers.passes(57)
    assert not answers.passes(1), "the last byte ends it"
    assert answers.feed(data[107:]) == [data[107:]]
    assert session.passed_ids == [1]


def test_an_answer_whose_turn_it_is_not_or_that_is_mended_is_fed_whole() -> None:
    pairs: tuple[tuple[Plan, Plan], ...] = ((RELAY, MEND), (MEND, RELAY))
    for plans in pairs:
        answers, session = queue()
        session.hold.add(1)
        for number, plan in enumerate(plans, start=1):
            expect(answers, number, plan)
        if plans[0] is MEND:
            answers.feed(frame(1))
        else:
            answers.feed(frame(1) + frame(2)[:9])
        answers.feed(frame(2)[:9] if plans[0] is MEND else b"")
        assert not answers.passes(1)


def test_a_relayed_answer_leaves_chunk_by_chunk_as_it_comes() -> None:
    answers, session = queue()
    expect(answers, 1)
    data = frame(1, bytes(100))

    first, second = answers.feed(data[:50]), answers.feed(data[50:])

    assert (first, second) == ([data[:50]], [data[50:]])
    assert session.passed_ids == [1]
    assert len(answers) == 0


def test_several_relayed_answers_in_one_chunk_leave_as_one_piece() -> None:
    answers, _ = queue()
    expect(answers, 1)
    expect(answers, 2)
    data = frame(1) + frame(2)

    assert answers.feed(data) == [data]


def test_an_answer_of_our_own_waits_for_the_ones_before_it() -> None:
    answers, _ = queue()
    expect(answers, 1)
    own = frame(2, b"own")

    assert answers.answer(an_exchange(2), own) == []
    expect(answers, 3)

    assert b"".join(answers.feed(frame(1) + frame(3))) == frame(1) + own + frame(3)


def test_what_comes_behind_a_held_answer_is_stored_and_leaves_when_it_is_settled() -> None:
    answers, session = queue()
    held = expect(answers, 1, MEND)
    session.hold.add(1)
    expect(answers, 2)
    expect(answers, 3, STREAM)

    assert answers.feed(frame(1, b"real") + frame(2) + frame(3, b"abc")) == []
    assert answers.stored == len(frame(2)) + len(frame(3, b"abc"))

    out = answers.settle(held, session.held[1])
    assert b"".join(out) == frame(1, b"real") + frame(2) + frame(3, b"ABC")
    assert answers.stored == 0


def test_what_has_come_of_the_next_answer_leaves_with_the_one_before_it() -> None:
    answers, session = queue()
    held = expect(answers, 1, MEND)
    session.hold.add(1)
    expect(answers, 2)
    next_one = frame(2, bytes(100))
    assert answers.feed(frame(1, b"real") + next_one[:60]) == []

    out = answers.settle(held, session.held[1])

    assert b"".join(out) == frame(1, b"real") + next_one[:60]
    assert answers.stored == 0  # so that reading goes on, which had stopped when this was too much
    assert b"".join(answers.feed(next_one[60:])) == next_one[60:]


def test_an_answer_to_nothing_is_refused() -> None:
    answers, _ = queue()
    with pytest.raises(UnexpectedAnswer, match="no request waits"):
        answers.feed(frame(7))


def test_an_answer_out_of_order_is_refused() -> None:
    answers, _ = queue()
    expect(answers, 1)
    expect(answers, 2)
    with pytest.raises(UnexpectedAnswer, match="where 1 is due"):
        answers.feed(frame(2))


def test_a_negative_length_is_refused() -> None:
    answers, _ = queue()
    expect(answers, 1)
    with pytest.raises(FrameTooLarge):
        answers.feed(struct.pack(">ii", -1, 1))


@given(
    kinds=st.lists(st.sampled_from(["relay", "mend", "stream", "stutter", "own", "held"]), min_size=1, max_size=12),
    sizes=st.lists(st.integers(1, 40), min_size=1),
    data=st.data(),
)
def test_any_chunking_and_any_mix_gives_the_same_answers_in_order(
    kinds: list[str], sizes: list[int], data: Any
) -> None:
    large = data.draw(st.booleans())  # what is read into a connection's memory comes as views
    answers, session = queue()
    expected, from_broker, held = b"", b"", []
    sent = b""
    for number, kind in enumerate(kinds):
        body = b"real" + bytes([97 + number]) * data.draw(st.integers(0, 30)) * (LARGE if large else 1)
        if kind == "own":
            expected += frame(number, b"own")
            sent += b"".join(answers.answer(an_exchange(number), frame(number, b"own")))
            continue
        from_broker += frame(number, body)
        plans: dict[str, Plan] = {
            "relay": RELAY,
            "mend": MEND,
            "stream": STREAM,
            "stutter": STUTTER,
            "held": MEND,
        }
        exchange = expect(answers, number, plans[kind])
        if kind == "held":
            session.hold.add(number)
            held.append(exchange)
        changed = {
            "relay": body,
            "mend": body.replace(b"real", b"ours"),
            "stream": body.upper(),
            "stutter": stuttered(number, body),
            "held": body,
        }
        head = frame(number, body)[:8]
        expected += (head.upper() if kind == "stream" else head) + changed[kind]
    position = place = 0
    while position < len(from_broker):
        size = sizes[place % len(sizes)] * (LARGE if large else 1)
        piece = from_broker[position : position + size]
        sent += b"".join(feed(answers, memoryview(piece) if large else piece))
        position, place = position + size, place + 1
    for exchange in data.draw(st.permutations(held)):
        sent += b"".join(answers.settle(exchange, session.held[exchange.correlation_id]))

    assert sent == expected
    assert len(answers) == 0
    assert answers.stored == 0
