"""Kordon's own log."""

import io
import json
import logging
import sys
import warnings
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog

from kordon_proxy.logs import Seldom, configure_logging

EVIL = "a\nforged line\r\x1b[31mred\x7f\x9b\u202eright to left\u2028next\ufeff"
CANARIES = {"password": "canary-1", "nested": {"sasl": [{"access_token": "canary-2"}]}, "url": "http://u:canary-3@h/"}


pytestmark = pytest.mark.usefixtures("logging_as_before")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def logged(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def fail() -> None:
    local_secret = "canary-local"  # noqa: F841 (what a traceback must not show)
    raise ValueError("it broke\nhere, password=canary-text")


@pytest.mark.parametrize(("setting", "coloured"), [("", True), ("1", False)])
def test_a_terminal_gets_colours_unless_its_owner_wants_none(
    monkeypatch: pytest.MonkeyPatch, setting: str, coloured: bool
) -> None:
    monkeypatch.setenv("NO_COLOR", setting)
    stream = Terminal()
    configure_logging(stream=stream)

    structlog.get_logger("kordon").info("policy_loaded", epoch=3)

    assert "policy_loaded" in stream.getvalue()
    assert ("\x1b" in stream.getvalue()) == coloured


def test_a_line_is_json_with_time_level_logger_and_event_in_front() -> None:
    stream = io.StringIO()
    configure_logging(format="json", stream=stream)

    structlog.get_logger("kordon").info("policy_loaded", epoch=3)

    (line,) = logged(stream)
    assert list(line) == ["timestamp", "level", "logger", "event", "epoch"]
    assert (line["level"], line["logger"], line["event"], line["epoch"]) == ("info", "kordon", "policy_loaded", 3)
    time = datetime.fromisoformat(line["timestamp"])
    assert time.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - time) < timedelta(minutes=1)


def test_what_libraries_log_leaves_the_same_way() -> None:
    stream = io.StringIO()
    configure_logging(format="json", stream=stream)

    logging.getLogger("aiokafka.producer").warning("topic %s is %s", "t", "away")

    (line,) = logged(stream)
    assert (line["level"], line["logger"], line["event"]) == ("warning", "aiokafka.producer", "topic t is away")


def test_what_aiokafka_repeats_is_told_once() -> None:
    stream = io.StringIO()
    configure_logging(format="json", stream=stream)

    for node in (1, 1, 2, 1):
        logging.getLogger("aiokafka").error("Unable connect to node with id %s", node)
        structlog.get_logger("kordon").error("own", node=node)

    events = [line["event"] for line in logged(stream)]
    assert events.count("own") == 4
    assert [event for event in events if event != "own"] == [
        "Unable connect to node with id 1",
        "Unable connect to node with id 2",
    ]


def test_what_aiokafka_repeats_is_told_again_a_minute_later_and_remembered_within_bounds() -> None:
    now = 0.0
    seldom = Seldom(lambda: now)

    def told(text: str) -> bool:
        return seldom.filter(logging.LogRecord("aiokafka.conn", logging.ERROR, "", 0, text, None, None))

    assert told("away")
    now = 59.9
    assert not told("away")
    now = 60.0
    assert told("away")
    assert not told("away")
    assert all(told(f"other {number}") for number in range(1000))
    assert told("away")


def test_a_logger_made_before_is_configured_as_well() -> None:
    log = structlog.get_logger("early")
    log.bind(a=1)
    stream = io.StringIO()
    configure_logging(format="json", stream=stream)

    log.info("later")

    assert logged(stream)[0]["event"] == "later"


@pytest.mark.parametrize(
    ("level", "seen"),
    [("debug", ["debug", "info", "error", "chatty"]), ("info", ["info", "error"]), ("error", ["error"])],
)
def test_only_the_level_that_was_asked_for_is_logged_and_libraries_keep_quiet(level: Any, seen: list[str]) -> None:
    stream = io.StringIO()
    configure_logging(format="json", level=level, stream=stream)
    log = structlog.get_logger("kordon")

    log.debug("debug")
    log.info("info")
    log.error("error")
    logging.getLogger("aiokafka").info("chatty")
    logging.getLogger("aiokafka.conn").debug("Request to kafka:9092 3: SaslAuthenticateRequest_v1(…)")

    assert [line["event"] for line in logged(stream)] == seen


