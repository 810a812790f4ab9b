"""The JSON Schema of `kordon.yaml`, for editors. `load_config` says what else is wrong.

`python -m kordon_proxy.config.schema` writes it anew where it is shipped.
"""

import ast
import inspect
import json
from collections.abc import Callable
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

import kordon_proxy

from .model import Config

FILE_NAME: Final = "kordon.schema.json"

Schema = dict[str, Any]


def kordon_schema() -> Schema:
    """Build the schema from the model."""
    schema: Schema = _tidy(Config.model_json_schema(schema_generator=_Spelt))
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Kordon configuration (kordon.yaml)"}
    return head | schema


def schema_text() -> str:
    """Return the schema as it is shipped."""
    return json.dumps(kordon_schema(), indent=2, ensure_ascii=False) + "\n"


def shipped_schema() -> str:
    """Return the text of the file that is shipped with the package."""
    return (resources.files(kordon_proxy) / FILE_NAME).read_text(encoding="utf-8")


class _Spelt(GenerateJsonSchema):
    """Shows defaults as a file would spell them, `10min` rather than 600.0, and the texts under the fields."""

    def model_schema(self, schema: core_schema.ModelSchema) -> Schema:
        made: Schema = super().model_schema(schema)
        for name, text in _texts_under_fields(schema["cls"]).items():
            made["properties"][name]["description"] = text
        return made

    def get_default_value(self, schema: core_schema.WithDefaultSchema) -> Any:
        default = super().get_default_value(schema)
        spell = _spelling(schema["schema"])
        return default if spell is None or default is None else spell(default)


def _texts_under_fields(model: type) -> dict[str, str]:
    """Read the texts in a class's source, each under its field.

    pydantic does so with `use_attribute_docstrings` when the class is made: each time that Kordon starts, where nobody
    asks for the texts.
    """
    (definition,) = ast.parse(inspect.getsource(model)).body
    assert isinstance(definition, ast.ClassDef)
    texts = {}
    for field, under in pairwise(definition.body):
        match field, under:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                texts[name] = inspect.cleandoc(text)
    return texts


def _spelling(schema: Any) -> Callable[[Any], str] | None:
    """Find how a value is written; the checks of a field wrap the schema that says it."""
    while schema is not None and "serialization" not in schema:
        schema = schema.get("schema")
    spell: Callable[[Any], str] | None = None if schema is None else schema["serialization"].get("function")
    return spell


def _tidy(schema: Any, *, names: bool = False) -> Any:
    """Drop titles made of field names, null (files may not hold it), and the defaults of whole sections.

    Under `names`, keys are names of fields and not keywords.
    """
    if isinstance(schema, list):
        return [_tidy(item) for item in schema if item != {"type": "null"}]
    if not isinstance(schema, dict):
        return schema
    tidy = {
        key: _tidy(value, names=key in ("properties", "$defs") and not names)
        for key, value in schema.items()
        if names or not (key == "title" or (key == "default" and (value is None or isinstance(value, dict | list))))
    }
    if not names and len(tidy.get("anyOf", ())) == 1:
        return tidy.pop("anyOf")[0] | tidy
    return tidy


if __name__ == "__main__":
    (Path(kordon_proxy.__file__).parent / FILE_NAME).write_text(schema_text(), encoding="utf-8")
