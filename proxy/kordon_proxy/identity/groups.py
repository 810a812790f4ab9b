"""`groups_file`: role to list of principals, written by hand or by a job that reads LDAP or SCIM."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import RootModel, ValidationError

from kordon_proxy.config.document import read
from kordon_proxy.config.findings import Refused
from kordon_proxy.config.mistakes import findings_of
from kordon_proxy.config.values import Role

Groups = Mapping[str, frozenset[str]]
"""Principal to roles."""


class GroupsEntry(RootModel[dict[Role, tuple[str, ...]]]):
    """The file: role to principals."""


def load_groups(path: Path) -> Groups:
    """Return the roles of every principal that the file names. Raises Refused, OSError."""
    return parse_groups(path.read_bytes(), str(path))


def parse_groups(content: bytes, source: str) -> Groups:
    """Return the roles of every principal that the text of a groups file names. Raises Refused."""
    document = read(content, source)
    try:
        entry = GroupsEntry.model_validate(document.value)
    except ValidationError as error:
        raise Refused(findings_of(error, document, GroupsEntry)) from None
    roles: dict[str, set[str]] = {}
    for role, principals in entry.root.items():
        for principal in principals:
            roles.setdefault(principal, set()).add(role)
    return {principal: frozenset(held) for principal, held in roles.items()}
