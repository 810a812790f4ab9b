"""What one connection may do and see, at one instant: the question that every judge asks.

The view is asked first and the policies second. Answers are remembered per standing (a kind of principal in a tenant
under one snapshot), so that a question costs a dictionary look-up, and noted per request, for the audit.
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

from kio.schema.errors import ErrorCode

from kordon_policy.access import SEEING, access_by, decide, is_in_view
from kordon_policy.access import Access as Access
from kordon_policy.actions import Action, Kind
from kordon_policy.decision import Decision, outside
from kordon_policy.memo import Bounded, Memo, has_short_name
from kordon_policy.model import EVERY_BROKER as EVERY_BROKER
from kordon_policy.model import EVERY_PRINCIPAL as EVERY_PRINCIPAL
from kordon_policy.model import Outside
from kordon_policy.rights import Rights
from kordon_policy.snapshot import Snapshot
from kordon_policy.view import View
from kordon_proxy.cluster.picture import Picture

from .connection import Connection
from .patterns import Matches
from .synthetic import SyntheticCluster

MEMO_LIMIT: Final = 50_000
"""Rulings kept per standing."""
REQUESTS: Final = 1_000
"""Requests per standing of which it is kept what became of them."""
QUESTIONS: Final = 16
"""Questions per standing for all topics, each of which may have megabytes."""
PATTERNS: Final = 256
"""Patterns per standing of which it is kept what they match."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not: Kafka's error code, and a text for answers that have room for one."""

    code: ErrorCode
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Ruling:
    """One question and its answer.

    `action` is None where only seeing was asked; `decision` is None outside the view. `beginning`: it is about all
    names that begin like this one.
    """

    access: Access
    action: Action | None
    kind: Kind | None
    name: str | None
    decision: Decision | None
    refusal: Refusal | None
    beginning: bool = False
    quiet: bool = field(init=False, repr=False, compare=False)
    """Whether it is a plain Allow, of which no shadow policy has anything to say."""
    asked: str = field(init=False, repr=False, compare=False)
    """The action, or what stands for it where only seeing was asked for; for audit and metrics."""

    def __post_init__(self) -> None:
        # Rulings are remembered and looked at for every request, so what follows from them is worked out once.
        quiet = self.refusal is None and (self.decision is None or self.decision.shadow is None)
        object.__setattr__(self, "quiet", quiet)
        object.__setattr__(self, "asked", self.action or SEEING)


DENIED_CODE: Final[Mapping[Kind | None, ErrorCode]] = {
    Kind.TOPIC: ErrorCode.topic_authorization_failed,
    Kind.GROUP: ErrorCode.group_authorization_failed,
    Kind.TRANSACTIONAL_ID: ErrorCode.transactional_id_authorization_failed,
    Kind.BROKER: ErrorCode.cluster_authorization_failed,
    Kind.PRINCIPAL: ErrorCode.cluster_authorization_failed,
    None: ErrorCode.cluster_authorization_failed,
}
NOT_FOUND_CODE: Final[Mapping[Kind | None, ErrorCode]] = {
    Kind.TOPIC: ErrorCode.unknown_topic_or_partition,
    Kind.GROUP: ErrorCode.group_id_not_found,
    Kind.TRANSACTIONAL_ID: ErrorCode.transactional_id_not_found,
    Kind.PRINCIPAL: ErrorCode.resource_not_found,
}
UNKNOWN_ID: Final = Refusal(ErrorCode.unknown_topic_id)


Question = tuple[bool, Action | None, Kind | None, str | None]


