"""TLS towards the brokers verifies unless told otherwise, and says which file is wrong."""

import ssl
from pathlib import Path

import pytest

from kordon_proxy.config.clusters import UpstreamTls
from kordon_proxy.identity.tls import TlsFault, tls_context


def test_brokers_are_verified_by_name_and_authority() -> None:
    context = tls_context(UpstreamTls())

    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT


def test_strict_asks_for_what_rfc_5280_asks_for() -> None:
    assert tls_context(UpstreamTls(strict=True)).verify_flags & ssl.VERIFY_X509_STRICT


def test_verify_false_verifies_nothing() -> None:
    context = tls_context(UpstreamTls(verify=False))

    assert context.verify_mode is ssl.CERT_NONE
    assert not context.check_hostname


@pytest.mark.parametrize("content", [None, "this is no certificate"])
@pytest.mark.parametrize("which", ["ca", "cert"])
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, which: str, content: str | None) -> None:
    path = tmp_path / "file.pem"
    if content is not None:
        path.write_text(content)

    with pytest.raises(TlsFault, match=r"file\.pem"):
        tls_context(UpstreamTls.model_validate({which: path}))


def test_an_authority_of_ones_own_is_the_only_one(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text(CA)

    context = tls_context(UpstreamTls(ca=path))

    assert len(context.get_ca_certs()) == 1


def test_without_one_the_machines_are_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "machine.pem"
    path.write_text(CA)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))

    assert len(tls_context(UpstreamTls()).get_ca_certs()) == 1


def test_an_encrypted_key_is_told_and_not_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "kordon.pem"
    path.write_text(CA + ENCRYPTED_KEY)

    with pytest.raises(TlsFault, match="encrypted"):
        tls_context(UpstreamTls(cert=path))


CA = """-----BEGIN CERTIFICATE-----
MIIBljCCAT2gAwIBAgIUGmYQTXi3FQi8OfXV8oDqnwfVGKgwCgYIKoZIzj0EAwIw
IDEeMBwGA1UEAwwVa29yZG9uIHRlc3QgYXV0aG9yaXR5MCAXDTI2MTEyNDA3MDcw
OVoYDzIxMjYxMDMxMDcwNzA5WjAgMR4wHAYDVQQDDBVrb3Jkb24gdGVzdCBhdXRo
b3JpdHkwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATW9bOHdUu8H54onb5qJrUs
UAssoArkFxkDZNveGSR+ejdSZon3l0tyFgrKB2Vtz8HmQnyJVxGyQ2YBDKpn+ezr
o1MwUTAdBgNVHQ4EFgQUaQ5OMlWT5uOe0pgJuY+/Dk36XAgwHwYDVR0jBBgwFoAU
aQ5OMlWT5uOe0pgJuY+/Dk36XAgwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQD
AgNHADBEAiAxO4yX4sPYogr2FzRuE0rxgtJltQLAL3zrLcDEzy65ZAIgGbjfxFlC
NsF7z335LgB76U9OOI70UA/XUdgKHM9Mp/8=
-----END CERTIFICATE-----
"""
# Of no key at all: it is asked for its password before anybody looks inside.
ENCRYPTED_KEY = """-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-128-CBC,00000000000000000000000000000000

AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
-----END EC PRIVATE KEY-----
"""
