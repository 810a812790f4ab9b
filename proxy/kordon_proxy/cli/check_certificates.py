"""Certificates and keys that a configuration names: whether TLS takes them."""

from collections.abc import Iterator

from kordon_proxy.config.document import Document
from kordon_proxy.config.findings import Finding
from kordon_proxy.config.mistakes import finding
from kordon_proxy.config.parts import Parts
from kordon_proxy.identity.tls import TlsFault, tls_context


def unusable(parts: Parts, document: Document, *, private: bool = True) -> Iterator[Finding]:
    """Give a finding for each server with whose files TLS cannot be. Those that are missing are told elsewhere.

    With `private` false, Kordon's own certificate and key are not looked at: they are not here.
    """
    for where, given in parts.tls.items():
        tls = given if private else given.model_copy(update={"cert": None, "key": None})
        if all(path is None or path.is_file() for path in (tls.ca, tls.cert, tls.key)):
            try:
                tls_context(tls)
            except TlsFault as fault:
                yield finding(document, where, str(fault))
