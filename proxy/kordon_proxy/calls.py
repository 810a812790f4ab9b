"""Requests that come by no connection, or not any more: how they are read and judged.

They are judged by the judge of their API, as on the wire. What a judge wants to know of the cluster is asked, and the
answers are kept, so that it can be judged once more without waiting.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from kordon_policy.decision import printable
from kordon_policy.mutation_rights import Demand, Ground
from kordon_policy.own_rights import Author
from kordon_policy.rights import Rights, Staging
from kordon_policy.staged import Call
from kordon_policy.tenants import tenant_cluster_id
from kordon_protocol.codec import decode_request
from kordon_protocol.errors import ProtocolError
from kordon_protocol.outcomes import body_error_codes, error_name

from .cluster.errors import UpstreamUnavailable
from .judging.approvals import Approved
from .judging.connection import Connection
from .judging.may import Access, May, Standing
from .judging.synthetic import SyntheticCluster
from .judging.table import Api
from .judging.verdict import Answer, Ask, Verdict
from .policies import Policies
from .table import APIS
from .upstream import Upstream

AT_MOST_STALE: Final = 1.0
"""Seconds: how old the picture of the cluster may be that such a request is judged on."""
SCHEDULING: Final = "ScheduledMutation"
"""In place of the name of an API: offsets are to be scheduled, as the admin API is asked for it, in JSON."""
_LARGEST_READ: Final = 8 * 1024
"""Bytes of requests that are compared by what they say. A hundred are, and others must not be kept waiting for it."""
_BY_NAME: Final = {api.name: api for api in APIS.values()}


class Unreadable(Exception):
    """What was kept is no request that this Kordon can read; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Somebody's request to one cluster. broker: the one that it can be asked of alone, if there is one."""

    upstream: Upstream
    policies: Policies
    author: Author
    broker: int | None = None

    @property
    def ground(self) -> Ground:
        """What is judged on now. Raises UpstreamUnavailable while nobody knows the cluster."""
        picture = self.upstream.cluster.picture
        if picture is None:
            raise UpstreamUnavailable(f"cluster {self.upstream.name} has not been reached")
        names, inferred = self.upstream.standings.known(picture)
        return Ground(snapshot=self.policies.current(), names=names, inferred=inferred)

    def may_when_approved(self) -> May:
        """His rights now, if whatever is staged was approved. Raises UpstreamUnavailable."""
        ground = self.ground
        standing = Standing(ground.snapshot, self._view(ground), self._rights(ground, Staging.APPROVED))
        return self._may(standing)

    def may_by_approval(self, demands: Collection[Demand]) -> May:
        """His rights now for what was approved, and for nothing else. Raises UpstreamUnavailable."""
        ground = self.ground
        standing = Approved(
            ground.snapshot,
            self._view(ground),
            self._rights(ground, Staging.APPROVED),
            own=self._rights(ground, Staging.WAITS),
            demands=demands,
        )
        return self._may(standing)

    def _view(self, ground: Ground) -> Any:
        roles = self.author.roles
        return ground.snapshot.view(
            self.author.tenant, ground.names, ground.inferred, admin=ground.snapshot.is_admin(roles)
        )

    def _rights(self, ground: Ground, staging: Staging) -> Rights:
        return ground.snapshot.rights(self.author.roles, ground.names, self.author.principal, staging=staging)

    def _may(self, standing: Standing) -> May:
        picture = self.upstream.cluster.picture
        assert picture is not None, "the ground has seen to it"
        cluster_id = tenant_cluster_id(picture.cluster_id, self.author.tenant or "")
        return May(standing, picture, SyntheticCluster(cluster_id, _nowhere), Connection(self.broker))


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A verdict with the rights that it was asked of, and what the cluster was asked for it."""

    verdict: Verdict
    may: May
    answers: tuple[Any, ...] = ()

    @property
    def refused(self) -> str | None:
        """Why not all of it is allowed; None if it is."""
        for ruling in self.may.notes:
            if ruling.access is not Access.ALLOWED:
                refusal = ruling.refusal
                return (refusal and (refusal.text or error_name(refusal.code))) or str(ruling.access)
        if isinstance(self.verdict, Answer):
            return next(iter(errors_of(self.verdict.response)), "there is nothing to be done")
        return None


async def judge(api: Api, request: Any, case: Case, make_may: Callable[[], May]) -> Judged:
    """Judge a request, by rights that are asked for anew at each step. Raises UpstreamError."""
    assert api.judge is not None, "a request of it has been admitted"
    answers: list[Any] = []
    may = make_may()
    verdict = api.judge(request, may)
    while isinstance(verdict, Ask):
        answers.append(await case.upstream.cluster.ask(verdict.question, verdict.broker_id))
        may = make_may()
        verdict = verdict.decide(answers[-1], may)
    return Judged(verdict=verdict, may=may, answers=tuple(answers))


def judge_again(api: Api, request: Any, before: Judged, make_may: Callable[[], May]) -> Judged | None:
    """Judge it by the rights of now, and by what the cluster told before; None if that does not do any more."""
    assert api.judge is not None, "a request of it has been admitted"
    may = make_may()
    verdict = api.judge(request, may)
    for answer in before.answers:
        if isinstance(verdict, Ask):
            may = make_may()
            verdict = verdict.decide(answer, may)
    return None if isinstance(verdict, Ask) else Judged(verdict=verdict, may=may, answers=before.answers)


def read(call: Call) -> tuple[Api, Any]:
    """The API and the message of what was kept. Raises Unreadable."""
    api = _BY_NAME.get(call.api)
    if api is None or api.judge is None or call.version not in api.versions:
        raise Unreadable(f"this Kordon has no {call.api} of version {call.version}")
    try:
        return api, decode_request(api.key, call.version, call.request)
    except ProtocolError as error:
        raise Unreadable(f"it is no {call.api} of version {call.version}: {error}") from error


def are_alike(one: Call, other: Call) -> bool:
    """Whether both ask for the very same.

    Java's clients say with each request what is left of the time for which they wait, so that is left out.
    """
    if one == other:
        return True
    sizes = {len(one.request), len(other.request)}
    if replace(one, request=b"") != replace(other, request=b"") or len(sizes) > 1 or max(sizes) > _LARGEST_READ:
        return False
    try:
        (_, asked), (_, again) = read(one), read(other)
    except Unreadable:  # which is no request of Kafka's
        return False
    return hasattr(asked, "timeout") and replace(asked, timeout=again.timeout) == again


def errors_of(response: Any) -> Iterable[str]:
    """Each error in an answer, in a sentence: where it stands, and what Kafka calls it."""
    for place, code in body_error_codes(response):
        if code:
            yield f"{printable(place)}: {error_name(code)}" if place else error_name(code)


def _nowhere(_: int) -> tuple[str, int]:
    """Nobody is told where a broker is."""
    return "", -1