class Standing:
    """One kind of principal in its tenant of one cluster, under one snapshot and one set of inferred topics.

    Shared by all connections of the same kind. Its memo is bounded.
    """

    __slots__ = ("__weakref__", "_visible", "everything", "judged", "matches", "rights", "rulings", "snapshot", "view")

    def __init__(self, snapshot: Snapshot, view: View, rights: Rights) -> None:
        self.snapshot = snapshot
        self.view = view
        self.rights = rights
        self.rulings = Memo(self._judge, bound=MEMO_LIMIT, keeps=has_short_name)
        """Question (explicit view?, action, kind, name) -> ruling, worked out when it is asked for."""
        self.matches: Memo[tuple[str, str], Matches] = Memo(lambda _: Matches(), bound=PATTERNS)
        """Group and pattern -> which topics its members find by it, so that it is worked out once for all of them."""
        self.judged: Bounded[tuple[SyntheticCluster, bytes], Any] = Bounded(REQUESTS)
        """What became of requests, by the tenant's cluster and what they say (`repeats`)."""
        self.everything: Bounded[Hashable, bytes] = Bounded(QUESTIONS)
        """How a broker is asked for all topics that may be seen, by what distinguishes the questions."""
        self._visible: tuple[int, tuple[str, ...]] = (-1, ())

    def ruling(self, action: Action | None, kind: Kind | None, name: str | None, *, explicit: bool = False) -> Ruling:
        """Judge one action on one resource; `explicit` asks the view without what is inferred, as creating does."""
        return self.rulings[explicit, action, kind, name]

    def _judge(self, question: Question) -> Ruling:
        explicit, action, kind, name = question
        if not is_in_view(self.view, kind, name, explicit=explicit):
            return Ruling(Access.HIDDEN, action, kind, name, None, self._hidden(kind))
        if action is None:
            return Ruling(Access.ALLOWED, None, kind, name, None, None)
        decision = decide(self.rights, action, kind, name)
        access = access_by(decision)
        if access is Access.ALLOWED:
            return Ruling(access, action, kind, name, decision, None)
        code = ErrorCode.policy_violation if access is Access.STAGED else DENIED_CODE[kind]
        return Ruling(access, action, kind, name, decision, Refusal(code, decision.reason))

    def _hidden(self, kind: Kind | None) -> Refusal:
        denied = DENIED_CODE[kind]
        if self.view.outside is Outside.DENIED:
            return Refusal(denied)
        return Refusal(NOT_FOUND_CODE.get(kind, denied))

    def visible_topics(self, names: Iterable[str], version: int) -> tuple[str, ...]:
        """Those of the names that the view holds (remembered for this version of the names)."""
        if self._visible[0] != version:
            self._visible = (version, tuple(name for name in names if self.view.sees(Kind.TOPIC, name)))
        return self._visible[1]


