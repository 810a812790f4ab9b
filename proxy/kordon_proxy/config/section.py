"""What all sections of a file have in common."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A mapping of the file. Immutable once read. The text under each field is its documentation: see `schema`."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
    )
