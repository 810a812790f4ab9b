"""Check passwords without stopping the event loop, and without hashing the same good one for every connection."""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Final

from .scrypt import HASH_SIZE, SALT_SIZE, ScryptHash, matches
from .users import Credential, User, Users

THREADS: Final = 2
QUEUE: Final = 64
REMEMBERED: Final = 10_000

Hash = Callable[[str, tuple[ScryptHash, ...]], frozenset[int]]


class QueueFull(Exception):
    """So many passwords wait for their hash that this one is not taken."""


class PasswordChecker:
    """Checks passwords in a few threads (the hash leaves Python's lock), shared by all connections of a process.

    A success is remembered as a BLAKE2b (RFC 7693) with a key of this process, so that a thousand connections of one
    service cost one hash; those that come while it is computed wait for it. An unknown user costs the same hash, of
    nothing.
    """

    def __init__(self, *, threads: int = THREADS, queue: int = QUEUE, compute: Hash = matches) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="kordon-password")
        self._limit = threads + queue
        self._compute = compute
        self._key = secrets.token_bytes(32)
        self._remembered: dict[str, bytes] = {}
        self._running: dict[bytes, asyncio.Future[frozenset[int]]] = {}
        self._nobody = (secrets.token_bytes(SALT_SIZE), secrets.token_bytes(HASH_SIZE))

    def recall(self, users: Users, name: str, password: str, now: float) -> tuple[User, Credential] | None:
        """Return what `check` would, where the password is remembered as right for a credential that is live.

        None: it has to be checked, which costs its hash whatever is wrong.
        """
        user = users.by_name.get(name)
        if user is None:
            return None
        for credential in user.credentials:
            label = _label(credential)
            known = self._remembered.get(label)
            if (
                known is not None
                and credential.is_live(now)
                and hmac.compare_digest(known, self._seal(label, password))
            ):
                return user, credential
        return None

    async def check(self, users: Users, name: str, password: str, now: float) -> tuple[User, Credential] | None:
        """Return the user and the credential that the password is right for; None for a wrong one or an unknown user.

        Raises QueueFull.
        """
        if (known := self.recall(users, name, password, now)) is not None:
            return known
        user = users.by_name.get(name)
        credentials = user.credentials if user is not None else ()
        live = tuple(credential for credential in credentials if credential.is_live(now))
        # Ended credentials are hashed too, or the time would tell that they have ended.
        hashes = tuple(credential.scrypt for credential in credentials) or (self._stand_in(users),)
        right = await self._hash(password, hashes)
        for index, credential in enumerate(credentials):
            if index in right and credential in live and user is not None:
                self._remember(credential, password)
                return user, credential
        return None

    def close(self) -> None:
        """Stop the threads; hashes that wait are given up."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _hash(self, password: str, hashes: tuple[ScryptHash, ...]) -> frozenset[int]:
        key = self._seal("\0".join(str(one) for one in hashes), password)
        running = self._running.get(key)
        if running is None:
            if len(self._running) >= self._limit:
                raise QueueFull(f"{self._limit} passwords wait for their hash")
            loop = asyncio.get_running_loop()
            running = loop.run_in_executor(self._executor, self._compute, password, hashes)
            self._running[key] = running
            running.add_done_callback(lambda _: self._running.pop(key, None))
        # Shielded: who disconnects must not cancel the hash that others wait for.
        return await asyncio.shield(running)

    def _remember(self, credential: Credential, password: str) -> None:
        if len(self._remembered) >= REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[_label(credential)] = self._seal(_label(credential), password)

    def _seal(self, label: str, password: str) -> bytes:
        text = f"{label}\0{password}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, key=self._key, digest_size=32).digest()

    def _stand_in(self, users: Users) -> ScryptHash:
        return ScryptHash(users.usual_cost, *self._nobody)


@lru_cache(maxsize=REMEMBERED)
def _label(credential: Credential) -> str:
    # The hash belongs to it: a password that is changed under the same id is another credential.
    return f"{credential.id}\0{credential.scrypt}"
