"""`kordon serve`: read the configuration and hand it to the server."""

import sys
from collections.abc import Sequence
from pathlib import Path

from kordon_proxy.config.findings import Finding, Refused, has_errors
from kordon_proxy.config.load import inspect_config
from kordon_proxy.config.model import Config
from kordon_proxy.reasons import reason_of

from .check_certificates import unusable
from .report import MISTAKES, OK, UNTRIED, complain, print_findings, reason_and_file


def serve(path: Path) -> int:
    """Serve with the configuration of a file. Returns the exit code."""
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
    return _serve(loaded.config, findings)


def _serve(config: Config, warnings: Sequence[Finding]) -> int:
    import structlog

    from kordon_proxy import server
    from kordon_proxy.audit.segments import AuditError
    from kordon_proxy.binding import CannotServe
    from kordon_proxy.identity.tls import TlsFault
    from kordon_proxy.logs import configure_logging
    from kordon_proxy.store.interface import StoreUnavailable

    configure_logging(level=config.log.level, format=config.log.format)
    log = structlog.get_logger()
    for warning in warnings:
        place = f"{warning.source}:{warning.line}:{warning.column}"
        log.warning("configuration_warning", place=place, where=warning.path, reason=warning.message, hint=warning.hint)
    try:
        server.serve(config)
    except Refused as refused:
        return _refused(refused.findings)
    except StoreUnavailable as error:
        complain(
            f"{error}; mend it, or name another file in `store.file`" if config.store.type == "sqlite" else str(error)
        )
        return UNTRIED
    except (AuditError, CannotServe, TlsFault) as error:
        complain(str(error))
        return UNTRIED
    except OSError as error:
        complain(f"cannot start: {reason_and_file(error)}")
        return UNTRIED
    return OK


def _refused(findings: Sequence[Finding]) -> int:
    print_findings(findings, sys.stderr)
    return MISTAKES
