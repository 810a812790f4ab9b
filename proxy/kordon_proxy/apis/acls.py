"""DescribeAcls, CreateAcls, DeleteAcls: the ACLs of the cluster, as far as they are about the tenant's own.

They hold for clients that come to the brokers directly: whoever comes through Kordon is there by Kordon's own
principal, and is judged by the policies. Seeing needs no action; to create or delete one takes `ACL_EDIT` on its
principal. What is in a tenant says `bindings`.

A filter that could match more than the tenant's own is never passed on to delete by. Kordon asks the cluster what it
matches, and deletes the tenant's bindings among that, one by one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from enum import Enum
from itertools import islice
from typing import Any, Final

from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action, Kind
from kordon_protocol.codec import request_type
from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.entries import answer_type, make, respond, struct_type
from kordon_proxy.judging.may import EVERY_PRINCIPAL, Access, May, Refusal, Ruling
from kordon_proxy.judging.parts import judge_each, refuse
from kordon_proxy.judging.table import Api, Record
from kordon_proxy.judging.texts import constant_text, constant_texts, spoken, without_free_text
from kordon_proxy.judging.verdict import Answer, Ask, Forward, Mended, Rewrite, Verdict

from .acl_filters import (
    exactly,
    is_clear,
    is_malformed,
    matches,
    may_have_resource,
    patterns_of,
    told_filter,
    widest,
)
from .bindings import (
    ALLOW,
    ANY,
    DENY,
    EVERY_NAME,
    EVERYBODY,
    KINDS,
    LITERAL,
    OPERATIONS,
    PREFIXED,
    Binding,
    has_principal,
    has_resource,
    told,
)

CAF: Final = ErrorCode.cluster_authorization_failed
NO_BINDING: Final = Refusal(
    ErrorCode.invalid_request,
    "An ACL is about a resource of a known type by a literal name or a prefix, and allows or denies a known operation.",
)
NO_FILTER: Final = Refusal(ErrorCode.invalid_request, "The filter has an unknown type, operation or permission.")
UNANSWERED: Final = spoken(Refusal(ErrorCode.request_timed_out))
MOST_UNCLEAR: Final = 100
"""Filters of one request that may have to be looked up, each of which is held against every ACL of the tenant."""
TOO_MANY: Final = Refusal(
    ErrorCode.invalid_request, f"More than {MOST_UNCLEAR} filters of one request could match what is not the tenant's."
)


def _may_edit(binding: Binding, may: May) -> Refusal | None:
    """Whether a binding may be created or deleted. Outside the view nothing may, and the text says so."""
    view, principal = may.standing.view, binding.principal
    if not has_principal(view, principal):
        return _outside(may, Kind.PRINCIPAL, principal, f"principal {principal}")
    refusal = _may_edit_those_of(principal, may)
    if refusal is not None:
        return refusal
    name = binding.resource_name
    if not has_resource(view, binding.resource_type, name, binding.pattern_type):
        return _outside(may, binding.kind, name, binding.resource)
    if binding.is_kordons_own:
        refusal = Refusal(CAF, f"{binding.resource} is Kordon's own")
        may.note(Ruling(Access.DENIED, Action.ACL_EDIT, binding.kind, name, None, refusal))
        return refusal
    _note_seen(binding.resource_type, name, binding.pattern_type, may)
    return None


def _note_seen(resource_type: int, name: str, pattern_type: int, may: May) -> None:
    """Note what an ACL is about, beside whom it is for: who approves it has to see that too."""
    kind = KINDS[resource_type]
    if kind is None:
        may.note(Ruling(Access.ALLOWED, None, None, None, None, None))
    else:
        every = pattern_type != PREFIXED and name == EVERY_NAME
        beginning = every or pattern_type == PREFIXED
        may.note(Ruling(Access.ALLOWED, None, kind, "" if every else name, None, None, beginning))


def _may_edit_those_of(principal: str, may: May) -> Refusal | None:
    """Ask for the right to edit ACLs of a principal of the view; for everybody's it is one on every principal."""
    return spoken(may.ask(Action.ACL_EDIT, Kind.PRINCIPAL, EVERY_PRINCIPAL if principal == EVERYBODY else principal))


def _outside(may: May, kind: Kind | None, name: str, what: str) -> Refusal:
    refusal = Refusal(CAF, f"{what} is outside the tenant {may.standing.view.tenant}")
    may.note(Ruling(Access.HIDDEN, Action.ACL_EDIT, kind, name, None, refusal))
    return refusal


