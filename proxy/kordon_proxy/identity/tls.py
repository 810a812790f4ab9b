"""TLS towards the brokers."""

import ssl
from pathlib import Path

from kordon_proxy.config.clusters import UpstreamTls


class TlsFault(OSError):
    """Certificates or keys that cannot be used, so that no broker can be reached. The message says which, and why."""


def tls_context(tls: UpstreamTls) -> ssl.SSLContext:
    """Return the context for connections to the brokers: TLS 1.2 and up, names verified unless `verify` is off.

    The caller gives `server_hostname`, the host under which the broker is known. Raises TlsFault.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies, host name included, and trusts nobody yet
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Not by default: the CAs that people make for Kafka often have no key identifiers.
    if tls.strict:
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    _trust(context, tls.ca)
    if tls.cert is not None:
        _show(context, tls.cert, tls.key)
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _trust(context: ssl.SSLContext, ca: Path | None) -> None:
    """Trust this file alone, or without one the machine's authorities."""
    if ca is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return
    try:
        context.load_verify_locations(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise TlsFault(f"cannot use the authorities in {ca}: {_reason(error)}") from None


def _show(context: ssl.SSLContext, cert: Path, key: Path | None) -> None:
    try:
        context.load_cert_chain(cert, key, password=_no_password)
    except (OSError, ssl.SSLError) as error:
        raise TlsFault(f"cannot use the certificate in {cert}: {_reason(error)}") from None
    except EncryptedKey:
        raise TlsFault(f"the key for {cert} is encrypted; keep it unencrypted, readable by Kordon only") from None


class EncryptedKey(Exception):
    """A key file asks for a password."""


def _no_password() -> str:
    # OpenSSL would ask on the terminal otherwise.
    raise EncryptedKey


def _reason(error: OSError) -> str:
    reason = getattr(error, "reason", None) or error.strerror or "unreadable"
    return str(reason).lower().replace("_", " ")
