"""The temporary policies of this process: what the store holds, what time asks for, and what people ask for.

What is live is put in force, wherever it was made; and every transition is told to the audit.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import structlog

from kordon_policy.model import Compat
from kordon_policy.own_rights import Author, Judgement, judge_author, judge_view
from kordon_policy.temporary import (
    Change,
    Due,
    State,
    TemporaryPolicy,
    create,
    due,
    enforced,
    expire,
    renew,
    revoke,
    start,
)
from kordon_policy.temporary_record import from_record, to_record
from kordon_policy.temporary_request import HOUR, Asked, read_renewal, read_request

from .asking import Malformed, NoSuchPolicy, NotGranted, Places, author_of
from .audit.event import KORDON, Event, Who, new_id
from .audit.temporary import event_of
from .policies import Policies
from .store.book import Book
from .store.interface import Kind
from .store.ledger import Ledger

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What temporary policies are read and judged by. max_duration: in ms; None: there is no bound."""

    places: Callable[[], Places]
    compat: Compat
    max_duration: int | None = HOUR


class Grants:
    """All temporary policies, and how they change. Belongs to the event loop. The keeper of their book."""

    def __init__(self, ledger: Ledger, policies: Policies, rules: Rules) -> None:
        self._ledger = ledger
        self._policies = policies
        self._rules = rules
        self._clock = ledger.clock
        self._in_force: frozenset[str] = frozenset()
        read = partial(from_record, compat=rules.compat)
        self._book: Book[TemporaryPolicy] = Book(Kind.TEMPORARY_POLICY, ledger.clock, read=read, write=to_record)
        ledger.keep(self._book, self)

    # ---- what there is

    @property
    def all(self) -> tuple[TemporaryPolicy, ...]:
        """Every temporary policy there has been, as it is now."""
        return self._book.all

    @property
    def live(self) -> int:
        """How many are in force."""
        return len(self._in_force)

    def seen_by(self, who: Who) -> Iterator[TemporaryPolicy]:
        """Those wholly in somebody's tenant: for an administrator all of these, else those that are about him."""
        author, snapshot, known = author_of(who), self._policies.current(), self._rules.places().known
        is_admin = snapshot.is_admin(author.roles)
        for policy in self._book.all:
            is_his = policy.principal in (None, author.principal) and not author.roles.isdisjoint(policy.rule.roles)
            if (is_admin or is_his) and judge_view(policy.rule, author, snapshot, known).granted:
                yield policy

    # ---- what people ask for

    async def create(self, body: object, who: Who) -> Asked:
        """Make the temporary policy that somebody asks for, and return it, with notices that he should read.

        It is in force here when this returns, unless it starts later. Raises Malformed, NotGranted, StoreUnavailable.
        """
        async with self._ledger.changing():
            now, author = self._clock.wall(), author_of(who)
            snapshot, known = self._policies.current(), self._rules.places().known
            asked = read_request(
                body,
                policy_id=new_id(),
                author=author,
                snapshot=snapshot,
                known=known,
                now=now,
                max_duration=self._rules.max_duration,
            )
            if asked.policy is None:
                raise Malformed(asked.findings)
            judgement = judge_author(asked.policy.rule, author, snapshot, known)
            changes = create(asked.policy, judgement, now)
            if judgement.granted:
                events = [self._event(change, who, judgement) for change in changes]
                await self._ledger.add(self._book, changes[-1].policy, *events)
                return replace(asked, policy=changes[-1].policy)
        await self._ledger.tell(event_of(changes[0], who=who, judgement=judgement, epoch=snapshot.epoch))
        raise NotGranted(judgement.reason)

    async def revoke(self, policy_id: str, who: Who, reason: str = "") -> TemporaryPolicy:
        """End one before its time. Here it is over when this returns, on the others within a second.

        Raises NoSuchPolicy, NotGranted, NotPossible, StoreUnavailable.
        """

        def revoked(policy: TemporaryPolicy) -> tuple[Change, None]:
            return revoke(policy, self._now(policy), by=who.principal, reason=reason), None

        return await self._change(policy_id, who, revoked)

    async def renew(self, policy_id: str, body: object, who: Who) -> TemporaryPolicy:
        """Give one another end. Raises NoSuchPolicy, Malformed, NotGranted, NotPossible, StoreUnavailable."""

        def renewed(policy: TemporaryPolicy) -> tuple[Change, Judgement]:
            now = self._now(policy)
            asked = read_renewal(body, policy, now=now, max_duration=self._rules.max_duration)
            if not asked.possible:
                raise Malformed(asked.findings)
            judgement = self._judge(policy, author_of(who))
            if not judgement.granted:
                raise NotGranted(judgement.reason)
            change = renew(policy, asked.expires_ts, judgement, now, by=who.principal, reason=asked.reason)
            return change, judgement

        return await self._change(policy_id, who, renewed)

    async def _change(
        self, policy_id: str, who: Who, make: Callable[[TemporaryPolicy], tuple[Change, Judgement | None]]
    ) -> TemporaryPolicy:
        def changed() -> tuple[TemporaryPolicy, Event]:
            change, judgement = make(self._visible(policy_id, author_of(who)))
            return change.policy, self._event(change, who, judgement)

        return await self._ledger.change(self._book, changed)

    def _visible(self, policy_id: str, author: Author) -> TemporaryPolicy:
        """The policy, for an administrator in whose tenant all of it is."""
        snapshot = self._policies.current()
        if not snapshot.is_admin(author.roles):
            raise NotGranted(f"{author.principal} is no administrator")
        policy = self._book.get(policy_id)
        if policy is None or not judge_view(policy.rule, author, snapshot, self._rules.places().known).granted:
            raise NoSuchPolicy(f"there is no temporary policy {policy_id}")
        return policy

    # ---- what time asks for, and the ledger

    async def do_what_is_due(self) -> None:
        """Start and expire what is due. Raises StoreUnavailable."""
        for policy in self._book.running:
            now = self._now(policy)
            what = due(policy, now)
            if what is Due.EXPIRE:
                await self._take(expire(policy, now))
            elif what is Due.START and not self._is_unclear(policy):
                judgement = self._judge(policy, policy.author)
                await self._take(start(policy, judgement, now), judgement)

    def _now(self, policy: TemporaryPolicy) -> int:
        """The instant that it is for this policy, wherever the clock has been set meanwhile.

        That may have been before this process saw it first, so that it is not earlier than its end was counted from.
        """
        if policy.state is not State.LIVE:
            return self._clock.wall()
        return max(self._book.reached(policy), policy.counted_ts + self._book.watched(policy))

    def _is_unclear(self, policy: TemporaryPolicy) -> bool:
        """Could it be about a cluster whose id we do not know yet? To judge that now would refuse it for good."""
        places = self._rules.places()
        if places.complete:
            return False
        names = {name for clusters in places.known.values() for one in clusters for name in one}
        return any(path.domain_id is not None and path.domain_id not in names for path in policy.rule.paths)

    def _judge(self, policy: TemporaryPolicy, author: Author) -> Judgement:
        return judge_author(policy.rule, author, self._policies.current(), self._rules.places().known)

    # ---- store and force

    async def _take(self, change: Change, judgement: Judgement | None = None) -> None:
        """Bring what time asks for into the store, then in force here, unless somebody was quicker."""
        await self._ledger.take(self._book, change.policy, self._event(change, KORDON, judgement))

    def _event(self, change: Change, who: Who, judgement: Judgement | None) -> Event:
        return event_of(change, who=who, judgement=judgement, epoch=self._policies.snapshot.epoch)

    def refresh(self) -> None:
        """Put in force what is live and not over, whether or not the store has been told that it is over."""
        live = [
            policy
            for policy in self._book.running
            if policy.state is State.LIVE and due(policy, self._now(policy)) is not Due.EXPIRE
        ]
        in_force = frozenset(f"{policy.id}/{policy.revision}" for policy in live)
        # A clock that was in the future for a moment has made a snapshot drop what is not over.
        if in_force != self._in_force or len(live) != len(self._policies.lent):
            self._in_force = in_force
            snapshot = self._policies.lend(enforced(live))
            log.info("temporary_policies", live=len(live), epoch=snapshot.epoch)
