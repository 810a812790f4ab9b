"""`kordon serve`: read the configuration and hand it to the server."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from kordon_proxy.config.findings import Finding, Refused
from kordon_proxy.config.load import load_config
from kordon_proxy.config.model import Config

from .report import MISTAKES, OK, UNTRIED, complain, print_findings, reason_and_file


def run(words: Sequence[str]) -> int:
    """Parse the command's own words, then serve. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="kordon serve", description="Serve until SIGTERM or SIGINT.")
    parser.add_argument("-c", "--config", type=Path, default=Path("kordon.yaml"), help="kordon.yaml")
    return serve(parser.parse_args(words).config)


def serve(path: Path) -> int:
    """Serve with the configuration of a file. Returns the exit code."""
    try:
        config = load_config(path)
    except Refused as refused:
        return _refused(refused.findings)
    except OSError as error:
        complain(f"cannot read {path}: {reason_and_file(error)}")
        return UNTRIED
    return _serve(config)


def _serve(config: Config) -> int:
    from kordon_proxy import server
    from kordon_proxy.audit.segments import AuditError
    from kordon_proxy.health import CannotServe
    from kordon_proxy.identity.tls import TlsFault
    from kordon_proxy.logs import configure_logging
    from kordon_proxy.policies import PolicyRefused

    configure_logging(level=config.log.level, format=config.log.format)
    try:
        server.serve(config)
    except PolicyRefused as refused:
        return _refused([Finding.of(found) for found in refused.findings])
    except Refused as refused:
        return _refused(refused.findings)
    except (AuditError, CannotServe, TlsFault) as error:
        complain(str(error))
        return MISTAKES
    except OSError as error:
        complain(f"cannot start: {reason_and_file(error)}")
        return UNTRIED
    return OK


def _refused(findings: Sequence[Finding]) -> int:
    print_findings(findings, sys.stderr)
    return MISTAKES
