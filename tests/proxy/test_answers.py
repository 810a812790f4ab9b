"""Answers leave in request order, whatever is relayed, mended, held back or Kordon's own."""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kordon_protocol.errors import FrameTooLarge
from kordon_proxy.answers import AnswerQueue, UnexpectedAnswer
from kordon_proxy.judging.verdict import RELAY, Mended, Plan, Stream, Streamed, unchanged


@dataclass(eq=False)
class FakeExchange:
    """As much of an exchange as the queue uses."""

    correlation_id: int
    plan: Plan = RELAY
    done: bool = False
    store: list[bytes] | None = None

    @property
    def head(self) -> "FakeExchange":
        return self


class Shouting:
    """A stream that changes every byte."""

    def feed(self, data: bytes) -> Iterable[bytes]:
        return (data.upper(),)

    def sizes(self) -> Mapping[str, int]:
        return {}


class FakeSession:
    def __init__(self) -> None:
        self.held: dict[int, bytes] = {}
        self.hold: set[int] = set()
        self.passed_ids: list[int] = []

    def begin(self, exchange: Any) -> Plan:
        plan: Plan = exchange.plan
        return plan

    def stream(self, exchange: Any, plan: Streamed) -> Stream:
        return Shouting()

    def mend(self, exchange: Any, frame: bytes) -> bytes | None:
        if exchange.correlation_id in self.hold:
            self.held[exchange.correlation_id] = frame
            return None
        return frame.replace(b"real", b"ours")

    def passed(self, exchange: Any) -> None:
        self.passed_ids.append(exchange.correlation_id)


MEND = Mended(unchanged)
STREAM = Streamed(lambda may: Shouting())


def frame(correlation_id: int, body: bytes = b"body") -> bytes:
    return struct.pack(">ii", 4 + len(body), correlation_id) + body


def queue() -> tuple[AnswerQueue, FakeSession]:
    session = FakeSession()
    return AnswerQueue(session), session


def expect(answers: AnswerQueue, correlation_id: int, plan: Plan = RELAY) -> FakeExchange:
    exchange = FakeExchange(correlation_id, plan)
    answers.expect(exchange)  # type: ignore[arg-type]
    return exchange


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

    assert answers.answer(FakeExchange(2), own) == []  # type: ignore[arg-type]
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

    out = answers.settle(held, session.held[1])  # type: ignore[arg-type]
    assert b"".join(out) == frame(1, b"real") + frame(2) + frame(3, b"ABC")
    assert answers.stored == 0


def test_what_has_come_of_the_next_answer_leaves_with_the_one_before_it() -> None:
    answers, session = queue()
    held = expect(answers, 1, MEND)
    session.hold.add(1)
    expect(answers, 2)
    next_one = frame(2, bytes(100))
    assert answers.feed(frame(1, b"real") + next_one[:60]) == []

    out = answers.settle(held, session.held[1])  # type: ignore[arg-type]

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
    kinds=st.lists(st.sampled_from(["relay", "mend", "stream", "own", "held"]), min_size=1, max_size=12),
    sizes=st.lists(st.integers(1, 40), min_size=1),
    data=st.data(),
)
def test_any_chunking_and_any_mix_gives_the_same_answers_in_order(
    kinds: list[str], sizes: list[int], data: Any
) -> None:
    answers, session = queue()
    expected, from_broker, held = b"", b"", []
    sent = b""
    for number, kind in enumerate(kinds):
        body = b"real" + bytes([97 + number]) * data.draw(st.integers(0, 30))
        if kind == "own":
            expected += frame(number, b"own")
            sent += b"".join(answers.answer(FakeExchange(number), frame(number, b"own")))  # type: ignore[arg-type]
            continue
        from_broker += frame(number, body)
        plans: dict[str, Plan] = {"relay": RELAY, "mend": MEND, "stream": STREAM, "held": MEND}
        exchange = expect(answers, number, plans[kind])
        if kind == "held":
            session.hold.add(number)
            held.append(exchange)
        changed = {"relay": body, "mend": body.replace(b"real", b"ours"), "stream": body.upper(), "held": body}[kind]
        expected += frame(number, changed)
    position = place = 0
    while position < len(from_broker):
        size = sizes[place % len(sizes)]
        sent += b"".join(answers.feed(from_broker[position : position + size]))
        position, place = position + size, place + 1
    for exchange in data.draw(st.permutations(held)):
        sent += b"".join(answers.settle(exchange, session.held[exchange.correlation_id]))

    assert sent == expected
    assert len(answers) == 0
    assert answers.stored == 0
