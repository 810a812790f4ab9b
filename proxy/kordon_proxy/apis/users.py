"""Kafka's users, as credentials and quotas name them, are principals of the type `User`."""

from typing import Final

USER: Final = "User:"


def principal_of(user: str) -> str:
    """The name that ACLs and policies have for a user."""
    return USER + user
