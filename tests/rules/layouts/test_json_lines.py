"""Lines of JSON as libraries write them; where one is installed, it writes them here."""

import io
import json
import logging
from datetime import UTC, datetime

import loguru
import pytest
import structlog
from pythonjsonlogger.json import JsonFormatter

from logging_core.record import Encoder
from rules.layouts import Header

DAY = "2026-02-19T10:30:00"
MILLI, WHOLE, MICRO = f"{DAY}.123000+00:00", f"{DAY}.000000+00:00", f"{DAY}.123456+00:00"
STACK = "Traceback (most recent call last):\n  File \"x.py\", line 1, in f\n    g()\nKeyError: 'sku'"
BOTH = {"message": "boom", "level": "error"}

CASES = [
    ({"@timestamp": f"{DAY}.123Z", "log.level": "error", "log.logger": "shop", "message": "boom",
      "error": {"stack_trace": STACK}}, MILLI, "ERROR", "shop", "boom", STACK),
    ({"@timestamp": f"{DAY}.123Z", "log": {"level": "error", "logger": "shop"}, "message": "boom"},
     MILLI, "ERROR", "shop", "boom", ""),
    ({"asctime": "2026-02-19 10:30:00,123", "levelname": "ERROR", "name": "shop", "message": "boom", "exc_info": STACK},
     MILLI, "ERROR", "shop", "boom", STACK),
    ({"level": 50, "time": 1771497000123, "name": "shop", "msg": "boom", "err": {"stack": "Error: b\n    at x"}},
     MILLI, "ERROR", "shop", "boom", "Error: b\n    at x"),
    ({"level": 30, "time": 1771497000123, "pid": 1, "msg": "ready"}, MILLI, "INFO", "", "ready", ""),
    ({"level": 60, "time": f"{DAY}.123Z", "hostname": "a", "msg": "boom", "v": 0}, MILLI, "CRITICAL", "", "boom", ""),
    ({"level": "error", "ts": 1771497000.123, "logger": "db", "msg": "boom", "stacktrace": "main.f\n\tx.go:1"},
     MILLI, "ERROR", "db", "boom", "main.f\n\tx.go:1"),
    ({"level": "error", "ts": 1771497000.123, "msg": "query failed", "error": "connection refused"},
     MILLI, "ERROR", "", "query failed: connection refused", ""),
    ({"level": "error", "time": 1771497000, "message": "boom"}, WHOLE, "ERROR", "", "boom", ""),
    ({"severity": "ERROR", "message": f"boom\n{STACK}", "time": f"{DAY}.123456789Z"},
     MICRO, "ERROR", "", "boom", STACK),
    ({"severity": "WARNING", "textPayload": "slow", "timestamp": f"{DAY}Z"}, WHOLE, "WARNING", "", "slow", ""),
    ({"severity": "NOTICE", "jsonPayload": {"message": "hm"}, "timestamp": {"seconds": 1771497000}},
     WHOLE, "NOTICE", "", "hm", ""),
    ({"timestamp": "2026-02-19 10:30:00.123 UTC", "error_severity": "FATAL", "message": "too many clients"},
     MILLI, "CRITICAL", "", "too many clients", ""),
    ({"t": {"$date": f"{DAY}.123+00:00"}, "s": "E", "c": "NETWORK", "msg": "boom"},
     MILLI, "ERROR", "NETWORK", "boom", ""),
    ({"version": "1.1", "short_message": "boom", "level": 3, "timestamp": 1771497000.123},
     MILLI, "ERROR", "", "boom", ""),
    ({"message": "boom", "levelno": 40, "created": 1771497000.123}, MILLI, "ERROR", "", "boom", ""),
    (BOTH | {"timestamp": f"{DAY}+00:00", "traceback": STACK.splitlines(keepends=True)},
     WHOLE, "ERROR", "", "boom", STACK + "\n"),
    (BOTH | {"message": "\x1b[31mboom\x1b[0m", "timestamp": f"{DAY}Z"}, WHOLE, "ERROR", "", "boom", ""),
    (BOTH | {"message": STACK, "timestamp": f"{DAY}Z"}, WHOLE, "ERROR", "", "KeyError: 'sku'", STACK),
    (BOTH | {"timestamp": f"{DAY}Z", "error": 7, "exception": True, "logger": 5}, WHOLE, "ERROR", "", "boom", ""),
    (BOTH | {"timestamp": "2026-02-30T10:30:00Z"}, "", "ERROR", "", "boom", ""),
    ({"detail": "what is this?"}, "", "", "", "what is this?", ""),
    ({"a": 1}, "", "", "", '{"a": 1}', ""),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_line_of_json_says_what_its_keys_do(layouts, case):
    record, *wanted = case
    for line in (json.dumps(record), json.dumps(record) + "\r\n"):
        assert layouts.header(line.encode()) == Header(*wanted, "json")
        assert layouts.begins(line.encode())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"level": "ERROR", "message": "a", "x": NaN}', "a"),
        (b'{"level": "ERROR", "message": "gr\xfc\xdfe"}', "gr��e"),
        (b'{"level": "ERROR", "message": "\\ud800"}', "\\ud800"),
        (b'{"level": "ERROR", "message": "a\tb"}', "a\tb"),
    ],
)
def test_json_that_is_none_in_part_is_read(layouts, line, message):
    header = layouts.header(line)
    assert (header.level, header.message, header.layout) == ("ERROR", message, "json")


