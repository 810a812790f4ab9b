"""The schema that editors read."""

from kordon_policy.actions import Action, Kind
from kordon_policy.load import KEYS
from kordon_policy.read_policies import POLICY_KEYS
from kordon_policy.read_tenants import ITEM_KEYS, TENANT_KEYS
from kordon_policy.schema import rbac_schema, schema_text, shipped_schema


def test_the_shipped_schema_is_fresh() -> None:
    assert shipped_schema() == schema_text(), "write it anew: python -m kordon_policy.schema"


def test_editors_complete_every_key_action_and_type() -> None:
    schema = rbac_schema()
    definitions = schema["definitions"]
    assert set(KEYS) <= set(schema["properties"])
    assert set(definitions["policy"]["properties"]) == set(POLICY_KEYS)
    assert set(definitions["tenant"]["properties"]) == set(TENANT_KEYS)
    assert set(definitions["item"]["properties"]) == set(ITEM_KEYS)
    assert set(Action) <= set(definitions["action"]["enum"])
    text = schema_text()
    assert all(f'"{kind}"' in text for kind in Kind)
