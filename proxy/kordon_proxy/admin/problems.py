"""What the API says when it does not do what it was asked to: RFC 9457, `application/problem+json`.

Everything that can go wrong becomes one of these, in one place: what is wrong, whose fault it is, what to do.
"""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from kordon_policy.findings import Finding
from kordon_policy.lifecycle import NotPossible
from kordon_proxy.asking import Malformed, NoSuchMutation, NoSuchPolicy, NotGranted
from kordon_proxy.cluster.errors import UpstreamError
from kordon_proxy.cluster.errors import told as told_of_broker
from kordon_proxy.complaints import findings_of
from kordon_proxy.inspection import errors as inspection
from kordon_proxy.inspection.errors import Busy, Unreachable, Unusable
from kordon_proxy.inspection.plain import text
from kordon_proxy.store.interface import StoreUnavailable

log = structlog.get_logger()

MEDIA_TYPE: Final = "application/problem+json"


class Problem(Exception):
    """An answer that is no success. detail: a sentence for people."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        findings: Iterable[Finding] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.findings = tuple(findings)
        self.headers = headers


class NotThere(Exception):
    """There is no such thing in the tenant, whether it is there elsewhere or not."""


class FindingShape(BaseModel):
    """One mistake in a request."""

    severity: str
    path: str
    """Where in the request, as `policy.resource[1]`."""
    message: str
    hint: str


class ProblemShape(BaseModel):
    """RFC 9457."""

    title: str
    status: int
    detail: str
    findings: list[FindingShape] = []


_MEANINGS: Final = {
    HTTPStatus.BAD_REQUEST: "What is asked for is malformed; `findings` has every mistake.",
    HTTPStatus.UNAUTHORIZED: "No bearer token, or none that opens anything.",
    HTTPStatus.FORBIDDEN: "The policies do not allow it; it is in the audit.",
    HTTPStatus.NOT_FOUND: "There is no such thing in this tenant.",
    HTTPStatus.CONFLICT: "It is not possible as things are.",
    HTTPStatus.SERVICE_UNAVAILABLE: "What Kordon needs for it cannot be reached; try again.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The request is too large.",
}
RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    status.value: {"description": text, "content": {MEDIA_TYPE: {"schema": ProblemShape.model_json_schema()}}}
    for status, text in _MEANINGS.items()
}
"""What any operation may answer besides its success."""


def told(findings: Iterable[Finding]) -> list[dict[str, str]]:
    """Findings as the API tells them. What they repeat of a request may have halves of letters, which no answer can."""
    return [
        {
            "severity": str(one.severity),
            "path": text(one.path),
            "message": text(one.message),
            "hint": text(one.hint),
        }
        for one in findings
    ]


def handle_problems(app: FastAPI) -> None:
    """Turn every exception that an operation may raise into an answer."""

    def add(kind: type[Exception], make: Any) -> None:
        async def handler(_: Request, error: Exception) -> JSONResponse:
            return answer(make(error))

        app.add_exception_handler(kind, handler)

    add(Problem, lambda error: error)
    add(Malformed, lambda error: Problem(HTTPStatus.BAD_REQUEST, str(error), findings=error.findings))
    add(NotGranted, lambda error: Problem(HTTPStatus.FORBIDDEN, str(error)))
    add(NoSuchPolicy, lambda error: Problem(HTTPStatus.NOT_FOUND, str(error)))
    add(NoSuchMutation, lambda error: Problem(HTTPStatus.NOT_FOUND, str(error)))
    add(Unusable, lambda error: Problem(HTTPStatus.BAD_REQUEST, str(error), findings=getattr(error, "findings", ())))
    add(inspection.NotThere, lambda error: Problem(HTTPStatus.NOT_FOUND, str(error)))
    add(Busy, lambda error: Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error)))
    add(Unreachable, lambda error: Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error)))
    add(NotThere, lambda error: Problem(HTTPStatus.NOT_FOUND, str(error)))
    add(UpstreamError, _upstream)
    add(NotPossible, lambda error: Problem(HTTPStatus.CONFLICT, str(error)))
    add(StoreUnavailable, lambda error: Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error)))
    add(RequestValidationError, _malformed)
    add(HTTPException, _of_the_framework)
    add(Exception, _unforeseen)


def answer(problem: Problem) -> JSONResponse:
    """The response that tells it."""
    detail = text(problem.detail)
    body: dict[str, Any] = {"title": problem.status.phrase, "status": problem.status.value, "detail": detail}
    if problem.findings:
        body |= {"findings": told(problem.findings)}
    return JSONResponse(body, status_code=problem.status, headers=problem.headers, media_type=MEDIA_TYPE)


def _upstream(error: UpstreamError) -> Problem:
    log.warning("admin_call_failed", reason=str(error))
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, told_of_broker(error))


def _unforeseen(error: Exception) -> Problem:
    """A mistake of ours. What it is stands in Kordon's log, where whoever calls cannot look."""
    log.error("admin_call_failed", exc_info=error)
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "an error that nobody foresaw; Kordon's log tells more")


def _malformed(error: RequestValidationError) -> Problem:
    """A parameter of the address that is not what it should be."""
    findings = findings_of(error.errors())
    first = f"{findings[0].path}: {findings[0].message}" if findings else "the request is malformed"
    return Problem(HTTPStatus.BAD_REQUEST, first, findings=findings)


def _of_the_framework(error: HTTPException) -> Problem:
    """No such address, or none that takes this method."""
    details = {404: "there is nothing at this address; /admin/v1/openapi.json tells what there is"}
    detail = details.get(error.status_code, str(error.detail).lower())
    return Problem(HTTPStatus(error.status_code), detail, headers=error.headers)
