"""Requests and answers of any version for the judges' tests, and a way through a judge without a session."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kordon_protocol.codec import decode_response, encode
from kordon_proxy.judging.may import May
from kordon_proxy.judging.table import Api
from kordon_proxy.judging.verdict import Answer, Forward, Mended, Plan, Relay, Rewrite


@dataclass(frozen=True, slots=True)
class Passage:
    """What became of a request: what the broker heard (None: nothing), and what the client got."""

    heard: Any
    got: Any


def pass_through(
    api: Api, request: Any, may: May, broker: Callable[[Any], Any], *, leaving: May | None = None
) -> Passage:
    """Judge a request, let the broker answer what is left of it, mend the answer under the rights at its leaving.

    Where these are the same, the answer brings no decision of its own.
    """
    assert api.judge is not None
    match api.judge(request, may):
        case Answer(response):
            heard = None
        case Forward(plan):
            heard, response = request, _mended(plan, broker(request), may, leaving)
        case Rewrite(wanted, plan):
            heard, response = wanted, _mended(plan, broker(wanted), may, leaving)
    # It must be fit to be sent, and read as it was meant.
    key, version = request.__api_key__, request.__version__
    assert decode_response(key, version, encode(response)) == response
    return Passage(heard, response)


def _mended(plan: Plan, response: Any, may: May, leaving: May | None) -> Any:
    assert isinstance(plan, Relay | Mended)
    decided = tuple(may.notes)
    answer = plan.mend(response, leaving or may) if isinstance(plan, Mended) else response
    assert tuple(may.notes) == decided
    return answer


def never(request: Any) -> Any:
    """A broker that must not be asked."""
    raise AssertionError(f"forwarded: {request}")


def row(apis: tuple[Api, ...], key: int) -> Api:
    (found,) = (api for api in apis if api.key == key)
    return found