@pytest.mark.parametrize(
    "line",
    [
        b'{"level":"INFO","timestamp":"2026-02-19T10:30:00Z","logger":"shop","message":"cut o',
        b'{"level":"INFO","timestamp":"2026-02-19T10:30:00Z","logger":"shop"} and more',
        b'{"level":"INFO","timestamp":"2026-02-19T10:30:00Z","logger":"shop","x":' + b"[" * 100_000,
    ],
    ids=["cut", "more", "deep"],
)
def test_of_broken_json_the_level_is_still_read(layouts, line):
    header = layouts.header(line)
    assert header[:3] == (WHOLE, "INFO", "shop")
    assert header.message.startswith('{"level":"INFO"')


def _raised():
    try:
        {}["sku"]
    except KeyError as error:
        return error


def _record(error):
    return logging.LogRecord(
        "shop.orders", logging.ERROR, __file__, 12, "order %d failed", (7,), (type(error), error, error.__traceback__)
    )


def test_our_own_lines(layouts):
    record = _record(_raised())
    record.created = 1771497000.123
    header = layouts.header(Encoder("shop").encode(record))
    assert header[:4] == (MILLI, "ERROR", "shop.orders", "order 7 failed")
    assert header.stack.startswith("Traceback (most recent call last):\n  File")
    assert header.stack.rstrip().endswith("KeyError: 'sku'")


@pytest.mark.parametrize(
    "formatter",
    [
        JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"),
        JsonFormatter("{asctime}{levelname}{name}{message}", style="{", timestamp=True),
        JsonFormatter(
            "%(asctime)s %(levelname)s %(name)s %(message)s",
            rename_fields={"levelname": "severity", "name": "logger", "asctime": "timestamp", "exc_info": "exception"},
        ),
    ],
)
def test_python_json_logger(layouts, formatter):
    header = layouts.header(formatter.format(_record(_raised())).encode())
    assert header[1:4] == ("ERROR", "shop.orders", "order 7 failed")
    assert header.timestamp
    assert header.stack.endswith("KeyError: 'sku'")


@pytest.mark.parametrize("traceback", [structlog.processors.format_exc_info, structlog.processors.dict_tracebacks])
def test_structlog(layouts, traceback):
    written = io.StringIO()
    logger = structlog.wrap_logger(
        structlog.PrintLogger(written),
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            traceback,
            structlog.processors.JSONRenderer(),
        ],
    )
    try:
        {}["sku"]
    except KeyError:
        logger.exception("order failed", order=7)
    header = layouts.header(written.getvalue().encode())
    assert header[1:4] == ("ERROR", "", "order failed")
    assert header.timestamp.startswith(datetime.now(UTC).isoformat()[:8])
    assert header.stack.startswith("Traceback (most recent call last):\n")
    assert ", in test_structlog" in header.stack
    assert header.stack.endswith("sku'")


def test_structlog_on_the_console(layouts):
    written = io.StringIO()
    for colours in (False, True):
        logger = structlog.wrap_logger(
            structlog.PrintLogger(written),
            processors=[
                structlog.stdlib.add_log_level,
                structlog.processors.TimeStamper(fmt="iso"),
                structlog.dev.ConsoleRenderer(colors=colours),
            ],
        )
        logger.bind(logger="shop.orders").error("order failed", order=7)
    for line in written.getvalue().splitlines():
        assert layouts.header(line.encode())[1:4] == ("ERROR", "shop.orders", "order failed order=7")


@pytest.fixture
def written():
    """What a loguru logger of the test writes, and how to add it."""
    lines: list[str] = []
    numbers: list[int] = []
    loguru.logger.remove()
    yield lambda **options: numbers.append(loguru.logger.add(lines.append, **options)) or lines
    for number in numbers:
        loguru.logger.remove(number)


def test_loguru_serialised(layouts, written):
    lines = written(serialize=True)
    try:
        {}["sku"]
    except KeyError:
        loguru.logger.exception("order failed")
    header = layouts.header(lines[0].encode())
    assert header[1:4] == ("ERROR", json.loads(lines[0])["record"]["name"], "order failed")
    assert abs(datetime.fromisoformat(header.timestamp).timestamp() - datetime.now(UTC).timestamp()) < 60
    assert header.stack.startswith("Traceback (most recent call last):\n")
    assert header.stack.rstrip().endswith("KeyError: 'sku'")


@pytest.mark.parametrize("colorize", [False, True])
def test_loguru_as_text(layouts, written, colorize):
    lines = written(colorize=colorize)
    loguru.logger.error("order failed")
    assert layouts.header(lines[0].encode())[1:4] == ("ERROR", __name__, "order failed")