def _named_outside(wanted: Any, may: May, action: Action | None) -> Refusal | None:
    """Note and give the refusal of a filter that names what is outside the view. None: it names nothing there."""
    view, principal, name = may.standing.view, wanted.principal_filter, wanted.resource_name_filter
    found: tuple[Kind | None, str]
    if principal is not None and not has_principal(view, principal):
        found = Kind.PRINCIPAL, principal
    elif not may_have_resource(view, wanted):
        found = KINDS.get(wanted.resource_type_filter, Kind.TOPIC), name
    else:
        return None
    refusal = spoken(Refusal(CAF if may.outside_denied else ErrorCode.resource_not_found))
    may.note(Ruling(Access.HIDDEN, action, *found, None, refusal))
    return refusal


# DescribeAcls


def judge_describe(request: Any, may: May) -> Verdict:
    """Of what is outside the view there are no ACLs."""
    if is_malformed(request):
        return refuse(request, NO_FILTER)
    refusal = _named_outside(request, may, None)
    if refusal is None:
        return Forward(Mended(_cut))
    return refuse(request, refusal) if refusal.code is CAF else Answer(respond(request))


def _cut(response: Any, may: May) -> Any:
    """The order is Kordon's: that of a broker's hash tables would tell how many others there are."""
    view, resources = may.standing.view, []
    for resource in response.resources:
        acls = tuple(sorted((one for one in resource.acls if has_principal(view, one.principal)), key=_order))
        if acls and has_resource(view, resource.resource_type, resource.resource_name, resource.pattern_type):
            resources.append(replace(resource, acls=acls))
    resources.sort(key=lambda resource: (resource.resource_type, resource.resource_name, resource.pattern_type))
    return replace(without_free_text(response), resources=tuple(resources))


def _order(acl: Any) -> tuple[Any, ...]:
    return acl.principal, acl.host, acl.operation, acl.permission_type


# CreateAcls


def judge_create(request: Any, may: May) -> Verdict:
    """What Kafka would not take is not passed on either: it would fail what is right beside it."""
    return judge_each(
        request,
        lambda creation: _may_create(creation, may),
        items="creations",
        answers="results",
        key=lambda _: None,  # the answers stand in the order of the request and say nothing else
        plan=constant_texts("results"),
    )


def _may_create(creation: Any, may: May) -> Refusal | None:
    if (
        creation.resource_type not in KINDS
        or creation.resource_pattern_type not in (LITERAL, PREFIXED)
        or creation.operation not in range(ANY + 1, len(OPERATIONS))
        or creation.permission_type not in (DENY, ALLOW)
    ):
        return NO_BINDING
    return _may_edit(Binding.created(creation), may)


def _created(request: Any, _: Any) -> dict[str, object]:
    return {"acls": [told(Binding.created(creation)) for creation in request.creations]}


# DeleteAcls


class Stand(Enum):
    """How a filter that is allowed stands to the view."""

    CLEAR = "clear"
    """It can match the tenant's own alone."""
    UNCLEAR = "unclear"
    """What it matches has to be found out first."""


def judge_delete(request: Any, may: May) -> Verdict | Ask:
    stands = _stands(request.filters, may)
    unclear = [wanted for wanted, stand in zip(request.filters, stands, strict=True) if stand is Stand.UNCLEAR]
    if not unclear:
        return _delete(request, stands, (), may)

    def knowing(answer: Any, now: May) -> Verdict:
        return _delete(request, _stands(request.filters, now), _own(answer, now), now)

    return Ask(make(request_type(ApiKey.DESCRIBE_ACLS, request.__version__), **widest(unclear)), knowing)


def _stands(filters: Iterable[Any], may: May) -> list[Stand | Refusal]:
    stands = [_stand(wanted, may) for wanted in filters]
    unclear = [place for place, stand in enumerate(stands) if stand is Stand.UNCLEAR]
    for place in unclear[MOST_UNCLEAR:]:
        stands[place] = TOO_MANY
    return stands


def _stand(wanted: Any, may: May) -> Stand | Refusal:
    if is_malformed(wanted):
        return NO_FILTER
    refusal = _named_outside(wanted, may, Action.ACL_EDIT)
    if refusal is None:
        principal = wanted.principal_filter
        refusal = _may_edit_some(may) if principal is None else _may_edit_those_of(principal, may)
    if refusal is not None:
        return refusal
    if not is_clear(may.standing.view, wanted):
        return Stand.UNCLEAR
    for pattern in patterns_of(wanted):
        _note_seen(wanted.resource_type_filter, wanted.resource_name_filter, pattern, may)
    return Stand.CLEAR


def _may_edit_some(may: May) -> Refusal | None:
    """Whether ACLs of any principal may be edited: who may not need not be told what there is to delete."""
    decision = may.standing.rights.decide_somewhere(Action.ACL_EDIT, Kind.PRINCIPAL)
    if decision.allowed:
        return None
    refusal = Refusal(CAF, decision.reason)
    may.note(Ruling(Access.DENIED, Action.ACL_EDIT, Kind.PRINCIPAL, "", decision, refusal))
    return refusal


