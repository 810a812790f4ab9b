"""Whatever is done to a journal is found, and told once, as what it is."""

from collections.abc import Iterable, Iterator
from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kordon_proxy.audit.breaks import Break, Fault, Noted, Summary
from kordon_proxy.audit.event import Event, EventType, Window, encode
from kordon_proxy.audit.line import BEGINNING, place_of, seal
from kordon_proxy.audit.verification import Verifier
from tests.proxy.audit.events import NOON, SOURCE, a_denial, a_login, a_mutation, sealed, unchained

Files = list[tuple[int, list[bytes]]]
"""The number that each file has in its name, and its lines with their ends."""

EVENTS = [a_login(id="e1"), a_denial(id="e2"), a_mutation(id="e3"), a_login(id="e4"), a_denial(id="e5")]


def cut(events: Iterable[Event], *firsts: int) -> Files:
    """A journal of these events, with files that begin with these numbers."""
    files: Files = []
    chain: bytes | None = None
    for number, event in enumerate(events, start=1):
        if number in {1, *firsts}:
            files.append((number, []))
        line, chain = seal(encode(event, SOURCE), "w1", number, chain, says_previous=not files[-1][1])
        files[-1][1].append(line)
    return files


JOURNAL = cut(EVENTS, 3)
LINES = [line for _, lines in JOURNAL for line in lines]
CHAINS = [place.chain for line in LINES if (place := place_of(line)) is not None]


def verify(
    files: Files, *, noted: Iterable[Noted] = (), forwarded: dict[int, bytes | None] | None = None
) -> tuple[list[Break], Summary]:
    verifier = Verifier(noted, forwarded)
    return list(breaks(verifier, files)), verifier.summary


def breaks(verifier: Verifier, files: Files) -> Iterator[Break]:
    for number, (first, lines) in enumerate(files, start=1):
        verifier.begin_file(f"f{first}", "w1", first)
        for line in b"".join(lines).split(b"\n")[:-1]:
            yield from verifier.line(line)
        if rest := b"".join(lines).split(b"\n")[-1]:
            yield from verifier.half_line(rest, is_last=number == len(files))
    yield from verifier.end()


def faults(files: Files, **known: object) -> list[tuple[Fault, int | None]]:
    found, summary = verify(files, **known)  # type: ignore[arg-type]
    assert len(found) == summary.breaks
    return [(one.fault, one.sequence) for one in found]


def in_one_file(lines: list[bytes]) -> Files:
    return [(1, lines)]


def test_what_was_written_has_no_breaks() -> None:
    found, summary = verify(JOURNAL)

    assert found == []
    assert summary == Summary(
        writer="w1", files=2, events=5, first=1, last=5, chain=CHAINS[-1], chained_from=1, follows=BEGINNING
    )


# ---- every change there is

NEW = [0, ord("\n"), ord('"'), ord("}"), ord("0")]


@pytest.mark.parametrize("files", [JOURNAL, in_one_file(sealed(EVENTS)), JOURNAL[1:]], ids=["two", "one", "second"])
def test_every_byte_that_is_changed_is_found(files: Files) -> None:
    for number, (first, lines) in enumerate(files):
        text = b"".join(lines)
        for at, byte in enumerate(text):
            for other in {byte ^ 1, byte ^ 0x20, *NEW} - {byte}:
                changed = [*files[:number], (first, [text[:at], bytes([other]), text[at + 1 :]]), *files[number + 1 :]]
                assert verify(changed)[1].breaks, (first, at, bytes([other]))


@given(st.data())
def test_whatever_bytes_are_put_in_place_of_others_is_found(data: st.DataObject) -> None:
    text = b"".join(sealed(EVENTS))
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start, len(text) - 1))  # what is cut off at the end alone cannot be seen
    put = data.draw(st.binary(max_size=20))
    changed = text[:start] + put + text[end:]

    assert changed == text or verify(in_one_file([changed]))[1].breaks


@pytest.mark.parametrize("at", range(len(LINES) - 1))
def test_a_line_that_is_deleted_is_missing_where_it_was(at: int) -> None:
    lines = sealed(EVENTS)

    assert faults(in_one_file([*lines[:at], *lines[at + 1 :]])) == [(Fault.MISSING, at + 2)]


@pytest.mark.parametrize(("one", "other"), list(combinations(range(len(LINES)), 2)))
def test_lines_that_are_swapped_are_found(one: int, other: int) -> None:
    lines = sealed(EVENTS)
    lines[one], lines[other] = lines[other], lines[one]

    assert faults(in_one_file(lines))


