"""What the tests of sessions share."""

from tests.proxy.sessions import links

__all__ = ["links"]
