"""How an operation gets at the process."""

from typing import Annotated

from fastapi import Depends, Request

from .process import Process


def _process(request: Request) -> Process:
    process: Process = request.app.state.process
    return process


Working = Annotated[Process, Depends(_process)]
"""Put on a parameter of an operation: the process that it works with."""
