"""Packed policies are those that were packed, and few objects."""

import gc
import pickle
from dataclasses import replace

import pytest

from kordon_policy.model import Document, Effect, RuleRef
from kordon_policy.packed import PackedRules
from kordon_policy.snapshot import Asked, Compiled
from tests.policy.given import a_document, a_policy

RULES = [
    replace(a_document(a_policy(effect, ["TOPIC_EDIT"], ["cluster", "prod", "topic", f"t{at}*"])).policies[0], ref=ref)
    for at, (effect, ref) in enumerate(
        (str(tuple(Effect)[at % 3]), RuleRef(place=f"policies[{at}]", source="rbac.yaml", line=at)) for at in range(40)
    )
]


def told(rules: object) -> str:
    return repr(rules)


@pytest.mark.parametrize("count", [0, 1, 16, 17, 40])
def test_what_is_packed_comes_out_again_at_its_place_in_its_order_and_from_another_process(count: int) -> None:
    rules = RULES[:count]
    for packed in (PackedRules(rules), pickle.loads(pickle.dumps(PackedRules(rules)))):
        assert len(packed) == count
        assert told(list(packed)) == told(rules)
        assert told([packed[at] for at in range(count)]) == told(rules)
        assert told(packed[3:20:2]) == told(tuple(rules[3:20:2]))
        assert told(packed[-1:]) == told(tuple(rules[-1:]))
        with pytest.raises(IndexError):
            packed[count]


def test_a_file_of_many_policies_is_few_objects_to_the_garbage_collector() -> None:
    rules = [replace(RULES[at % 40], ref=replace(RULES[0].ref, line=at)) for at in range(4_000)]

    compiled = Compiled(Document(policies=rules))
    compiled.prepare(Asked(roles=tuple(compiled.roles)))
    packed = compiled.packed()
    del compiled, rules
    gc.collect()
    there = len(gc.get_objects())
    del packed
    gc.collect()

    assert there - len(gc.get_objects()) < 400
