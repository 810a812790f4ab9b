"""What became of a request: the parts of a verdict that tests look at. Every message is encoded on the way."""

from typing import Any

from kordon_protocol.codec import decode_request, decode_response, encode
from kordon_proxy.judging.may import Access, May
from kordon_proxy.judging.verdict import Answer, Forward, Mended, Rewrite, Verdict


def answered(verdict: Verdict) -> Any:
    """The answer that the broker hears nothing of."""
    assert isinstance(verdict, Answer)
    return over_the_wire(verdict.response)


def forwarded(request: Any, verdict: Verdict) -> Any:
    """The request as the broker gets it."""
    assert isinstance(verdict, Forward | Rewrite)
    sent = verdict.request if isinstance(verdict, Rewrite) else request
    assert decode_request(sent.__api_key__, sent.__version__, encode(sent)) == sent
    return sent


def mended(verdict: Verdict, response: Any, may: May) -> Any:
    """The broker's answer as the client gets it. By the rights that the request was judged by, no more is decided."""
    assert isinstance(verdict, Forward | Rewrite)
    decided = tuple(may.notes)
    answer = over_the_wire(verdict.plan.mend(response, may) if isinstance(verdict.plan, Mended) else response)
    assert not decided or tuple(may.notes) == decided
    return answer


def over_the_wire(response: Any) -> Any:
    decoded = decode_response(response.__api_key__, response.__version__, encode(response))
    assert decoded == response
    return decoded


def hides(message: Any, name: str) -> bool:
    """Whether a message has no trace of a name."""
    return name.encode() not in encode(message)


def refused(may: May) -> list[tuple[str, str | None]]:
    """What the audit learns of refusals: how, and of what."""
    return [(str(note.access), note.name) for note in may.notes if note.access is not Access.ALLOWED]
