"""A certificate authority for one test or demonstration, and certificates from it, made with openssl."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kordon_proxy.demo import prerequisites

_CONFIGURATION: Final = """
[req]
distinguished_name = name
prompt = no
[name]
CN = {common_name}
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[holder]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = {names}
"""
_KEY: Final = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Three PEM files: the certificate, its private key, and both in one."""

    certificate: Path
    key: Path
    both: Path


def make_authority(folder: Path, common_name: str = "demonstration") -> Certificate:
    """Make a self-signed authority in `folder`, which exists. Its certificate is what the others trust."""
    files = _files(folder, "authority")
    configuration = _configure(files, common_name, ("localhost",))
    asked = ("req", "-x509", *_KEY, "-keyout", files.key, "-out", files.certificate, "-days", "30")
    _openssl(*asked, "-config", configuration, "-extensions", "authority")
    return _joined(files)


def issue(
    authority: Certificate, folder: Path, common_name: str, *, names: Sequence[str] = ("localhost",)
) -> Certificate:
    """Issue a certificate for a server or a client; `names` are host names, and 127.0.0.1 is always one of them."""
    files = _files(folder, common_name)
    configuration = _configure(files, common_name, names)
    request = files.key.with_suffix(".csr")
    _openssl("req", *_KEY, "-keyout", files.key, "-out", request, "-config", configuration)
    signed = ("x509", "-req", "-in", request, "-out", files.certificate, "-days", "30", "-CAcreateserial")
    issuer = ("-CA", authority.certificate, "-CAkey", authority.key)
    _openssl(*signed, *issuer, "-extfile", configuration, "-extensions", "holder")
    return _joined(files)


def _files(folder: Path, name: str) -> Certificate:
    return Certificate(
        certificate=folder / f"{name}.crt",
        key=folder / f"{name}.key",
        both=folder / f"{name}.pem",
    )


def _configure(files: Certificate, common_name: str, names: Sequence[str]) -> Path:
    alternatives = ", ".join(["IP:127.0.0.1", *(f"DNS:{name}" for name in names)])
    configuration = files.key.with_suffix(".cnf")
    configuration.write_text(_CONFIGURATION.format(common_name=common_name, names=alternatives))
    return configuration


def _openssl(*arguments: str | Path) -> None:
    done = subprocess.run([prerequisites.openssl(), *arguments], check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"openssl {arguments[0]} failed: {done.stderr.strip()}")


def _joined(files: Certificate) -> Certificate:
    files.both.write_text(files.key.read_text() + files.certificate.read_text())
    return files
