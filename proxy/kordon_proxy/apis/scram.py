"""DescribeUserScramCredentials and AlterUserScramCredentials (KIP-554): who can log in at the brokers themselves.

A user is in the view if his principal is. Seeing needs no action; setting and deleting a credential takes `ACL_EDIT` on
the principal, as it decides who comes to the brokers. Whoever logs in at Kordon does so by Kordon's own users.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action, Kind
from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.entries import answer_type, in_place, make, respond, struct_type
from kordon_proxy.judging.may import May, Refusal
from kordon_proxy.judging.parts import judge_each
from kordon_proxy.judging.table import Api, Record
from kordon_proxy.judging.texts import constant_texts, spoken, without_free_texts
from kordon_proxy.judging.verdict import Answer, Forward, Mended, Rewrite, Verdict

from .topics import once_each
from .users import principal_of

MECHANISMS: Final = {1: "SCRAM-SHA-256", 2: "SCRAM-SHA-512"}
"""`ScramMechanism` of Kafka's client library."""
NOT_DELETED: Final = "Attempt to delete a user credential that does not exist"


def not_described(user: str) -> str:
    """What Kafka says of a user that it does not know."""
    return f"Attempt to describe a user credential that does not exist: {user}"


# DescribeUserScramCredentials


def judge_describe(request: Any, may: May) -> Verdict:
    """No name at all asks for everybody. It is passed on as an empty list: a null fails brokers where they refuse."""
    if not request.users:
        asked = replace(request, users=())
        return Forward(Mended(_cut)) if asked == request else Rewrite(asked, Mended(_cut))
    users, twice = once_each(request.users, lambda user: user.name)
    return judge_each(
        request if not twice else replace(request, users=users),
        lambda user: _twice(user.name) if user.name in twice else _may_describe(user.name, may),
        items="users",
        answers="results",
        key=lambda entry: entry.name if hasattr(entry, "name") else entry.user,
        plan=constant_texts("results"),
    )


def _twice(user: str) -> Refusal:
    text = f"Cannot describe SCRAM credentials for the same user twice in a single request: {user}"
    return Refusal(ErrorCode.duplicate_resource, text)


def _may_describe(user: str, may: May) -> Refusal | None:
    refusal = may.principal(None, principal_of(user))
    if refusal is not None and refusal.code is ErrorCode.resource_not_found:
        return replace(refusal, text=not_described(user))
    return spoken(refusal)


def _cut(response: Any, may: May) -> Any:
    """The order is Kordon's: that of a broker's hash tables would tell how many others there are."""
    seen = (result for result in response.results if may.sees(Kind.PRINCIPAL, principal_of(result.user)))
    kept = tuple(sorted(seen, key=lambda result: str(result.user)))
    return without_free_texts(replace(response, results=kept), "results")


# AlterUserScramCredentials


def judge_alter(request: Any, may: May) -> Verdict:
    """A user is answered once, whatever is asked for him."""
    upserted = {entry.name for entry in request.upsertions}
    names = tuple(dict.fromkeys(entry.name for entry in (*request.deletions, *request.upsertions)))
    asked = {name: _may_alter(name, may, only_deletes=name not in upserted) for name in names}
    refused = {name: refusal for name, refusal in asked.items() if refusal is not None}
    own = {place: _refused(request, name, refused[name]) for place, name in enumerate(names) if name in refused}
    if names and len(refused) == len(names):
        return Answer(respond(request, results=tuple(own.values())))

    def put_back(response: Any, _: May) -> Any:
        response = without_free_texts(response, "results")
        return replace(response, results=in_place(names, own, response.results, lambda result: result.user))

    return Rewrite(_without(request, refused), Mended(put_back)) if refused else Forward(Mended(put_back))


def _may_alter(user: str, may: May, *, only_deletes: bool) -> Refusal | None:
    """Outside the view there is nothing to delete, and what is set would come into being."""
    principal = principal_of(user)
    refusal = (
        may.principal(Action.ACL_EDIT, principal) if only_deletes else may.edit_principal(Action.ACL_EDIT, principal)
    )
    if refusal is not None and refusal.code is ErrorCode.resource_not_found:
        return replace(refusal, text=NOT_DELETED)
    return spoken(refusal)


def _refused(request: Any, user: str, refusal: Refusal) -> Any:
    entry = struct_type(answer_type(request), "results")
    return make(entry, user=user, error_code=refusal.code, error_message=refusal.text)


def _without(request: Any, names: Mapping[str, Refusal]) -> Any:
    return replace(
        request,
        deletions=tuple(entry for entry in request.deletions if entry.name not in names),
        upsertions=tuple(entry for entry in request.upsertions if entry.name not in names),
    )


def _altered(request: Any, _: Any) -> dict[str, object]:
    """Whose credentials, of which mechanism: never what they are made of."""
    deleted = [_told(entry) for entry in request.deletions]
    written = [_told(entry) | {"iterations": entry.iterations} for entry in request.upsertions]
    return {"deleted": deleted, "set": written}


def _told(entry: Any) -> dict[str, object]:
    return {"user": entry.name, "mechanism": MECHANISMS.get(entry.mechanism, str(entry.mechanism))}


APIS = (
    Api(
        key=ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS,
        name="DescribeUserScramCredentials",
        versions=range(1),
        judge=judge_describe,
        gives_away="names of users with mechanisms and iterations: cut to users of the view",
        needs=(),
    ),
    Api(
        key=ApiKey.ALTER_USER_SCRAM_CREDENTIALS,
        name="AlterUserScramCredentials",
        versions=range(1),
        judge=judge_alter,
        record=Record.EVENT,
        gives_away="texts, which become constant",
        needs=(Action.ACL_EDIT,),
        parameters=_altered,
    ),
)
