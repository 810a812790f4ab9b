"""Asks both worlds the same, and tells what differs."""

import re
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from typing import Any, Final

from kordon_protocol.keys import ApiKey
from kordon_proxy.table import APIS
from tests.kafka.equivalence_answers import (
    ABSENT,
    AFTERWARDS,
    Facts,
    Flat,
    Found,
    Observed,
    differences,
    flatten,
    said,
)
from tests.kafka.equivalence_cases import ABOUT_ACCESS, ABOUT_ACLS, ABOUT_SETTINGS, CASES, LOOKING, Case
from tests.kafka.equivalence_table import unexplained
from tests.kafka.equivalence_worlds import World, Worlds

CLOSED = Flat({}, {"": "the connection is closed"}, {})
UNIQUE = re.compile(r"-\d+-\d+-\d+")
"""What makes names of new things unique: key, version and case."""
SETTING = re.compile(r"\b(configs|synonyms)\[[^]]*\]'*")
"""One of many, of which one is like the other."""
NUMBER = re.compile(r"-\d+-\d+-(\d+)")
SAME = "it stays as it was"
LONGEST: Final = 20.0
PAUSE: Final = 0.1
"""Seconds until what goes on behind the answers has to be over, and between looks at it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What one world has answered, and what there was before."""

    world: World
    answers: list[Flat]
    before: Mapping[str, str]


def compare(worlds: Worlds, key: ApiKey, version: int) -> list[Found]:
    """Ask all that there is to ask of an API in one version.

    What has happened is compared when it is over, which may be a moment behind the answer.
    """
    cases = [case for case in CASES[key] if version in case.versions]
    looks = key in LOOKING and version != APIS[key].versions[-1]
    deadline = time.monotonic() + LONGEST
    if key in ABOUT_ACLS:
        asked = [_ask(world, key, version, cases, looks=looks) for world in (worlds.kafka, worlds.guarded)]
    else:
        with ThreadPoolExecutor(2) as pool:
            both = pool.map(lambda world: _ask(world, key, version, cases, looks=looks), (worlds.kafka, worlds.kordon))
            asked = list(both)
    answered = _compared(cases, *(one.answers for one in asked))
    found = {_found(key, version, *one): None for one in answered}
    while not looks:
        changes = [_changes(one.before, _state(one.world, key)) for one in asked]
        effects = {_found(key, version, *one): None for one in _effects(cases, *changes)}
        left = [one for one in unexplained([*found, *effects]) if one in effects]
        if not left or time.monotonic() > deadline:
            found |= effects
            break
        time.sleep(PAUSE)
    if key is ApiKey.METADATA:
        worlds.kordon.catch_up()
    return list(found)


def _compared(cases: list[Case], kafka: list[Flat], kordon: list[Flat]) -> Iterator[tuple[str, Observed]]:
    for case, one, other in zip(cases, kafka, kordon, strict=True):
        yield from ((case.name, difference) for difference in differences(one, other))


def _effects(cases: list[Case], kafka: Facts, kordon: Facts) -> Iterator[tuple[str, Observed]]:
    """What has changed differently, thing by thing, with the case in whose name it has that."""
    changed: dict[str, tuple[dict[str, str], dict[str, str]]] = {}
    for number, changes in enumerate((kafka, kordon)):
        for place, change in changes.items():
            changed.setdefault(_thing(place), ({}, {}))[number][place] = change
    for thing, (ours, theirs) in changed.items():
        if ours != theirs:
            numbers = NUMBER.findall(thing)
            outcomes = _outcomes(ours, theirs)
            observed = Observed(place=f"{AFTERWARDS}: {thing}", kafka=outcomes[0], kordon=outcomes[1])
            yield cases[int(numbers[0])].name if numbers else "", observed


def _outcomes(kafka: Mapping[str, str], kordon: Mapping[str, str]) -> tuple[str, str]:
    if not kafka or not kordon:
        return "it changes" if kafka else SAME, "it changes" if kordon else SAME
    places = [place for place in sorted({*kafka, *kordon}) if kafka.get(place) != kordon.get(place)]
    told = [", ".join(f"{place}: {one.get(place, SAME)}" for place in places) for one in (kafka, kordon)]
    return told[0], told[1]


def _thing(place: str) -> str:
    """What a change is about: all up to the first name."""
    return place[: place.index("]") + 1] if "]" in place else place


def _found(key: ApiKey, version: int, case: str, one: Observed) -> Found:
    place, kafka, kordon = (SETTING.sub(r"\1[]", UNIQUE.sub("", text)) for text in (one.place, one.kafka, one.kordon))
    return Found(key=key, version=version, case=case, place=place, kafka=kafka, kordon=kordon)


def _ask(world: World, key: ApiKey, version: int, cases: list[Case], *, looks: bool) -> Asked:
    world.begin()
    asked = []
    for number, case in enumerate(cases):
        world.case = f"{int(key)}-{version}-{number}"
        asked.append((case, case.build(version, world)))
    world.known()
    before = {} if looks else _state(world, key)
    return Asked(world=world, answers=[_answer(world, case, request) for case, request in asked], before=before)


def _answer(world: World, case: Case, request: Any) -> Flat:
    requests = request if isinstance(request, tuple) else (request,)
    for one in requests:  # of several the last answer counts
        reply = world.answer(case.who, one)
    if reply is None:
        return CLOSED
    flat = flatten(reply.message, world.labels)
    return Flat({}, flat.codes, {}) if case.outcome else flat


def _state(world: World, key: ApiKey) -> Facts:
    found: dict[str, str] = {}
    for name, message in world.state(settings=key in ABOUT_SETTINGS):
        flat = flatten(message, world.labels)
        found |= {f"{name}: {place}": "there" for place in flat.entries}
        found |= {f"{name}: {place} code": code for place, code in flat.codes.items()}
        found |= {f"{name}: {place}": value for place, value in flat.values.items()}
    if key in ABOUT_ACCESS:
        acls, quotas, credentials = world.rights()
        own = ([said(value, world.labels) for value in astuple(one)] for one in world.own_acls(acls))
        found |= {f"acls: {', '.join(parts)}": "there" for parts in own}
        found |= {f"quotas: {sorted(map(str, entity))}": str(values) for entity, values in quotas.items()}
        found |= {f"credentials: {user}": str(values) for user, values in credentials.items()}
    return found


def _changes(before: Facts, after: Facts) -> Facts:
    return {
        place: f"{before.get(place, ABSENT)} → {after.get(place, ABSENT)}"
        for place in sorted({*before, *after})
        if before.get(place) != after.get(place)
    }