@pytest.mark.parametrize(("what", "where"), list(product(range(len(LINES)), range(len(LINES) + 1))))
def test_a_line_that_is_copied_is_told_once_and_puts_no_other_into_doubt(what: int, where: int) -> None:
    lines = sealed(EVENTS)
    copied = [*lines[:where], lines[what], *lines[where:]]

    found = faults(in_one_file(copied))

    if what < where:
        assert found == [(Fault.MOVED, what + 1)]
    elif what > where > 0:
        assert (Fault.MISSING, what + 1) in found
        assert len(found) <= 2 + what - where
    else:
        assert found


@pytest.mark.parametrize("first", [1, 3])
def test_a_line_of_another_journal_is_foreign(first: int) -> None:
    lines = sealed(EVENTS)
    other = sealed(EVENTS, writer="w2")

    assert faults(in_one_file([*lines[:first], other[first], *lines[first:]])) == [(Fault.FOREIGN, first + 1)]


# ---- each is told once, as what it is


def test_a_changed_line_is_told_alone() -> None:
    lines = [line.replace(b'"dee"', b'"eve"') if number == 2 else line for number, line in enumerate(sealed(EVENTS))]

    (found,), summary = verify(in_one_file(lines))

    assert str(found) == "f1:3: event w1/3: changed: the line, or its chain value, is not what was written"
    assert (summary.last, summary.events) == (5, 5)


def test_a_changed_chain_value_is_told_alone() -> None:
    lines = sealed(EVENTS)
    lines[2] = lines[2].replace(lines[2][-10:-3], b"0123456")

    assert faults(in_one_file(lines)) == [(Fault.CHANGED, 3)]


def test_a_changed_number_is_told_alone() -> None:
    lines = sealed(EVENTS)
    lines[2] = lines[2].replace(b'"00000000000000000003"', b'"00000000000000000009"')

    assert faults(in_one_file(lines)) == [(Fault.MISSING, 9)]


def test_a_line_that_cannot_be_read_is_told_alone() -> None:
    lines = sealed(EVENTS)
    lines[2] = b"#" + lines[2][1:]

    (found,), _ = verify(in_one_file(lines))

    assert str(found) == "f1:3: unreadable: this is no line of a journal: it was changed, or added"


def test_a_line_that_was_added_is_told_alone() -> None:
    lines = sealed(EVENTS)

    assert faults(in_one_file([*lines[:2], b"a note\n", *lines[2:]])) == [(Fault.UNREADABLE, None)]


def test_a_file_that_is_missing_is_told_once() -> None:
    files = cut(EVENTS, 2, 4)

    (found,), summary = verify([files[0], files[2]])

    assert found.meaning == "events 2 to 3 are missing before it: deleted, or moved, or its number changed"
    assert summary.events == 3


def test_a_file_of_another_name_is_told() -> None:
    assert faults([JOURNAL[0], (4, JOURNAL[1][1])]) == [(Fault.MISNAMED, 3)]
    assert faults([(4, JOURNAL[1][1])]) == [(Fault.MISNAMED, 3)]


def test_a_file_that_was_emptied_is_told() -> None:
    assert faults([JOURNAL[0], (9, [])]) == [(Fault.ENDS_EARLY, None)]
    assert faults([JOURNAL[0], (3, [])]) == []


def test_events_that_were_deleted_and_the_rest_chained_anew_leave_a_gap() -> None:
    rest = sealed([a_login(), a_login()], first=4, previous=CHAINS[1])

    assert faults(in_one_file([*LINES[:2], *rest])) == [(Fault.MISSING, 4)]


# ---- what is right all the same


def test_verification_begins_with_the_first_file_that_is_there() -> None:
    found, summary = verify(JOURNAL[1:])

    assert found == []
    assert (summary.first, summary.chained_from, summary.follows) == (3, 3, CHAINS[1])


def test_the_first_event_of_all_follows_nothing() -> None:
    later = sealed(EVENTS, previous=b"7" * 64)

    assert faults(in_one_file(later)) == [(Fault.CHANGED, 1)]


def test_a_journal_of_before_the_chain_is_chained_from_where_it_begins() -> None:
    old = unchained(EVENTS[:2])
    new = sealed(EVENTS[2:], first=3)

    found, summary = verify(in_one_file([*old, *new]))

    assert found == []
    assert (summary.first, summary.chained_from, summary.last) == (1, 3, 5)


