import pytest
from kio.schema.index import api_key_map, schema_name_map
from kio.static.constants import EntityType

from kordon_protocol.errors import UnknownApi, UnsupportedVersion
from kordon_protocol.keys import ApiKey, is_flexible, versions


def test_every_key_of_kio_has_its_name() -> None:
    assert {key.value: key.name.lower() for key in ApiKey} == dict(api_key_map)


@pytest.mark.parametrize("key", ApiKey)
def test_versions_are_those_of_kio_without_gaps(key: ApiKey) -> None:
    schemas = schema_name_map[api_key_map[key]]
    assert list(versions(key)) == sorted(schemas)
    assert all({EntityType.request, EntityType.response} <= schemas[version].keys() for version in versions(key))


@pytest.mark.parametrize("key", ApiKey)
def test_a_flexible_version_is_never_followed_by_one_that_is_not(key: ApiKey) -> None:
    flexible = [is_flexible(key, version) for version in versions(key)]
    assert flexible == sorted(flexible)


def test_what_has_no_schema_is_said_so() -> None:
    with pytest.raises(UnknownApi):
        versions(7)
    with pytest.raises(UnsupportedVersion):
        is_flexible(ApiKey.METADATA, 14)
