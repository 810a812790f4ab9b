"""`kordon serve`: read the configuration and hand it to the server."""

import gc
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from kordon_proxy.config.findings import Finding, Refused, has_errors
from kordon_proxy.config.load import inspect_config
from kordon_proxy.config.model import Config
from kordon_proxy.reasons import reason_of
from kordon_proxy.without import UNUSED, without

from .check_certificates import unusable
from .report import MISTAKES, OK, UNTRIED, complain, print_findings


def serve(path: Path, workers: int | None = None) -> int:
    """Serve with the configuration of a file; `workers` in place of what it says. Returns the exit code."""
    gc.disable()  # configuration and modules stay: looking through them takes a tenth of the start, and finds nothing
    try:
        return _serve_by(path, workers)
    finally:
        gc.enable()


def _serve_by(path: Path, workers: int | None) -> int:
    try:
        loaded = inspect_config(path)
    except OSError as error:
        complain(f"cannot read {path}: {reason_of(error)}; --config names another file")
        return UNTRIED
    findings = list(loaded.findings)
    if loaded.parts is not None and loaded.document is not None:
        findings += unusable(loaded.parts, loaded.document)
    if loaded.config is None or has_errors(findings):
        return _refused(findings)
    return _serve(loaded.config if workers is None else loaded.config.model_copy(update={"workers": workers}), findings)


def _serve(config: Config, warnings: Sequence[Finding]) -> int:
    with without(*UNUSED):
        import structlog

        from kordon_proxy.logs import configure_logging
        from kordon_proxy.not_started import REASONS, why_not

        run = _server_of(config)
    configure_logging(level=config.log.level, format=config.log.format)
    log = structlog.get_logger()
    for warning in warnings:
        place = f"{warning.source}:{warning.line}:{warning.column}"
        log.warning("configuration_warning", place=place, where=warning.path, reason=warning.message, hint=warning.hint)
    gc.freeze()
    gc.enable()
    try:
        run(config)
    except Refused as refused:
        return _refused(refused.findings)
    except REASONS as error:
        complain(why_not(error, config))
        return UNTRIED
    return OK


def _server_of(config: Config) -> Callable[[Config], None]:
    if config.workers == 1:
        from kordon_proxy.server import serve
    else:  # the parent of workers serves nobody, and loads nothing for it
        from kordon_proxy.workers.supervisor import serve
    return serve


def _refused(findings: Sequence[Finding]) -> int:
    print_findings(findings, sys.stderr)
    return MISTAKES
