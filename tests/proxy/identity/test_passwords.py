"""Hashes are computed aside, once for one password, and never for free where somebody might tell."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from kordon_proxy.identity.passwords import PasswordChecker, QueueFull
from kordon_proxy.identity.scrypt import ScryptHash
from kordon_proxy.identity.users import Credential, User, Users
from tests.proxy.identity.talk import NOON, PASSWORD, a_hash, a_user, compute, some_users


class Counting:
    """Counts the hashes, and can hold them back."""

    def __init__(self, *, held: bool = False) -> None:
        self.asked: list[tuple[ScryptHash, ...]] = []
        self.go = threading.Event()
        if not held:
            self.go.set()

    def __call__(self, password: str, hashes: tuple[ScryptHash, ...]) -> frozenset[int]:
        self.asked.append(hashes)
        self.go.wait(10)
        return compute(password, hashes)


def check(checker: PasswordChecker, users: Users, name: str = "alice", password: str = PASSWORD) -> str | None:
    found = asyncio.run(checker.check(users, name, password, NOON))
    return None if found is None else found[1].id


def with_credentials(*credentials: Credential) -> Users:
    return some_users(User(name="alice", credentials=credentials))


def test_a_password_that_was_right_is_not_hashed_again() -> None:
    counting = Counting()
    checker = PasswordChecker(compute=counting)

    assert [check(checker, some_users()) for _ in range(3)] == ["alice-1"] * 3
    assert len(counting.asked) == 1


def test_a_wrong_password_is_hashed_each_time() -> None:
    counting = Counting()
    checker = PasswordChecker(compute=counting)

    assert [check(checker, some_users(), password="wrong") for _ in range(3)] == [None] * 3
    assert len(counting.asked) == 3


def test_an_unknown_user_costs_one_hash_of_the_usual_cost() -> None:
    users = with_credentials(Credential(id="a", scrypt=replace(a_hash(PASSWORD), log_n=14)))
    counting = Counting()

    assert check(PasswordChecker(compute=counting), users, name="nobody") is None
    assert [hashes[0].log_n for hashes in counting.asked] == [14]


def test_a_credential_that_has_ended_costs_its_hash_and_lets_nobody_in() -> None:
    users = with_credentials(Credential(id="a", scrypt=a_hash(PASSWORD), expires=NOON))
    counting = Counting()

    assert check(PasswordChecker(compute=counting), users) is None
    assert len(counting.asked) == 1


def test_a_credential_that_ends_is_not_remembered_beyond_its_end() -> None:
    users = with_credentials(Credential(id="a", scrypt=a_hash(PASSWORD), expires=NOON + 10))
    checker = PasswordChecker(compute=compute)

    async def twice() -> tuple[object, object]:
        return await checker.check(users, "alice", PASSWORD, NOON), await checker.check(
            users, "alice", PASSWORD, NOON + 10
        )

    first, second = asyncio.run(twice())

    assert first is not None
    assert second is None


def test_while_a_password_is_changed_both_are_right() -> None:
    users = with_credentials(
        Credential(id="old", scrypt=a_hash("old-password")), Credential(id="new", scrypt=a_hash("new-password"))
    )
    checker = PasswordChecker(compute=compute)

    assert check(checker, users, password="old-password") == "old"
    assert check(checker, users, password="new-password") == "new"


def test_a_password_that_was_taken_away_is_not_remembered() -> None:
    checker = PasswordChecker(compute=compute)
    check(checker, some_users())

    assert check(checker, with_credentials(Credential(id="alice-2", scrypt=a_hash("other")))) is None


def test_a_password_that_was_changed_under_the_same_id_is_not_remembered() -> None:
    checker = PasswordChecker(compute=compute)
    check(checker, some_users())

    assert check(checker, with_credentials(Credential(id="alice-1", scrypt=a_hash("other")))) is None


def test_one_users_password_is_not_anothers() -> None:
    users = some_users(a_user("alice"), User(name="bob", credentials=(Credential(id="bob-1", scrypt=a_hash("bobs")),)))
    checker = PasswordChecker(compute=compute)
    check(checker, users, "alice")

    assert check(checker, users, "bob", PASSWORD) is None


def test_logins_that_come_together_share_one_hash() -> None:
    counting = Counting(held=True)
    checker = PasswordChecker(compute=counting)
    users = some_users()

    async def a_storm() -> list[object]:
        logins = [asyncio.ensure_future(checker.check(users, "alice", PASSWORD, NOON)) for _ in range(200)]
        await asyncio.sleep(0)
        counting.go.set()
        return await asyncio.gather(*logins)

    assert all(asyncio.run(a_storm()))
    assert len(counting.asked) == 1


def test_who_goes_away_does_not_take_the_hash_with_him() -> None:
    counting = Counting(held=True)
    checker = PasswordChecker(compute=counting)
    users = some_users()

    async def one_of_two_goes() -> object:
        goes, stays = (asyncio.ensure_future(checker.check(users, "alice", PASSWORD, NOON)) for _ in range(2))
        await asyncio.sleep(0)
        goes.cancel()
        await asyncio.sleep(0)
        counting.go.set()
        return await stays

    assert asyncio.run(one_of_two_goes()) is not None


def test_more_passwords_than_the_queue_holds_are_not_taken_and_later_ones_are() -> None:
    counting = Counting(held=True)
    checker = PasswordChecker(threads=2, queue=64, compute=counting)
    users = some_users()

    async def a_flood() -> Sequence[object]:
        logins = [asyncio.ensure_future(checker.check(users, "alice", f"guess-{i}", NOON)) for i in range(70)]
        await asyncio.sleep(0)
        counting.go.set()
        flood = await asyncio.gather(*logins, return_exceptions=True)
        assert await checker.check(users, "alice", PASSWORD, NOON) is not None
        return flood

    results = asyncio.run(a_flood())

    assert sum(isinstance(result, QueueFull) for result in results) == 4
    assert sum(result is None for result in results) == 66


@pytest.mark.parametrize("name", ["alice", "nobody"])
def test_known_and_unknown_users_cost_the_same_number_of_hashes(name: str) -> None:
    counting = Counting()

    check(PasswordChecker(compute=counting), some_users(), name, "wrong")

    assert [len(hashes) for hashes in counting.asked] == [1]


def test_nothing_in_the_process_keeps_the_password() -> None:
    checker = PasswordChecker(compute=compute)
    check(checker, some_users())

    assert PASSWORD not in repr(vars(checker))
    assert PASSWORD.encode() not in b"".join(checker._remembered.values())
