"""How an operation gets at the process."""

from typing import Annotated

from fastapi import Depends, Path, Request

from .process import Process


def _process(request: Request) -> Process:
    process: Process = request.app.state.process
    return process


Working = Annotated[Process, Depends(_process)]
"""Put on a parameter of an operation: the process that it works with."""
Id = Annotated[str, Path(max_length=100)]
"""The id of something in the store. What is refused of it stands in the audit."""
