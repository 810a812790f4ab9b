"""Whatever compaction has left of the store's topic, and whenever somebody reads it, it says the same."""

import json
import random
from dataclasses import dataclass, field
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kordon_proxy.store.entries import Line, change_lines, forget_line, identity_line
from kordon_proxy.store.facts import FORGOTTEN, MOST, TAKE_OVER, Facts, OlderState
from kordon_proxy.store.interface import Key, Kind, News, Record
from tests.proxy.store.compacted import Topic, read_all, read_up_to, shown, the_truth
from tests.proxy.store.given import a_step

STORE: Final = "s"
IDS: Final = ("a", "b", "c")


@dataclass
class Process:
    name: str
    facts: Facts
    on_the_way: list[list[Line]] = field(default_factory=list)
    """What it has sent, and no broker has appended yet."""
    records: dict[Key, Record] = field(default_factory=dict)
    """What it knows from the news."""

    def look(self) -> None:
        if (news := self.facts.news()) is not None:
            self.records |= {Key(kind, record["id"]): record for kind, record in news.records}
            for key in news.gone:
                self.records.pop(key, None)


class World:
    """Processes that change what they think there is, as chance wants it."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.now = 0.0
        self.topic = Topic()
        self.topic.append([identity_line(STORE, "p0")])
        self.attempts = 0
        self.most = self.chance.choice([1, 3, MOST])
        self.processes = [Process(f"p{number}", self.a_reader()) for number in range(3)]
        self.verdicts: dict[str, set[bool]] = {}

    def a_reader(self) -> Facts:
        facts = Facts(lambda: self.now)
        read_all(self.topic, facts)
        return facts

    def go_on(self) -> None:
        one = self.chance.choice(self.processes)
        ways = [self.read] * 8 + [self.change] * 6 + [self.arrive] * 6 + [self.tell] * 3 + [self.compact] * 4
        self.chance.choice([*ways, self.look, self.forget, self.crash, self.connect_anew, self.let_pass_by])(one)

    def read(self, one: Process) -> None:
        upto = self.chance.choice([end for end in self.topic.ends if end >= one.facts.position])
        for attempt, made in read_up_to(self.topic, one.facts, upto):
            self.verdicts.setdefault(attempt, set()).add(made)

    def look(self, one: Process) -> None:
        one.look()

    def send(self, one: Process, *lines: Line) -> None:
        litter = [Line(key, None) for key in one.facts.litter(one.name)[: self.most]]
        one.on_the_way.append([*litter, *lines])

    def change(self, one: Process) -> None:
        key = Key(Kind.TEMPORARY_POLICY, self.chance.choice(IDS))
        before = one.facts.revision(key)
        # Nobody uses an id again.
        if one.facts.is_at(key, before) and (before or key not in the_truth(self.topic.written).forgotten):
            step = a_step(key.id, before, by=self.attempt())
            self.send(one, *change_lines(STORE, one.name, step.record["by"], step))

    def forget(self, one: Process) -> None:
        key = Key(Kind.TEMPORARY_POLICY, self.chance.choice(IDS))
        if before := one.facts.revision(key):
            self.send(one, forget_line(STORE, one.name, self.attempt(), key, before))

    def attempt(self) -> str:
        self.attempts += 1
        return str(self.attempts)

    def tell(self, one: Process) -> None:
        numbers = [number for number, _ in the_truth(self.topic.written).untold]
        if lines := one.facts.outbox(numbers[:1]):
            self.send(one, *(Line(key, None) for key in lines))

    def arrive(self, one: Process) -> None:
        if one.on_the_way:
            self.topic.append(one.on_the_way.pop(0))

    def crash(self, one: Process) -> None:
        one.facts = self.a_reader()  # what is on the way arrives all the same
        one.records.clear()

    def connect_anew(self, one: Process) -> None:
        facts = self.a_reader()
        facts.go_on_from(one.facts)
        one.facts = facts

    def compact(self, one: Process) -> None:
        # Nobody who reads is behind the cleaner: min.compaction.lag.ms and delete.retention.ms see to it.
        most = min(one.facts.position for one in self.processes)
        known = self.chance.choice([most, self.chance.randint(0, most)])
        done = self.chance.choice([known, self.chance.randint(0, known)])
        self.topic.compact(known, done, tombstones=self.chance.random() < 0.5)

    def let_pass_by(self, one: Process) -> None:
        """Time, in which everything arrives and is read."""
        for process in self.processes:
            while process.on_the_way:
                self.arrive(process)
        for process in self.processes:
            read_all(self.topic, process.facts)
        self.now += self.chance.choice([TAKE_OVER, FORGOTTEN])

    def check(self) -> None:
        truth = the_truth(self.topic.written)
        text = "\n".join(f"{offset} {shown(line)}" for offset, line in enumerate(self.topic.written))
        news = self.a_reader().news()
        assert news is not None
        assert {record["id"]: record for _, record in news.records} == {
            key.id: record for key, record in truth.records.items()
        }, text
        assert [(one.number, one.event.id) for one in news.untold] == truth.untold, text
        for attempt, told in self.verdicts.items():
            assert told == {truth.verdicts[attempt]}, f"{attempt}\n{text}"


@given(st.integers(0, 2**32))
@settings(max_examples=100)
def test_whoever_reads_what_compaction_has_left_knows_what_those_know_who_have_read_everything(seed: int) -> None:
    world = World(seed)
    for _ in range(world.chance.choice([20, 60, 150])):
        world.go_on()
        if world.chance.random() < 0.3:
            world.check()

    world.let_pass_by(world.processes[0])
    world.check()
    truth = the_truth(world.topic.written)
    for process in world.processes:
        process.look()
        assert process.records == truth.records
        for name in IDS:
            key = Key(Kind.TEMPORARY_POLICY, name)
            assert process.facts.revision(key) == truth.records.get(key, {"revision": 0})["revision"]


# ---- one by one

KEY: Final = Key(Kind.TEMPORARY_POLICY, "a")


class Lines:
    """Facts that read what a test appends."""

    def __init__(self) -> None:
        self.now = 0.0
        self.facts = Facts(lambda: self.now)
        self.append(identity_line(STORE, "one"))

    def append(self, *lines: Line) -> list[bool]:
        seen = [self.facts.see(self.facts.position, line) for line in lines]
        return [verdict.made for verdict in seen if verdict is not None]

    def change(self, before: int, attempt: str, writer: str = "one", store: str = STORE) -> list[bool]:
        return self.append(*change_lines(store, writer, attempt, a_step("a", before)))

    def litter(self, writer: str) -> list[str]:
        return [json.loads(line)[-1] if b"change" in line else "event" for line in self.facts.litter(writer)]


def test_a_change_of_another_store_is_not_made() -> None:
    lines = Lines()

    assert lines.change(0, "1", store="another") == [False]
    assert lines.change(0, "2") == [True]
    assert lines.facts.store == STORE


def test_of_two_that_begin_a_store_the_first_counts_and_the_other_clears_up() -> None:
    lines = Lines()
    second = identity_line("another", "two")
    lines.append(second)

    assert lines.facts.store == STORE
    assert (lines.facts.litter("one"), lines.facts.litter("two")) == ((), (second.key,))


def test_the_same_line_once_more_is_nothing_new() -> None:
    lines = Lines()
    assert (lines.change(0, "1"), lines.change(0, "2")) == ([True], [False])
    lines.facts.news()

    assert (lines.change(0, "1"), lines.change(0, "2")) == ([], [])
    assert lines.facts.news() is None
    assert lines.facts.revision(KEY) == 1


def test_litter_is_cleared_by_its_owner_or_after_a_while_by_anybody_and_never_before_what_became_litter_earlier() -> (
    None
):
    lines = Lines()
    lines.change(0, "made")
    lines.change(0, "late", writer="two")
    lines.change(1, "next", writer="three")

    assert lines.litter("one") == []
    assert lines.litter("two") == ["event", "late"]
    assert lines.litter("three") == ["event", "late", "made"]
    lines.now += TAKE_OVER
    assert lines.litter("one") == ["event", "late", "made"]

    lines.append(*(Line(line, None) for line in lines.facts.litter("one")))
    assert lines.litter("one") == []
    assert lines.facts.revision(KEY) == 2


def test_that_a_record_was_forgotten_is_known_until_no_change_of_it_can_be_under_way() -> None:
    lines = Lines()
    lines.change(0, "made")
    lines.append(forget_line(STORE, "one", "forget", KEY, 1))

    assert lines.change(1, "late") == [False]
    assert lines.change(0, "anew") == [False]
    assert [lines.facts.is_at(KEY, revision) for revision in (0, 1)] == [False, False]
    lines.now += FORGOTTEN
    assert lines.litter("two")[-1] == "forget"
    lines.append(*(Line(line, None) for line in lines.facts.litter("two")))
    assert lines.facts.is_at(KEY, 0)
    assert lines.litter("two") == []


def told(facts: Facts) -> tuple[list[str], list[str]]:
    """The ids of the records in the news, and of those that have gone."""
    news = facts.news() or News(records=(), untold=())
    return [record["id"] for _, record in news.records], [key.id for key in news.gone]


def test_what_was_replaced_and_forgotten_between_two_looks_is_told_as_gone_once() -> None:
    lines = Lines()
    lines.change(0, "made")
    assert told(lines.facts) == (["a"], [])

    lines.change(1, "revoked")
    lines.append(forget_line(STORE, "one", "forget", KEY, 2))

    assert told(lines.facts) == ([], ["a"])
    lines.now += FORGOTTEN
    lines.append(*(Line(line, None) for line in lines.facts.litter("one")))
    assert told(lines.facts) == ([], [])


def test_what_compaction_took_out_before_it_was_read_is_told_as_gone_but_not_what_follows_it() -> None:
    lines = Lines()
    made = change_lines(STORE, "one", "made", a_step("a"))
    lines.append(*made)
    lines.facts.news()

    lines.append(Line(made[0].key, None))  # what it had been replaced by, and that this was forgotten, is no more there
    assert told(lines.facts) == ([], ["a"])

    lines.change(2, "later")
    assert told(lines.facts) == (["a"], [])


UNREADABLE: Final = {
    "newer": (b'["store","x"]', b'{"format":2,"writer":"w"}', "a newer Kordon has written it, in format 2"),
    "no JSON": (b"user-7", b"{}", "JSONDecodeError: Expecting value"),
    "no text": (b"\xff", b"\x00\x01", "UnicodeDecodeError: "),
    "no value of Kordon's": (b'["store","x"]', b"[]", "TypeError: "),
    "no format": (b'["store","x"]', b"{}", "KeyError: 'format'"),
    "no key of Kordon's": (b'["lease","x"]', b'{"format":1,"writer":"w"}', "its key is none of Kordon's"),
    "no kind": (
        b'["change","x","i","a"]',
        b'{"format":1,"writer":"w","store":"s","before":0,"record":{}}',
        "'x' is not",
    ),
    "no way on": (
        b'["change","staged","i","a"]',
        b'{"format":1,"writer":"w","store":"s","before":2,"record":{"revision":2}}',
        "it leads from revision 2 to 2",
    ),
    "no event": (b'["event","a",0]', b'{"format":1,"writer":"w","event":{}}', "KeyError: 'id'"),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_what_cannot_be_read_is_told_with_its_place_until_somebody_takes_it_out(what: str) -> None:
    key, value, reason = UNREADABLE[what]
    lines = Lines()
    lines.change(0, "1")

    lines.append(Line(key, value))

    assert lines.facts.problem is not None
    assert lines.facts.problem.startswith("it holds what this Kordon cannot read, at offset 3: ")
    assert reason in lines.facts.problem
    lines.append(Line(key, None))
    assert lines.facts.problem is None
    assert lines.change(1, "2") == [True]


def test_changes_without_a_store_that_they_are_of_cannot_be_read() -> None:
    facts = Facts(lambda: 0.0)
    facts.see(0, change_lines(STORE, "one", "1", a_step("a"))[0])

    assert facts.problem == "it holds what this Kordon cannot read, at offset 0: what says which store it is has gone"


def read_again(lines: Lines, *more: Line) -> Facts:
    """What somebody knows who reads all of it anew, and more."""
    again = Lines()
    again.change(0, "1")
    again.append(*change_lines(STORE, "one", "b", a_step("b")), *more)
    return again.facts


def test_what_is_read_anew_tells_only_what_was_not_told_before() -> None:
    lines = Lines()
    lines.change(0, "1")
    lines.facts.news()
    lines.append(*change_lines(STORE, "one", "b", a_step("b")))
    again = read_again(lines, *change_lines(STORE, "one", "c", a_step("c")))

    again.go_on_from(lines.facts)

    news = again.news()
    assert news is not None
    assert [record["id"] for _, record in news.records] == ["b", "c"]
    assert [untold.event.id for untold in news.untold] == ["a/1", "b/1", "c/1"]


@pytest.mark.parametrize("cleared", [False, True])
def test_what_has_gone_meanwhile_is_told_when_all_is_read_anew(cleared: bool) -> None:
    lines = Lines()
    for one in ("a", "b"):
        lines.append(*change_lines(STORE, "one", one, a_step(one)))
    lines.facts.news()
    lines.append(forget_line(STORE, "one", "forget", KEY, 1))  # which is not told before the connection is lost
    again = Lines()
    if not cleared:
        again.append(*change_lines(STORE, "one", "a", a_step("a")), forget_line(STORE, "one", "forget", KEY, 1))
    again.facts.position = lines.facts.position

    again.facts.go_on_from(lines.facts)

    ids, gone = told(again.facts)
    assert (ids, sorted(gone)) == ([], ["a", "b"])


def test_what_is_read_anew_and_cannot_come_after_what_was_known_is_not_used() -> None:
    lines = Lines()
    lines.change(0, "1")
    lines.append(*change_lines(STORE, "one", "b", a_step("b")))
    longer = read_again(lines)
    lines.change(1, "2")
    with pytest.raises(OlderState, match="an older state of the store"):
        longer.go_on_from(lines.facts)
    for number in range(9):  # as many lines, but others
        longer.see(longer.position, change_lines(STORE, "one", f"c{number}", a_step(f"c{number}"))[0])
    with pytest.raises(OlderState, match="an older state of the store"):
        longer.go_on_from(lines.facts)
    another = Facts(lambda: 0.0)
    another.see(100, identity_line("another", "one"))
    with pytest.raises(OlderState, match="another store"):
        another.go_on_from(lines.facts)