class May:
    """The rights of one request, or of an answer that leaves under others than its request came under. Cheap to make.

    `notes` holds every ruling that was asked for, in order. So what was decided on a request and what was decided on
    its answer are two lists: under the very rights of its request an answer is not judged again.
    """

    __slots__ = (
        "cluster",
        "connection",
        "creates",
        "news",
        "notes",
        "picture",
        "quiet",
        "recordable",
        "standing",
        "unknown_topics",
    )

    def __init__(self, standing: Standing, picture: Picture, cluster: SyntheticCluster, connection: Connection) -> None:
        self.standing = standing
        self.picture = picture
        self.cluster = cluster
        self.connection = connection
        self.notes: list[Ruling] = []
        self.quiet = True
        """Unset when a ruling was no plain Allow: it is refused, or a shadow policy has something to say of it."""
        self.unknown_topics = False
        """Set when a topic or an id was asked for that the picture does not hold: a reason to look again soon."""
        self.news = False
        """Set when the answer tells of topics that the picture does not hold: it leaves when Kordon knows them, since
        what the client is told it may use."""
        self.creates = False
        """Set when a request that mostly only looks brings something into being, which is recorded as a mutation."""
        self.recordable = True
        """False while the audit log takes no mutation."""

    def __call__(self, action: Action | None, kind: Kind | None, name: str | None) -> Access:
        """Judge and note. `action` None: may it be seen?"""
        return self._ask(action, kind, name).access

    def ask(self, action: Action | None, kind: Kind | None, name: str | None) -> Refusal | None:
        """Judge and note. None: it may be done."""
        return self._ask(action, kind, name).refusal

    def outside(self, kind: Kind, name: str) -> Refusal:
        """The refusal for a name outside the view where a thing would come into being; its text says so."""
        return Refusal(DENIED_CODE[kind], outside(kind, name, self.standing.view.tenant))

    def _ask(self, action: Action | None, kind: Kind | None, name: str | None, *, explicit: bool = False) -> Ruling:
        ruling = self.standing.rulings[explicit, action, kind, name]
        self.note(ruling)
        return ruling

    def note(self, ruling: Ruling) -> None:
        """Keep a ruling for the audit and the metrics."""
        self.notes.append(ruling)
        if not ruling.quiet:
            self.quiet = False

    def sees(self, kind: Kind, name: str) -> bool:
        """Whether the view holds it. Not noted: lists are cut by it, and what is left out of a list is no denial."""
        return self.standing.view.sees(kind, name)

    def is_allowed(self, action: Action, kind: Kind | None, name: str | None) -> bool:
        """The same question for an answer's permission bits. Not noted: nobody tried to do it."""
        return self.standing.ruling(action, kind, name).access is Access.ALLOWED

    def topic(self, action: Action | None, name: str) -> Refusal | None:
        """Outside the view: the answer for a topic that does not exist, or as the tenant's `outside_view` says."""
        ruling = self.standing.rulings[False, action, Kind.TOPIC, name]
        self.notes.append(ruling)  # as `_ask` does; this is what every record that is written or read goes through
        if not ruling.quiet:
            self.quiet = False
        return ruling.refusal

    def topic_id(self, action: Action | None, topic_id: UUID | None) -> Refusal | None:
        """The same by id. An id that the view does not hold is unknown, whether it exists or not."""
        name = self.name_of(topic_id)
        return UNKNOWN_ID if name is None else self.topic(action, name)

    def name_of(self, topic_id: UUID | None) -> str | None:
        """The name behind an id of the view; None for every other id (and for the zero id, which kio gives as None)."""
        name = None if topic_id is None else self.picture.ids.get(topic_id)
        if name is None or not self.standing.view.sees(Kind.TOPIC, name):
            # Alike for an id that exists elsewhere and for one that does not: nobody may tell them apart.
            self.unknown_topics = True
            self.note(Ruling(Access.HIDDEN, None, Kind.TOPIC, str(topic_id), None, UNKNOWN_ID))
            return None
        return name

    def create_topic(self, name: str) -> Refusal | None:
        """Creating needs the explicit view; outside it is always the authorization error, with a text that says so."""
        return self._bring_into_being(Action.TOPIC_CREATE, Kind.TOPIC, name)

    def join(self, group: str) -> Refusal | None:
        """Be a member of a group, or commit as one. A group comes into being by it, so outside the view it is
        refused."""
        return self._bring_into_being(Action.GROUP_CONSUME, Kind.GROUP, group)

    def edit_group(self, group: str) -> Refusal | None:
        """Change a group's offsets or settings, which it may have before it is there: outside the view it is
        refused."""
        return self._bring_into_being(Action.GROUP_EDIT, Kind.GROUP, group)

    def transact(self, transactional_id: str) -> Refusal | None:
        """Use a transactional id. It comes into being by it, so outside the view it is refused."""
        return self._bring_into_being(Action.TRANSACTION_PRODUCE, Kind.TRANSACTIONAL_ID, transactional_id)

    def edit_principal(self, action: Action, principal: str) -> Refusal | None:
        """Give a principal a credential, a quota: outside the view it is refused."""
        return self._bring_into_being(action, Kind.PRINCIPAL, principal)

    def _bring_into_being(self, action: Action, kind: Kind, name: str) -> Refusal | None:
        ruling = self._ask(action, kind, name, explicit=kind is Kind.TOPIC)
        return self.told(self.outside(kind, name)) if ruling.access is Access.HIDDEN else ruling.refusal

    def told(self, refusal: Refusal) -> Refusal:
        """Say this in place of the last refusal: the audit tells what the client is told."""
        self.notes[-1] = replace(self.notes[-1], refusal=refusal)
        return refusal

    def group(self, action: Action | None, name: str) -> Refusal | None:
        """Outside the view: GROUP_ID_NOT_FOUND, for which a judge puts what its version says of a missing group."""
        return self._ask(action, Kind.GROUP, name).refusal

    def principal(self, action: Action | None, name: str) -> Refusal | None:
        """Outside the view: RESOURCE_NOT_FOUND, as Kafka says of users that it does not know."""
        return self._ask(action, Kind.PRINCIPAL, name).refusal

    def whole_cluster(self, action: Action | None) -> Refusal | None:
        """What concerns the cluster as a whole."""
        return self._ask(action, None, None).refusal

    def any_topic(self, action: Action) -> Decision:
        """Whether the action is allowed on any topic, whether one exists or not: a tenant may still be empty.

        Not noted: it is about no topic in particular.
        """
        return self.standing.rights.decide_somewhere(action, Kind.TOPIC)

    def visible_topics(self) -> tuple[str, ...]:
        """The names of all topics that exist and are in the view, sorted."""
        return self.standing.visible_topics(self.picture.names, self.picture.version)

    @property
    def outside_denied(self) -> bool:
        """Whether this tenant answers Kafka's authorization errors for names outside the view."""
        return self.standing.view.outside is Outside.DENIED
