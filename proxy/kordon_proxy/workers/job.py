"""What a worker is told when it begins. The parent alone reads the configuration: once, also for workers of later."""

import copyreg
import io
import pickle
from dataclasses import dataclass
from typing import Any, Final

from kordon_proxy.audit.journals import directory_of
from kordon_proxy.config.model import Config
from kordon_proxy.secrets import Secret

FIRST: Final = 1
"""The worker that serves the admin API, and goes on with the journal that a single process has written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Which worker it is, of which Kordon (`instance`), started by which process, and its configuration.

    board: the descriptor of the memory that all of them share. restarts: how many processes of it there were before.
    """

    number: int
    instance: str
    parent: int
    board: int
    config: Config
    restarts: int = 0


def packed(job: Job) -> bytes:
    """The job as bytes, with secrets, which otherwise cannot be pickled: for the worker alone."""
    out = io.BytesIO()
    pickler = pickle.Pickler(out)
    pickler.dispatch_table = copyreg.dispatch_table | {Secret: lambda secret: (Secret, (secret.reveal(),))}
    pickler.dump(job)
    return out.getvalue()


def unpacked(content: bytes) -> Job:
    """The job of these bytes, which come from the parent."""
    job = pickle.loads(content)  # noqa: S301 -- from the process that started this one, by sockets of theirs alone
    assert isinstance(job, Job)
    return job


def settings_of(config: Config, number: int) -> Config:
    """The configuration as one worker has it: with a journal of its own, and for the first alone the admin API."""
    directory = directory_of(config.audit.directory, number)
    changes: dict[str, Any] = {
        "audit": config.audit.model_copy(update={"directory": directory}),
        # By default it is beside the journal, and there is one for all.
        "store": config.store.model_copy(update={"file": config.store_file}),
    }
    if number != FIRST:
        changes["admin"] = config.admin.model_copy(update={"api": None})
    return config.model_copy(update=changes)
