"""The command's side of the admin API: where it is, whose token, and what is said when it does not do it."""

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import typer

from kordon_proxy.config.findings import Mistake
from kordon_proxy.reasons import reason_of

from .options import DEFAULT_URL, CaFile, Tenant, TokenFile, Url
from .report import MISTAKES, UNTRIED, complain, json_text, print_told, shown

PREFIX: Final = "/admin/v1"
_SECONDS: Final = 30.0
_HINTS: Final = {
    "there is no cluster ": "; --cluster or KORDON_CLUSTER names another one, and `kordon status` shows them",
    "no tenant ": "; `kordon status` without --tenant or KORDON_TENANT tells which ones there are",
    "there is no temporary policy ": "; `kordon grants --ended` shows all",
    "there is no scheduled mutation ": "; `kordon scheduled list --ended` shows all",
    "there is no staged mutation ": "; `kordon staged list --ended` shows all",
}
"""What to do about what the API says, in the words of the command."""


_OF_TLS: Final = {
    "WRONG_VERSION_NUMBER": "there is no TLS at that port; say http:// in --url",
    "CERTIFICATE_VERIFY_FAILED": "its certificate is not to be trusted; --ca names the file of its authorities",
}


class Failure(Exception):
    """Why there is no answer. code: the command's exit code."""

    def __init__(self, message: str, code: int = UNTRIED, findings: list[dict[str, str]] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.findings = findings or []


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Calls the API as one principal in one tenant."""

    url: str = DEFAULT_URL
    token: str
    tenant: str | None = None
    ca: Path | None = None

    def call(
        self, method: str, path: str, *, body: Any = None, query: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Call an operation, and return what it answers. Raises Failure."""
        import ssl
        from importlib import metadata

        import httpx

        headers = {"Authorization": f"Bearer {self.token}", "User-Agent": f"kordon/{metadata.version('kordon')}"}
        if self.tenant is not None:
            headers["Kordon-Tenant"] = self.tenant
        asked = {key: value for key, value in (query or {}).items() if value is not None}
        url = f"{self.url.rstrip('/')}{PREFIX}{path}"
        try:
            verify = ssl.create_default_context(cafile=self.ca) if self.ca else True
        except OSError as error:
            reason = "it holds no certificates" if isinstance(error, ssl.SSLError) else reason_of(error)
            raise Failure(f"cannot read the authorities in {self.ca}: {reason}") from None
        try:
            # Not by a proxy of the environment: it would see the token.
            with httpx.Client(verify=verify, timeout=_SECONDS, trust_env=False) as client:
                answer = client.request(method, url, headers=headers, params=asked, json=body)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError):
            raise Failure(f"`{self.url}` is no address of an admin API, as in {DEFAULT_URL}") from None
        except httpx.TimeoutException:
            raise Failure(f"{self.url} has not answered within {_SECONDS:.0f} s") from None
        except (httpx.HTTPError, OSError) as error:
            raise Failure(f"cannot reach {self.url}: {_said(error)}") from None
        return _read(answer.status_code, answer.text, url)

    def listed(self, path: str, name: str, query: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Call an operation that lists, page by page, and return all of it in one answer. Raises Failure."""
        answer = self.call("GET", path, query=query)
        while answer["next"] is not None:
            more = self.call("GET", path, query={**(query or {}), "after": answer["next"]})
            answer = {**more, name: [*answer[name], *more[name]]}
        return answer


def _read(status: int, text: str, url: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Failure(f"{url} answers {status} and no JSON: is that the admin API of a Kordon?")
    if status < 400:
        return value
    detail = value.get("detail")
    if not isinstance(detail, str):
        raise Failure(f"{url} answers {status}: is that the admin API of a Kordon (`admin.api.bind`)?")
    code = UNTRIED if status in (401, 503) or (status == 404 and "openapi.json" in detail) else MISTAKES
    hint = next((hint for told, hint in _HINTS.items() if detail.startswith(told)), "")
    raise Failure(detail + hint, code, value.get("findings"))


def _said(error: Exception) -> str:
    """What the library says, as a part of a sentence and without the number that the system has for it; what to do."""
    said = re.sub(r"^\[Errno -?\d+\] ", "", str(error)).rstrip(".")
    for sign, meaning in _OF_TLS.items():
        if sign in said:
            return meaning
    hint = "is Kordon running, with `admin.api` in its configuration? --url names another address"
    return f"{said[:1].lower() + said[1:] or type(error).__name__}; {hint}"


def client_of(url: Url = DEFAULT_URL, token_file: TokenFile = None, tenant: Tenant = None, ca: CaFile = None) -> Client:
    """The client that options and environment describe. Raises Failure."""
    return Client(url=url, token=_token(token_file), tenant=tenant, ca=ca)


def _token(file: Path | None) -> str:
    if file is not None:
        try:
            token = file.read_text().strip()
        except OSError as error:
            raise Failure(f"cannot read the token in {file}: {reason_of(error)}") from None
        except UnicodeError:
            raise Failure(f"{file} holds no token") from None
    else:
        token = os.environ.get("KORDON_TOKEN", "").strip()
    if not token:
        where = f"{file} is empty" if file is not None else "there is no token"
        raise Failure(f"{where}: put one into KORDON_TOKEN or a --token-file; `kordon tokens add` makes one")
    if not token.isascii() or not token.isprintable() or " " in token:
        where = f"{file} holds no token" if file is not None else "KORDON_TOKEN is no token"
        raise Failure(f"{where}: it has letters in it that no token has")
    return token


def cluster_of(client: Client, cluster: str | None) -> str:
    """The cluster that is meant: the one that is named, or the only one that there is. Raises Failure."""
    if cluster is not None:
        return cluster
    known: list[str] = client.call("GET", "/status")["clusters"]
    if not known:
        raise Failure("there is no cluster in your tenant", MISTAKES)
    if len(known) > 1:
        raise Failure(f"which cluster? There are {', '.join(known)}: --cluster or KORDON_CLUSTER names one")
    return known[0]


def cluster_path(client: Client, cluster: str | None, *parts: str) -> str:
    """The path of a cluster, or of what is in it. Raises Failure."""
    return "/".join(["/clusters", *(quote(part, safe="") for part in (cluster_of(client, cluster), *parts))])


def checked_id(text: str, what: str, shows: str) -> str:
    """Return an id as a part of a path. Raises Mistake, with the command that `shows` ids, for what cannot be one."""
    if not text.isascii() or not text.isalnum():
        raise Mistake(f"`{text}` is no id of a {what}", f"`{shows}` shows them")
    return text


@contextmanager
def complaining() -> Iterator[None]:
    """Turn what can go wrong into lines and an exit code."""
    try:
        yield
    except Failure as failure:
        if failure.findings:
            print_told(failure.findings, sys.stderr)
        else:
            complain(shown(str(failure)))
        raise typer.Exit(failure.code) from None
    except Mistake as mistake:
        complain(shown(f"{mistake}; {mistake.hint}" if mistake.hint else str(mistake)))
        raise typer.Exit(UNTRIED) from None


def print_json(value: Any) -> None:
    """Print what the API answers, for programs."""
    sys.stdout.write(f"{json_text(value)}\n")
