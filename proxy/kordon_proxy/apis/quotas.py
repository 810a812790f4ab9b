"""DescribeClientQuotas and AlterClientQuotas (KIP-546).

A quota of a named user, for all of his clients or for some, concerns nobody else: it is in the view if his principal
is. All others (of a client id, of an address, of whoever has none of his own) concern whoever comes to the brokers, so
they belong to the whole cluster. Seeing needs no action; altering takes `QUOTA_EDIT`, on the principal or the cluster.

Quotas hold for clients that come to the brokers directly, and for Kordon: brokers know all who come through it by one
principal, and by their client ids.
"""

from collections.abc import Hashable
from dataclasses import replace
from typing import Any, Final

from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action, Kind
from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.entries import respond
from kordon_proxy.judging.may import May, Refusal
from kordon_proxy.judging.parts import judge_each
from kordon_proxy.judging.table import Api, Record, event_unless_tried
from kordon_proxy.judging.texts import constant_texts, spoken, without_free_text
from kordon_proxy.judging.verdict import Answer, Forward, Mended, Verdict

from .users import principal_of

USER: Final = "user"
ADDRESS: Final = "ip"
TWICE: Final = Refusal(ErrorCode.invalid_request, "A quota entity has one name of each type.")


# DescribeClientQuotas


def judge_describe(request: Any, may: May) -> Verdict:
    """Of a user or an address outside the view there are no quotas. Whatever else is meant is cut from the answer."""
    if all(_may_be_named(component, may) for component in request.components):
        return Forward(Mended(_cut))
    if not may.outside_denied:
        return Answer(respond(request))
    told = spoken(Refusal(ErrorCode.cluster_authorization_failed))
    return Answer(respond(request, error_code=told.code, error_message=told.text, entries=None))


def _may_be_named(component: Any, may: May) -> bool:
    if component.match is None or component.entity_type not in (USER, ADDRESS):
        return True
    if component.entity_type == ADDRESS:
        return may.whole_cluster(None) is None
    return may.principal(None, principal_of(component.match)) is None


def _cut(response: Any, may: May) -> Any:
    """The order is Kordon's: that of a broker's hash tables would tell how many others there are."""
    if response.entries is None:
        return without_free_text(response)
    entries = sorted((entry for entry in response.entries if _is_seen(entry.entity, may)), key=_order)
    return replace(without_free_text(response), entries=tuple(entries))


def _is_seen(entity: tuple[Any, ...], may: May) -> bool:
    user = _named_user(entity)
    return may.standing.view.whole_cluster if user is None else may.sees(Kind.PRINCIPAL, principal_of(user))


def _named_user(entity: tuple[Any, ...]) -> str | None:
    """Whom alone a quota is for; None: it is for others too."""
    return next((part.entity_name for part in entity if part.entity_type == USER), None)


def _order(entry: Any) -> list[tuple[str, str]]:
    return sorted((part.entity_type, part.entity_name or "") for part in entry.entity)


# AlterClientQuotas


def judge_alter(request: Any, may: May) -> Verdict:
    """`validate_only` needs the same rights."""
    return judge_each(
        request,
        lambda entry: _may_alter(entry, may),
        items="entries",
        answers="entries",
        key=_entity,
        plan=constant_texts("entries"),
    )


def _may_alter(entry: Any, may: May) -> Refusal | None:
    if len({part.entity_type for part in entry.entity}) < len(entry.entity):
        return TWICE  # brokers take the last
    user = _named_user(entry.entity)
    if user is None:
        return spoken(may.whole_cluster(Action.QUOTA_EDIT))
    return spoken(may.edit_principal(Action.QUOTA_EDIT, principal_of(user)))


def _entity(entry: Any) -> Hashable:
    """Brokers answer by entity, its parts in any order, and once for each."""
    return frozenset((part.entity_type, part.entity_name) for part in entry.entity)


def _altered(request: Any, _: Any) -> dict[str, object]:
    """An entity's name of None is the default of that type, a value of None removes the quota."""
    quotas = [
        {
            "entity": {part.entity_type: part.entity_name for part in entry.entity},
            "values": {op.key: None if op.remove else op.value for op in entry.ops},
        }
        for entry in request.entries
    ]
    return {"quotas": quotas, "validate_only": request.validate_only}


APIS = (
    Api(
        key=ApiKey.DESCRIBE_CLIENT_QUOTAS,
        name="DescribeClientQuotas",
        versions=range(2),
        judge=judge_describe,
        gives_away="users, client ids and addresses with their quotas: cut to users of the view",
        needs=(),
    ),
    Api(
        key=ApiKey.ALTER_CLIENT_QUOTAS,
        name="AlterClientQuotas",
        versions=range(2),
        judge=judge_alter,
        record=Record.EVENT,
        record_of=event_unless_tried,
        gives_away="texts, which become constant",
        needs=(Action.QUOTA_EDIT,),
        parameters=_altered,
    ),
)
