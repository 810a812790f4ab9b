"""Each worker has the configuration that the parent read, with what is its own."""

import pickle
from pathlib import Path

import pytest

from kordon_proxy.config.load import inspect_config
from kordon_proxy.config.model import Config
from kordon_proxy.workers.job import Job, packed, settings_of, unpacked


@pytest.fixture
def config(tmp_path: Path) -> Config:
    file = tmp_path / "kordon.yaml"
    file.write_text(
        """
        workers: 3
        clusters:
          - name: prod
            bootstrap: "127.0.0.1:9092"
            own_login: {mechanism: PLAIN, username: kordon, password: "s3cret"}
        listeners:
          - {name: apps, bind: "127.0.0.1:19092", cluster: prod, identity: {principal: alice}}
        admin: {api: {tokens: tokens.yaml}}
        audit: {directory: log/audit}
        """
    )
    for name in ("tokens.yaml", "rbac.yaml"):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o600)
    found = inspect_config(file).config
    assert found is not None
    return found


def test_a_job_comes_as_it_was_given_with_its_secrets(config: Config) -> None:
    job = Job(number=2, instance="host-1-w2", parent=7, board=5, config=config, restarts=3)

    there = unpacked(packed(job))

    assert (there.number, there.instance, there.parent, there.board) == (2, "host-1-w2", 7, 5)
    assert there.restarts == 3
    assert there.config.clusters[0].own_login[0].password.reveal() == "s3cret"
    assert there.config.listeners == config.listeners


def test_nothing_else_can_pickle_a_secret_still(config: Config) -> None:
    packed(Job(number=2, instance="", parent=7, board=5, config=config))

    with pytest.raises(TypeError, match="a secret cannot be pickled"):
        pickle.dumps(config)


def test_the_first_worker_goes_on_with_the_journal_of_a_single_process(config: Config, tmp_path: Path) -> None:
    directories = [settings_of(config, number).audit.directory for number in (1, 2, 3)]

    assert directories == [tmp_path / "log/audit", tmp_path / "log/audit/worker-2", tmp_path / "log/audit/worker-3"]


def test_all_workers_have_the_store_of_a_single_process(config: Config, tmp_path: Path) -> None:
    assert {settings_of(config, number).store_file for number in (1, 2, 3)} == {tmp_path / "log/kordon.db"}


def test_the_first_worker_alone_serves_the_admin_api(config: Config) -> None:
    assert [settings_of(config, number).admin.api is not None for number in (1, 2, 3)] == [True, False, False]
