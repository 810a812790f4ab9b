"""Kordon's own log: one line an event, JSON in production, readable on a terminal.

`structlog.get_logger().info("policy_loaded", epoch=3)` and the standard library's logging (aiokafka, asyncio) leave
by the same handler, and through the same processors: what looks like a secret is masked, and control characters
are escaped, so that no client can forge a line or colour a terminal.
"""

import logging
import os
import sys
import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Literal, TextIO

import structlog
from structlog.processors import ExceptionRenderer
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor

from kordon_proxy.redaction import masked, masked_text

Format = Literal["auto", "json", "console"]
Level = Literal["debug", "info", "warning", "error"]

_CHATTY: Final = ("aiokafka", "asyncio")
_SILENT: Final = ("httpx", "httpcore")
"""Libraries that tell at every request where it goes, which with webhooks is a secret."""
_SELDOM: Final = 60.0
_MOST_REMEMBERED: Final = 1000
_FIRST: Final = ("timestamp", "level", "logger", "event")

# Control characters, and those that reorder or hide text (`Cf`, such as U+202E), below the point where scripts begin.
_ESCAPED: Final = {
    code: f"\\u{code:04x}"
    for code in (*range(0x2100), 0xFEFF)
    if unicodedata.category(chr(code)) in {"Cc", "Cf", "Zl", "Zp"}
}


def configure_logging(
    *,
    level: Level = "info",
    format: Format = "auto",  # noqa: A002
    stream: TextIO | None = None,
    always: Mapping[str, Any] | None = None,
) -> None:
    """Send all logging of this process to the stream (standard error), in place of what was configured before.

    always: what every line says, as which process it is from.
    `auto` is for people on a terminal and JSON elsewhere. Libraries may only warn, unless it is `debug`; and even then
    they do not say all: at that level aiokafka shows its requests, with passwords and what is in them.
    """
    stream = stream or sys.stderr
    shared: Sequence[Processor] = [*_SHARED, partial(_say_always, always)] if always else _SHARED
    is_console = format == "console" or (format == "auto" and stream.isatty())
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,  # or loggers made before this call would keep what was configured then
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=_console(colours=stream.isatty() and not os.environ.get("NO_COLOR")) if is_console else _JSON,
        )
    )
    handler.addFilter(Seldom())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.INFO if level == "debug" else logging.WARNING)
    for name in _SILENT:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # where a line cannot be written, neither can the complaint: that would raise


class Seldom(logging.Filter):
    """Lets the same line of aiokafka through once a minute: while no broker answers, it says so ten times a second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__("aiokafka")
        self._clock = clock
        self._told: dict[tuple[str, str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether the line is to be written."""
        if not super().filter(record):  # not aiokafka's
            return True
        line, now = (record.name, str(record.msg), repr(record.args)), self._clock()
        if line in self._told and now - self._told[line] < _SELDOM:
            return False
        if len(self._told) >= _MOST_REMEMBERED:
            self._told.clear()
        self._told[line] = now
        return True


def mask_secrets(logger: Any, method: str, event: EventDict) -> EventDict:  # noqa: ARG001 (structlog's signature)
    """Mask texts under names such as `password` or `token`, and what looks like a credential in any text."""
    scrubbed: EventDict = _scrubbed(masked(event))
    return scrubbed


def escape_control_characters(logger: Any, method: str, event: EventDict) -> EventDict:  # noqa: ARG001
    """Write what could forge a line or move a cursor as `\\u001b`."""
    return {
        str(key).translate(_ESCAPED): value.translate(_ESCAPED) if isinstance(value, str) else value
        for key, value in event.items()
    }


def put_first_things_first(logger: Any, method: str, event: EventDict) -> EventDict:  # noqa: ARG001
    """When, how bad, where, what: in the same place of every line."""
    return {**{key: event[key] for key in _FIRST if key in event}, **event}


def _say_always(always: Mapping[str, Any], logger: Any, method: str, event: EventDict) -> EventDict:  # noqa: ARG001
    return {**always, **event}


def _scrubbed(value: Any) -> Any:
    match value:
        case str():
            return masked_text(value)
        case dict():
            return {key: _scrubbed(item) for key, item in value.items()}
        case list():
            return [_scrubbed(item) for item in value]
        case _:
            return value


def _escape_after_repr(logger: Any, method: str, event: EventDict) -> EventDict:
    """For the console: a nested value is shown by `repr`, which escapes, a text as it is; so texts are escaped here.

    A traceback has its line feeds put back, as it stands below the line and not in it.
    """
    escaped = escape_control_characters(logger, method, event)
    if isinstance(trace := escaped.get("exception"), str):
        escaped["exception"] = trace.replace("\\u000a", "\n")
    return escaped


# Local variables stay out of tracebacks: they hold records, passwords and tokens.
_exceptions_as_fields = ExceptionRenderer(ExceptionDictTransformer(show_locals=False, max_frames=20))

_SHARED: Final[Sequence[Processor]] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
)

_JSON: Final[Sequence[Processor]] = (
    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
    _exceptions_as_fields,
    mask_secrets,
    put_first_things_first,
    structlog.processors.JSONRenderer(),  # ASCII: whatever is not comes out escaped
)


def _console(*, colours: bool) -> Sequence[Processor]:
    return (
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        mask_secrets,
        _escape_after_repr,
        structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback),
    )
