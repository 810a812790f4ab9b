"""A client that is logged in: what was proved of it, and what follows from that under the snapshot of the moment."""

from dataclasses import replace
from typing import TYPE_CHECKING
from weakref import ref

from kordon_policy.own_rights import Author
from kordon_policy.snapshot import Snapshot

from .audit.event import Who
from .cluster.picture import Picture
from .identity.directory import Directory
from .identity.identify import identify_again
from .identity.values import Facts, Identity, Peer, Refused
from .judging.may import Standing
from .recorder import Recorder

if TYPE_CHECKING:
    from .listener import Listener


class Member:
    """Facts are stored, identity is derived: a new policy bites at the next request of an open connection."""

    __slots__ = (
        "_directory",
        "_listener",
        "_peer",
        "_picture",
        "_snapshot",
        "_standing",
        "facts",
        "identity",
        "lost",
        "meter",
        "recorder",
        "synthetic",
    )

    def __init__(
        self, listener: "Listener", facts: Facts, peer: Peer, identity: Identity, who: Who, real_cluster_id: str
    ) -> None:
        self.facts = facts
        self.identity = identity
        self.lost: str | None = None
        """Why the identity has lost its place; None while it has one."""
        self.meter = listener.meter(identity.tenant)
        self.synthetic = listener.synthetic(real_cluster_id, identity.tenant or "")
        self.recorder = Recorder(listener.audit, listener.upstream.name, who)
        self._listener = listener
        self._peer = peer
        self._snapshot: Snapshot | None = None
        self._directory: Directory | None = None
        self._picture: ref[Picture] | None = None
        """Weak, as a connection may be idle for long, and many of them would each keep another one."""
        self._standing: Standing | None = None

    @property
    def author(self) -> Author:
        """Who this is, to be kept with what he asks for."""
        identity = self.identity
        return Author(principal=identity.principal, roles=identity.roles, tenant=identity.tenant)

    def follows_from(self, snapshot: Snapshot, directory: Directory) -> None:
        """Take note of what the identity was made from: while these hold, it need not be made again."""
        self._snapshot, self._directory = snapshot, directory

    def logged_in_again(self, facts: Facts, identity: Identity) -> None:
        """A later login (KIP-368): from now on it is this one that has to hold."""
        self.facts, self._snapshot = facts, None
        self._become(identity)

    def _become(self, identity: Identity) -> None:
        """Nothing of it changes but the roles (`identify_again`, and KIP-368 which keeps the principal)."""
        if identity.roles != self.identity.roles:  # the audit says those by which it is judged
            self.recorder.who = replace(self.recorder.who, roles=tuple(sorted(identity.roles)))
        self.identity = identity

    def standing(self, picture: Picture) -> Standing | None:
        """What holds now; None when the identity lost its place: its credential, its roles, or its tenant."""
        snapshot = self._listener.policies.current()
        directory = self._listener.directory()
        if snapshot is not self._snapshot or directory is not self._directory:
            identity = identify_again(self.identity, self.facts, self._peer, snapshot, directory)
            if isinstance(identity, Refused):
                self.lost = identity.reason
                return None
            self._become(identity)
            self._snapshot, self._directory = snapshot, directory
        elif self._picture is not None and self._picture() is picture:
            return self._standing
        self._picture = ref(picture)
        self._standing = self._listener.upstream.standings.get(snapshot, picture, self.identity)
        return self._standing