@dataclass(frozen=True, slots=True)
class _Share:
    """What becomes of one filter: the filters that the broker gets for it, and what is answered here already."""

    sent: tuple[Any, ...] = ()
    refusal: Refusal | None = None
    refused: tuple[Any, ...] = ()
    """Bindings that it matches and that may not be deleted, as entries of the answer."""


Own = Sequence[Binding] | Refusal
"""The bindings of the tenant among which unclear filters are looked up, or why they are not known."""


def _own(answer: Any, may: May) -> Own:
    if answer is None:
        return UNANSWERED
    if answer.error_code is not ErrorCode.none:
        return spoken(Refusal(answer.error_code))
    return [binding for binding in Binding.described(answer) if binding.is_in(may.standing.view)]


def _delete(request: Any, stands: Iterable[Stand | Refusal], own: Own, may: May) -> Verdict:
    pairs = zip(request.filters, stands, strict=True)
    shares = [_share(request, wanted, stand, own, may) for wanted, stand in pairs]
    sent = tuple(wanted for share in shares for wanted in share.sent)
    if not sent:
        return Answer(respond(request, filter_results=_results(request, shares, ())))

    def put_together(response: Any, _: May) -> Any:
        return replace(response, filter_results=_results(request, shares, response.filter_results))

    return Rewrite(replace(request, filters=sent), Mended(put_together))


def _share(request: Any, wanted: Any, stand: Stand | Refusal, own: Own, may: May) -> _Share:
    if isinstance(stand, Refusal):
        return _Share(refusal=None if stand.code is ErrorCode.resource_not_found else stand)
    if stand is Stand.CLEAR:
        return _Share(sent=(wanted,))
    if isinstance(own, Refusal):
        return _Share(refusal=own)
    sent, refused = [], []
    for binding in own:
        if not matches(wanted, binding):
            continue
        refusal = _may_edit(binding, may)
        if refusal is None:
            sent.append(replace(wanted, **exactly(binding)))
        else:
            refused.append(_refused(request, binding, refusal))
    return _Share(sent=tuple(sent), refused=tuple(refused))


def _refused(request: Any, binding: Binding, refusal: Refusal) -> Any:
    entry = struct_type(answer_type(request), "filter_results", "matching_acls")
    return make(entry, **asdict(binding), error_code=refusal.code, error_message=refusal.text)


def _results(request: Any, shares: Sequence[_Share], answered: Iterable[Any]) -> tuple[Any, ...]:
    """One result for each filter of the request, made of those that the broker gave for its share."""
    entry, left = struct_type(answer_type(request), "filter_results"), iter(answered)
    return tuple(make(entry, **_result(share, tuple(islice(left, len(share.sent))))) for share in shares)


def _result(share: _Share, answered: tuple[Any, ...]) -> dict[str, Any]:
    failed = next((result.error_code for result in answered if result.error_code), ErrorCode.none)
    refusal = share.refusal or Refusal(failed, constant_text(failed))
    deleted = (without_free_text(one) for result in answered for one in result.matching_acls)
    return {
        "error_code": refusal.code,
        "error_message": refusal.text,
        "matching_acls": tuple(sorted((*deleted, *share.refused), key=Binding.deleted)),
    }


def _deleted(request: Any, response: Any) -> dict[str, object]:
    """What was asked for and, once the broker has answered, what is gone."""
    asked: dict[str, object] = {"filters": [told_filter(wanted) for wanted in request.filters]}
    if response is None:
        return asked
    gone = (one for result in response.filter_results for one in result.matching_acls if not one.error_code)
    return asked | {"deleted": [told(binding) for binding in sorted(set(map(Binding.deleted, gone)))]}


APIS = (
    Api(
        key=ApiKey.DESCRIBE_ACLS,
        name="DescribeAcls",
        versions=range(1, 4),
        judge=judge_describe,
        gives_away="every principal, host and name or prefix of a resource: cut to bindings of the tenant's own",
        needs=(),
    ),
    Api(
        key=ApiKey.CREATE_ACLS,
        name="CreateAcls",
        versions=range(1, 4),
        judge=judge_create,
        record=Record.EVENT,
        gives_away="texts, which become constant",
        needs=(Action.ACL_EDIT,),
        parameters=_created,
    ),
    Api(
        key=ApiKey.DELETE_ACLS,
        name="DeleteAcls",
        versions=range(1, 4),
        judge=judge_delete,
        record=Record.EVENT,
        gives_away="the bindings that are gone: only the tenant's own can be among them",
        needs=(Action.ACL_EDIT,),
        parameters=_deleted,
    ),
)
