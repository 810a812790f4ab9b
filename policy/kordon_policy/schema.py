"""The JSON Schema of `rbac.yaml`, for editors. It says what completes and what is surely wrong; `load` says the rest.

`python -m kordon_policy.schema` writes it anew beside this file.
"""

import json
from importlib import resources
from pathlib import Path
from typing import Any, Final

from kordon_policy.actions import KINDS, OTHER_NAMES, Action, Domain
from kordon_policy.load import KPOWS_KEYS
from kordon_policy.model import Effect, Outside, Presentation
from kordon_policy.read import MODES

FILE_NAME: Final = "rbac.schema.json"

Schema = dict[str, Any]

# Every scalar of a policy file is a text, as it is spelt; to an editor, an unquoted 1 is a number.
_TEXT: Final[Schema] = {"type": ["string", "number", "boolean"]}
_NAME: Final[Schema] = {**_TEXT, "minLength": 1}


def rbac_schema() -> Schema:
    """Build the schema from the model."""
    roles = _list_or_one(_NAME)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Kordon policy file (rbac.yaml)",
        "type": "object",
        "properties": {
            "admin_roles": _said(roles, "Roles that may administer Kordon. They give no right to any resource."),
            "authorized_roles": _said(
                roles, 'Roles that may log in; "*" is everybody. Absent: all that the file names.'
            ),
            "policies": {"type": "array", "items": {"$ref": "#/definitions/policy"}},
            "tenants": {"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/tenant"}},
            **{key: {"description": "Kpow's; ignored by Kordon."} for key in KPOWS_KEYS},
        },
        "patternProperties": {"^x-": {}},
        "definitions": {
            "path": _path(),
            "paths": {"type": "array", "items": {"$ref": "#/definitions/path"}},
            "action": {"enum": sorted([*Action, *OTHER_NAMES])},
            "policy": _policy(roles),
            "tenant": _tenant(roles),
            "item": _item(),
        },
    }


def _said(schema: Schema, description: str) -> Schema:
    return {**schema, "description": description}


def _list_or_one(items: Schema) -> Schema:
    return {"anyOf": [{"type": "array", "items": items}, items]}


def _path() -> Schema:
    return {
        "description": '[DOMAIN, DOMAIN_ID, TYPE, NAME], or the first of these; ["*"] is everything.',
        "anyOf": [
            {"type": "array", "items": [{"const": "*"}], "minItems": 1, "maxItems": 1},
            *(_path_in(domain) for domain in Domain),
        ],
    }


def _path_in(domain: Domain) -> Schema:
    elements = [{"const": domain}, _NAME, {"enum": list(KINDS[domain])}, _NAME]
    return {"type": "array", "items": elements, "additionalItems": False, "minItems": 1}


def _policy(roles: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {
            "resource": {"$ref": "#/definitions/path"},
            "resources": {"$ref": "#/definitions/paths"},
            "effect": {"anyOf": [{"enum": list(Effect)}, {"type": "string", "pattern": _any_case(Effect)}]},
            "actions": _list_or_one({"$ref": "#/definitions/action"}),
            "role": _said(_NAME, 'A role; "*" is everybody who is in.'),
            "roles": roles,
            "note": _said(_TEXT, "Free text, shown in reasons."),
            **_mode(),
        },
        "required": ["effect", "actions"],
        "allOf": [_one_of_keys("resource", "resources"), _one_of_keys("role", "roles")],
        "additionalProperties": False,
    }


def _tenant(roles: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {
            "name": _NAME,
            "description": _TEXT,
            "resources": {"type": "array", "items": {"$ref": "#/definitions/item"}},
            "roles": roles,
            "presentation_mode": _said({"enum": [one.value for one in Presentation]}, "For the console only."),
            "outside_view": _said({"enum": [one.value for one in Outside]}, "What is said of names outside the view."),
            **_mode(),
        },
        "required": ["name", "resources", "roles"],
        "additionalProperties": False,
    }


def _item() -> Schema:
    selected = {"anyOf": [{"$ref": "#/definitions/path"}, {"$ref": "#/definitions/paths"}]}
    return {
        "type": "object",
        "properties": {"include": selected, "exclude": selected},
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
    }


def _mode() -> Schema:
    until = {"type": "string", "description": "When the trial ends: 2026-01-31 or 2026-01-31T18:00:00Z."}
    return {"mode": _said({"enum": list(MODES)}, "Only record what it would decide."), "shadow_until": until}


def _one_of_keys(*keys: str) -> Schema:
    return {"anyOf": [{"required": [key]} for key in keys]}


def _any_case(words: type[Effect]) -> str:
    """A regular expression for these words in any case; JSON Schema has no flag for that."""
    spelt = ("".join(f"[{letter.upper()}{letter.lower()}]" for letter in word) for word in words)
    return f"^({'|'.join(spelt)})$"


def schema_text() -> str:
    """The schema as it is shipped."""
    return json.dumps(rbac_schema(), indent=2, ensure_ascii=False) + "\n"


def shipped_schema() -> str:
    """The text of the file that is shipped with the package."""
    return (resources.files("kordon_policy") / FILE_NAME).read_text(encoding="utf-8")


if __name__ == "__main__":
    (Path(__file__).parent / FILE_NAME).write_text(schema_text(), encoding="utf-8")
