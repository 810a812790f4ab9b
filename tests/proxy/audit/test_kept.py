"""What a store keeps of an audit event is all of it."""

import json
from typing import Any

import pytest

from kordon_proxy.audit.event import Event
from kordon_proxy.audit.kept import UnreadableEvent, from_kept, to_kept
from tests.proxy.audit.events import a_denial, a_login, a_mutation

KEPT = to_kept(a_denial())


@pytest.mark.parametrize("event", [a_denial(), a_mutation(), a_login(58)], ids=lambda event: str(event.type))
def test_an_event_comes_back_as_it_was(event: Event) -> None:
    assert from_kept(json.loads(json.dumps(to_kept(event)))) == event


def test_a_fact_that_a_newer_one_has_added_is_left_out() -> None:
    kept = to_kept(a_denial())
    kept["who"]["shoe_size"] = 43

    assert from_kept(kept) == a_denial(id=kept["id"])


@pytest.mark.parametrize("kept", [None, [], {}, KEPT | {"type": "of.tomorrow"}, KEPT | {"who": 3}])
def test_what_cannot_be_read_is_told(kept: Any) -> None:
    with pytest.raises(UnreadableEvent):
        from_kept(kept)
