"""How events are told to others by HTTP: the `audit.webhooks` part of `kordon.yaml`."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, ValidationInfo

from kordon_proxy.secrets import Secret

from .addresses import Address
from .findings import Mistake
from .section import Section
from .values import Duration, FilePath, Name, SecretText, reads_secrets

Verbosity = Literal["MUTATIONS", "QUERIES", "ALL"]


def _check_url(url: Secret, info: ValidationInfo) -> Secret:
    """Refuse what is no URL, and what would show the events to whoever is on the way. Never repeats the URL."""
    text = url.reveal()
    if not text and not reads_secrets(info):
        return url
    from pydantic import HttpUrl, TypeAdapter  # only here: it takes a while to load

    try:
        parsed = TypeAdapter(HttpUrl).validate_python(text)
    except ValidationError:
        raise Mistake("this is no URL", "as in https://hooks.example.com/kordon") from None
    host = (parsed.host or "").strip("[]")
    if parsed.scheme == "http" and not Address(host, 80).is_loopback and not info.data.get("allow_cleartext", True):
        raise Mistake(
            "events would cross the network in clear text", "https://…, or say `allow_cleartext: true` beside it"
        )
    return url


def _check_secret(secret: Secret | None, info: ValidationInfo) -> Secret | None:
    if secret is not None:
        if info.data.get("provider", "generic") != "generic":
            raise Mistake(f"{info.data['provider']} looks at no signature", "a secret is for `provider: generic`")
        if not secret.reveal() and reads_secrets(info):
            raise Mistake("a secret that is empty signs nothing", "some 32 random letters")
    return secret


class Webhook(Section):
    """An address that events are posted to."""

    name: Name
    """How metrics, readiness and the log call it: `webhook-<name>`."""
    provider: Literal["slack", "teams", "generic"]
    """slack, teams: messages for people, in a channel. generic: events as CloudEvents, for programs."""
    allow_cleartext: bool = False
    """true: the URL may begin with http:// although it leads to another machine."""
    url: Annotated[SecretText, AfterValidator(_check_url)]
    """Where to. Whoever knows a Slack or Teams URL can write into the channel, so it is kept as secrets are."""
    verbosity: Verbosity = "MUTATIONS"
    """MUTATIONS: changes, denials, temporary policies, policy files. QUERIES: what was read. ALL: every event."""
    secret: Annotated[SecretText | None, AfterValidator(_check_secret)] = None
    """For generic: what posts are signed with (HMAC-SHA256), so that the receiver knows who they are from."""
    batch: Annotated[int, Field(ge=1, le=1000)] = 100
    """For generic: events in one post at most. 1: each is posted by itself, and not in a list."""
    queue: Annotated[int, Field(ge=100)] = 10_000
    """Events of the journal that may wait for it while it fails. Of more, the oldest are given up, which is told."""
    timeout: Annotated[Duration, Field(gt=0, le=300)] = 10.0
    """How long one post may take."""
    ca: FilePath | None = None
    """PEM file of the authorities that the receiver's certificate comes from. Default: the machine's own."""


def check_webhooks(webhooks: Sequence[Any]) -> Any:
    """Refuse two of one name: it says how far each has got."""
    names = [webhook.name for webhook in webhooks]
    for name in names:
        if names.count(name) > 1:
            raise Mistake(f"two webhooks have the name `{name}`")
    return webhooks