def test_in_a_journal_of_before_the_chain_gaps_are_found() -> None:
    old = unchained(EVENTS)

    found, summary = verify(in_one_file([*old[:2], *old[3:]]))

    assert [one.fault for one in found] == [Fault.MISSING]
    assert summary.chained_from is None


def test_a_chain_that_was_taken_off_is_told_once() -> None:
    lines = [*sealed(EVENTS[:2]), *unchained(EVENTS[2:3], first=3), *sealed(EVENTS, previous=CHAINS[0])[3:]]

    assert faults(in_one_file(lines)) == [(Fault.UNCHAINED, 3)]
    assert faults(in_one_file([*unchained(EVENTS[:2]), *LINES[2:]])) == [(Fault.CHANGED, 3)]


def test_half_a_line_at_the_end_is_a_line_that_was_being_written() -> None:
    for left in range(1, len(LINES[-1])):
        found, summary = verify(in_one_file([*sealed(EVENTS)[:4], LINES[4][:left]]))

        assert found == []
        assert (summary.last, summary.half_written) == (4, left)


def test_half_a_line_elsewhere_is_a_break() -> None:
    assert faults([(1, [*LINES[:2], LINES[2][:50]]), JOURNAL[1]]) == [(Fault.UNREADABLE, None)]


def test_events_that_were_lost_are_told_by_the_journal_itself() -> None:
    lost = a_login(type=EventType.INTERRUPTION, window=Window(count=3, first=NOON, last=NOON))
    named_so = a_mutation(what=a_mutation().what.__class__(parameters={"type": str(EventType.INTERRUPTION)}))

    found, summary = verify(in_one_file(sealed([lost, named_so, lost])))

    assert (found, summary.lost) == ([], 6)


# ---- what somebody noted


def a_note(sequence: int, chain: bytes | None = None, writer: str = "w1") -> Noted:
    return Noted(by="the auditor", writer=writer, sequence=sequence, chain=chain)


@pytest.mark.parametrize("sequence", range(1, 6))
def test_what_was_noted_and_is_there_is_confirmed(sequence: int) -> None:
    assert faults(JOURNAL, noted=[a_note(sequence), a_note(sequence, CHAINS[sequence - 1])]) == []


def test_an_end_that_was_cut_off_is_found_by_what_was_noted() -> None:
    (found,), _ = verify(in_one_file(sealed(EVENTS[:3])), noted=[a_note(5, CHAINS[4])])

    assert str(found) == (
        "f1: ends-early: the auditor knows of event 5, and the journal ends with 3: its end was cut off"
    )


def test_a_journal_that_was_written_anew_is_found_by_what_was_noted() -> None:
    (found,), _ = verify(in_one_file(sealed([a_login(), *EVENTS[1:]])), noted=[a_note(3, CHAINS[2])])

    assert (found.fault, found.sequence) == (Fault.NOT_AS_NOTED, 3)


@pytest.mark.parametrize("sequence", [3, 9])
def test_another_journal_is_found_by_what_was_noted(sequence: int) -> None:
    assert [fault for fault, _ in faults(JOURNAL, noted=[a_note(sequence, writer="w9")])] == [Fault.NOT_AS_NOTED]


@pytest.mark.parametrize(
    ("sequence", "chain", "expected"),
    [
        (2, CHAINS[1], []),
        (2, CHAINS[0], [Fault.UNCONFIRMED]),
        (1, CHAINS[0], [Fault.UNCONFIRMED]),
        (1, None, []),
    ],
)
def test_of_what_is_gone_the_last_one_can_be_confirmed(
    sequence: int, chain: bytes | None, expected: list[Fault]
) -> None:
    found = faults(JOURNAL[1:], noted=[a_note(sequence, chain)])

    assert [fault for fault, _ in found] == expected


# ---- what the topic has

IN_TOPIC: dict[int, bytes | None] = dict(enumerate(CHAINS, start=1))


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        (IN_TOPIC, []),
        ({}, []),
        ({3: CHAINS[2], 4: CHAINS[3]}, []),
        (IN_TOPIC | {3: b"0" * 64}, [(Fault.NOT_AS_NOTED, 3)]),
        ({1: CHAINS[0], 3: CHAINS[2]}, [(Fault.NOT_FORWARDED, 2)]),
        (IN_TOPIC | {6: b"6" * 64}, [(Fault.ENDS_EARLY, None)]),
    ],
    ids=["alike", "nothing yet", "some", "another", "without one", "more"],
)
def test_the_topic_is_another_witness(
    forwarded: dict[int, bytes | None], expected: list[tuple[Fault, int | None]]
) -> None:
    assert faults(JOURNAL, forwarded=forwarded) == expected
