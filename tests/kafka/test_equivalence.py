"""Kordon answers what Kafka's own authorizer answers by the same rights, and the same happens.

Each admitted API in every version is asked of both: of what is allowed, of what is denied, of both at once, and of all.
What differs is in a table that users read (`docs/compatibility.md`), or it is a fault. What is in the table differs.
"""

from collections.abc import Mapping
from typing import Final

import pytest

from kordon_protocol.keys import ApiKey
from kordon_proxy.table import APIS
from tests.kafka.equivalence import compare
from tests.kafka.equivalence_answers import Flat, Found, Observed, differences
from tests.kafka.equivalence_cases import CASES
from tests.kafka.equivalence_table import DIFFERENCES, Difference, Where, explained, unexplained
from tests.kafka.equivalence_worlds import all_worlds

pytestmark = pytest.mark.timeout(600)  # the first of these tests does all the asking

ADMITTED: Final = {ApiKey(key): api.versions for key, api in APIS.items() if api.judge is not None}
ENTRIES: Final = [
    pytest.param(difference, where, key, id=f"{difference.title}: {key.name}")
    for difference in DIFFERENCES
    for where in difference.where
    for key in (() if where.by_chance else where.apis)
]


@pytest.fixture(scope="session")
def compared() -> Mapping[ApiKey, list[Found]]:
    """All differences, after everything has been asked, in the order in which it has to be."""
    with all_worlds() as worlds:
        return {key: [one for version in ADMITTED[key] for one in compare(worlds, key, version)] for key in CASES}


def test_each_admitted_api_is_compared_in_all_its_versions() -> None:
    assert CASES.keys() == ADMITTED.keys()
    for key, versions in ADMITTED.items():
        asked = {version for case in CASES[key] for version in case.versions}
        assert asked.issuperset(versions), key


@pytest.mark.parametrize("key", CASES, ids=lambda key: key.name)
def test_only_what_is_meant_differs(compared: Mapping[ApiKey, list[Found]], key: ApiKey) -> None:
    assert unexplained(compared[key]) == []


@pytest.mark.parametrize(("difference", "where", "key"), ENTRIES)
def test_what_is_meant_to_differ_does(
    compared: Mapping[ApiKey, list[Found]], difference: Difference, where: Where, key: ApiKey
) -> None:
    versions = {one.version for one in compared[key] if explained(one) == (difference, where)}
    stated = set(where.versions(key))

    assert versions == stated if where.always else versions, f"it is as with Kafka in {stated - versions}"


def test_a_difference_is_told_once_where_it_stands() -> None:
    kafka = Flat(
        {"topics[a]": None, "topics[b]": None}, {"topics[a]": "NONE", "topics[b]": "NONE"}, {"topics[a].id": "1"}
    )
    kordon = Flat({"topics[b]": None, "topics[a]": None}, {"topics[a]": "REFUSED", "topics[b]": "NONE"}, {})

    assert list(differences(kafka, kafka)) == []
    assert list(differences(kafka, kordon)) == [
        Observed(place="topics[a]", kafka="NONE", kordon="REFUSED"),
        Observed(place="the order of entries", kafka="topics[a], topics[b]", kordon="topics[b], topics[a]"),
    ]
