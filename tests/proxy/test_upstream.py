"""How connections to the brokers are made: the files of TLS may turn bad, and good again, while Kordon runs."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from kordon_proxy.config.clusters import Cluster, UpstreamTls
from kordon_proxy.identity.tls import TlsFault
from kordon_proxy.upstream import TlsFiles, client_settings
from tests.proxy.identity.test_tls import CA


def test_files_that_turn_bad_and_good_again_are_told_once_each(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text(CA)
    files = TlsFiles(UpstreamTls(ca=path), "prod")

    with capture_logs() as logs:
        files()
        path.write_text("this is no certificate")
        for _ in range(2):
            with pytest.raises(TlsFault):
                files()
        fault = files.fault
        files.look_again()
        path.write_text(CA)
        files.look_again()

    assert fault == f"cannot use the authorities in {path}: no certificate or crl found"
    assert files.fault is None
    assert [line["event"] for line in logs] == ["tls_files_unusable", "tls_files_usable"]
    assert (logs[0]["cluster"], logs[0]["reason"]) == ("prod", fault)


def test_clients_of_its_own_take_one_login_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(CA)
    logins = [{"mechanism": "PLAIN", "username": name, "password": f"{name}-secret"} for name in ("old", "new")]
    cluster = Cluster.model_validate(
        {"name": "prod", "bootstrap": "127.0.0.1:9092", "tls": {"ca": tmp_path / "ca.pem"}, "own_login": logins}
    )

    settings = [client_settings(cluster, turn) for turn in range(3)]

    assert [one["sasl_plain_password"] for one in settings] == ["old-secret", "new-secret", "old-secret"]
    assert {one["security_protocol"] for one in settings} == {"SASL_SSL"}
    (tmp_path / "ca.pem").write_text("this is no certificate")
    with pytest.raises(TlsFault, match="no certificate or crl found"):
        client_settings(cluster)