@pytest.mark.parametrize("format", ["json", "console"])
def test_no_secret_comes_through(format: Any) -> None:  # noqa: A002
    stream = io.StringIO()
    configure_logging(format=format, level="debug", stream=stream)
    log = structlog.get_logger("kordon")

    log.info("hello", **CANARIES)
    log.warning("Bearer canary-canary")
    logging.getLogger("library").error("sent %s", {"password": "canary-4"})
    try:
        fail()
    except ValueError:
        log.exception("failed", token="canary-5")
        logging.getLogger("library").exception("failed as well")

    assert "canary" not in stream.getvalue()
    assert stream.getvalue().count("failed") >= 2


@pytest.mark.parametrize("format", ["json", "console"])
def test_a_client_can_forge_no_line_and_move_no_cursor(format: Any) -> None:  # noqa: A002
    stream = io.StringIO()
    configure_logging(format=format, stream=stream)

    structlog.get_logger("kordon").info(EVIL, client_id=EVIL, nested={"x": [EVIL]}, **{EVIL: 1})
    logging.getLogger("library").error(EVIL)

    text = stream.getvalue()
    assert text.count("\n") == 2
    assert len(text.splitlines()) == 2
    assert not set(text) & set("\r\x1b\x7f\x9b\u202e\u2028\ufeff")


def test_an_exception_is_a_field_without_local_variables() -> None:
    stream = io.StringIO()
    configure_logging(format="json", stream=stream)

    try:
        fail()
    except ValueError:
        structlog.get_logger("kordon").exception("failed", connection="c1")

    (line,) = logged(stream)
    (exception,) = line["exception"]
    assert (line["event"], line["connection"]) == ("failed", "c1")
    assert (exception["exc_type"], exception["exc_value"]) == ("ValueError", "it broke\nhere, password=***")
    assert exception["frames"][-1]["name"] == "fail"
    assert not any("locals" in frame for frame in exception["frames"])


def test_on_a_terminal_it_is_for_people_and_elsewhere_json() -> None:
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        configure_logging(stream=stream)
        structlog.get_logger("kordon").info("hello", a=1)

    assert "\x1b[" in terminal.getvalue()
    assert logged(pipe)[0]["event"] == "hello"


def test_a_traceback_on_a_terminal_can_be_read() -> None:
    stream = io.StringIO()
    configure_logging(format="console", stream=stream)

    try:
        fail()
    except ValueError:
        structlog.get_logger("kordon").exception("failed")

    assert "\nTraceback (most recent call last):\n" in stream.getvalue()
    assert "ValueError: it broke" in stream.getvalue()


def test_a_warning_is_a_line_too() -> None:
    stream = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        configure_logging(format="json", stream=stream)
        warnings.warn("watch out", UserWarning, stacklevel=1)

    assert "watch out" in logged(stream)[0]["event"]


def test_context_is_on_every_line() -> None:
    stream = io.StringIO()
    configure_logging(format="json", stream=stream)

    with structlog.contextvars.bound_contextvars(connection="c9"):
        structlog.get_logger("kordon").info("hello")
        logging.getLogger("library").warning("hello")

    assert [line["connection"] for line in logged(stream)] == ["c9", "c9"]


def test_a_closed_stream_is_nobodys_error(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logging(format="json")
    stream.close()

    structlog.get_logger("kordon").info("hello")


def test_it_goes_to_standard_error_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(format="json")

    structlog.get_logger("kordon").info("hello")

    captured = capsys.readouterr()
    assert (captured.out, json.loads(captured.err)["event"]) == ("", "hello")
    assert logging.getLogger().handlers[0].stream is sys.stderr  # type: ignore[attr-defined]
