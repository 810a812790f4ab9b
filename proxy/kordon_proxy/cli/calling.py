"""What commands have alike that ask something: where and as whom, and what is said when there is no answer."""

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from .client import client_of, complaining

D = TypeVar("D")
P = ParamSpec("P")
_LAST: Final = "output"


def taking(
    describe: Callable[..., D],
) -> Callable[[Callable[Concatenate[D, P], None]], Callable[P, None]]:
    """Make commands of functions that take what others describe: a command has the options of `describe` in its place.

    They stand behind the function's own, but for how the answer is shown. What can go wrong becomes lines and an exit
    code.
    """
    options = tuple(signature(describe, eval_str=True).parameters.values())

    def made(function: Callable[Concatenate[D, P], None]) -> Callable[P, None]:
        @wraps(function)
        def command(**given: Any) -> None:
            described = {one.name: given.pop(one.name) for one in options}
            with complaining():
                function(describe(**described), **given)  # type: ignore[call-arg]

        _, *own = signature(function, eval_str=True).parameters.values()
        _say(command, sorted((*own, *options), key=lambda one: one.name == _LAST))
        return command  # type: ignore[return-value]

    return made


def _say(command: Callable[..., None], parameters: list[Parameter]) -> None:
    """Have a function say that it takes these, for Typer."""
    command.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in parameters}


calling: Final = taking(client_of)
"""Make a command at a running Kordon of a function that takes a client of it."""
