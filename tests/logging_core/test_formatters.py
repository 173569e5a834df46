import io
import json
import logging
import math
from datetime import datetime

import pytest
from flask import Flask, g

from logging_core import context
from logging_core.context import LoggingContext
from logging_core.formatters import CustomJsonFormatter, JsonFormatter


@pytest.fixture
def written():
    """A logger whose only handler is the application's own; `written()` is what it wrote."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(CustomJsonFormatter())
    logger = logging.getLogger("formatted")
    logger.addHandler(handler)
    logger.propagate = False
    logger.setLevel(logging.INFO)

    def read(formatter=None):
        if formatter is not None:
            handler.setFormatter(formatter)
            return None
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    yield logger, read
    logger.removeHandler(handler)
    logger.propagate = True


def test_a_record_has_the_names_of_our_files(written):
    logger, read = written
    logger.info("order %s placed", 7, extra={"total": 12.5})
    (record,) = read()
    assert list(record)[:4] == ["timestamp", "level", "logger", "message"]
    assert (record["level"], record["logger"], record["message"]) == ("INFO", "formatted", "order 7 placed")
    assert (record["module"], record["function"]) == (
        "test_formatters",
        "test_a_record_has_the_names_of_our_files",
    )
    assert (record["total"], record["thread"]) == (12.5, "MainThread")
    assert datetime.fromisoformat(record["timestamp"]).utcoffset().total_seconds() == 0


def test_a_format_names_the_fields(written):
    logger, read = written
    read(CustomJsonFormatter("%(timestamp)s %(level)s %(name)s %(message)s"))
    logger.info("placed", extra={"total": 12.5})
    (record,) = read()
    assert record.keys() == {"timestamp", "level", "name", "message", "total"}
    assert record["name"] == "formatted"


def test_an_exception_is_an_object(written):
    logger, read = written
    try:
        raise KeyError("x")
    except KeyError:
        logger.exception("failed")
    (record,) = read()
    assert (record["error"]["type"], record["error"]["message"]) == ("KeyError", "'x'")
    assert 'raise KeyError("x")' in record["error"]["stack"]
    assert "exc_info" not in record


def test_the_fields_in_force_are_there_and_the_records_own_win(written, monkeypatch):
    logger, read = written
    with LoggingContext(trace_id="t1", user_id="ann"):
        logger.info("one")
        logger.info("two", extra={"user_id": "bob"})
        monkeypatch.setattr(context, "span_source", lambda: {"trace_id": "s1", "span_id": "s2"})
        logger.info("three")
    one, two, three = read()
    assert (one["trace_id"], one["user_id"]) == ("t1", "ann")
    assert two["user_id"] == "bob"
    assert (three["trace_id"], three["span_id"]) == ("s1", "s2")


def test_within_a_request_the_request_is_described(written):
    logger, read = written
    with Flask("shop").test_request_context("/orders?token=x", method="POST", headers={"User-Agent": "curl/8"}):
        g.current_user_id = 7
        g.request_id = "r-1"
        logger.info("placed")
    logger.info("outside")
    record, outside = read()
    assert record["request"] == {"method": "POST", "path": "/orders", "ip": None, "user_agent": "curl/8"}
    assert (record["user_id"], record["request_id"]) == (7, "r-1")
    assert "request" not in outside


def test_what_json_cannot_hold_is_marked(written):
    logger, read = written
    cycle: list[object] = []
    cycle.append(cycle)
    logger.info("odd", extra={"ratio": math.nan, "cycle": cycle, "lone": "\ud800", "key": {1: object()}})
    (record,) = read()
    assert record["ratio"] == "nan"
    assert set(record["altered"]) >= {"ratio", "cycle.0", "lone"}


def test_an_encoder_of_the_applications_own_is_asked(written):
    logger, read = written
    read(CustomJsonFormatter(json_default=lambda value: "mine"))
    logger.info("odd", extra={"value": object()})
    assert read()[0]["value"] == "mine"


def test_a_subclass_adds_fields_as_with_the_library(written):
    class Mine(JsonFormatter):
        def add_fields(self, log_record, record, message_dict):
            super().add_fields(log_record, record, message_dict)
            log_record["level"] = record.levelname.lower()

    logger, read = written
    read(Mine("%(level)s %(message)s"))
    logger.info("x")
    assert read() == [{"level": "info", "message": "x"}]


def test_line_breaks_forge_no_record(written):
    logger, read = written
    logger.info('x\n{"level": "CRITICAL"}')
    assert len(read()) == 1


def test_secrets_are_hidden_unless_that_is_not_wanted(written):
    logger, read = written
    logger.info("in", extra={"password": "hunter2", "user": "ann"})
    read(CustomJsonFormatter(redact=False))
    logger.info("in", extra={"password": "hunter2"})
    hidden, shown = read()
    assert (hidden["password"], hidden["user"]) == ("[redacted]", "ann")
    assert shown["password"] == "hunter2"


def test_fields_in_force_fill_what_the_format_names(written):
    logger, read = written
    read(CustomJsonFormatter("%(message)s %(trace_id)s %(user_id)s"))
    with LoggingContext(trace_id="t1"):
        logger.info("one")
    (record,) = read()
    assert record == {"message": "one", "trace_id": "t1", "user_id": None} | {
        name: record[name] for name in ("timestamp", "level")
    }
