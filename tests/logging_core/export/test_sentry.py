import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

from tests.logging_core.export.conftest import EXPORTS, Connect
from tests.receivers import Answer, Sentry, items

SENTRY = EXPORTS[2]


@pytest.fixture
def sentry() -> Iterator[Sentry]:
    with Sentry() as sentry:
        yield sentry


def test_an_error_becomes_an_event_with_its_chain_of_exceptions(sentry: Sentry, connect: Connect) -> None:
    logger, handler = connect(SENTRY, sentry.port, environment="test", release="shop@1.2")
    fields = {"user_id": 7, "request_id": "r1", "endpoint": "orders.create", "trace_id": "ab" * 16, "sku": "A-1"}
    try:
        try:
            json.loads("{")
        except ValueError as error:
            raise LookupError("no order\nat all") from error
    except LookupError:
        logger.exception("order failed", extra=fields)
    assert handler.flush(20)
    (event,) = sentry.events
    assert (event["level"], event["logger"], event["platform"]) == ("error", "shop.api", "python")
    assert (event["environment"], event["release"]) == ("test", "shop@1.2")
    assert event["logentry"] == {"formatted": "order failed"}
    assert event["tags"] == {
        "service": "shop",
        "trace_id": "ab" * 16,
        "request_id": "r1",
        "endpoint": "orders.create",
    }
    assert (event["user"], event["transaction"], event["extra"]["sku"]) == ({"id": "7"}, "orders.create", "A-1")
    assert event["contexts"]["trace"]["trace_id"] == "ab" * 16
    cause, last = event["exception"]["values"]
    assert (cause["module"], cause["type"]) == ("json.decoder", "JSONDecodeError")
    assert cause["value"].startswith("Expecting property name")
    assert (last["type"], last["value"]) == ("LookupError", "no order\nat all")
    assert last["mechanism"] == {"type": "logging", "handled": True}
    (frame,) = last["stacktrace"]["frames"]
    assert frame["function"] == "test_an_error_becomes_an_event_with_its_chain_of_exceptions"
    assert frame["context_line"] == 'raise LookupError("no order\\nat all") from error'
    assert frame["in_app"]
    inner = cause["stacktrace"]["frames"][-1]
    assert (inner["module"], inner["in_app"]) == ("json.decoder", False)


def test_an_error_without_an_exception(sentry: Sentry, connect: Connect) -> None:
    logger, handler = connect(SENTRY, sentry.port)
    logger.critical("out of stock")
    assert handler.flush(20)
    (event,) = sentry.events
    assert event["level"] == "fatal"
    assert "exception" not in event


def test_breadcrumbs_are_the_records_before_it_in_the_same_trace(sentry: Sentry, connect: Connect) -> None:
    logger, handler = connect(SENTRY, sentry.port)
    sentry.answers = [Answer(503), Answer(429, headers={"Retry-After": "0"})]  # what is sent again is no crumb twice
    for trace in ("t1", "t2"):
        logger.info("begin %s", trace, extra={"trace_id": trace})
        logger.debug("think %s", trace, extra={"trace_id": trace})
    logger.info("of no trace")
    logger.error("t1 failed", extra={"trace_id": "t1"})
    logger.error("t1 failed again", extra={"trace_id": "t1"})
    logger.error("failed")
    assert handler.flush(20)
    crumbs = [[crumb["message"] for crumb in event["breadcrumbs"]["values"]] for event in sentry.events]
    assert crumbs == [["begin t1", "think t1"], ["begin t1", "think t1", "t1 failed"], ["of no trace"]]
    assert sentry.events[0]["breadcrumbs"]["values"][1]["level"] == "debug"


def test_breadcrumbs_take_little_memory(sentry: Sentry, connect: Connect) -> None:
    logger, handler = connect(SENTRY, sentry.port)
    for trace in range(1000):
        for _ in range(3):
            logger.info("x" * 1000, extra={"trace_id": str(trace)})
    for _ in range(100):
        logger.info("y", extra={"trace_id": "long"})
    logger.error("failed", extra={"trace_id": "long"})
    assert handler.flush(20)
    assert len(handler.sink._crumbs) == 100  # type: ignore[attr-defined]
    (event,) = sentry.events
    assert len(event["breadcrumbs"]["values"]) == 30


def test_what_shall_raise_no_alert_is_no_event(sentry: Sentry, connect: Connect) -> None:
    logger, handler = connect(SENTRY, sentry.port)
    logger.error("not found", extra={"alert": False})
    logger.error("failed", extra={"event": "unhandled_exception"}, exc_info=KeyError("sku"))
    assert handler.flush(20)
    (event,) = sentry.events
    assert event["logentry"]["formatted"] == "failed"
    assert event["exception"]["values"][0]["mechanism"]["handled"] is False


def test_a_quota_without_a_time_is_left_alone_for_a_minute(sentry: Sentry, connect: Connect) -> None:
    sentry.answers = [Answer(429)]
    logger, handler = connect(SENTRY, sentry.port)
    logger.error("failed")
    assert not handler.flush(1.0)
    assert len(sentry.requests) == 1


# -- beside the application's own SDK, in a process of its own: the SDK patches the standard library for good ----------


def with_sdk(sentry: Sentry, program: str) -> list[dict[str, Any]]:
    """Run the program, in which `dsn` is the project's; the events that came, in their order, each time they came."""
    beginning = f"""
import logging, sentry_sdk
from sentry_sdk.integrations.logging import LoggingIntegration
from logging_core.context import LoggingContext
from logging_core.export.sentry import before_send, sentry_handler
dsn = {sentry.dsn!r}
logger = logging.getLogger("shop.api")
logger.addHandler(logging.NullHandler())
"""
    ending = "\nsentry_sdk.flush(10)\nlogging.shutdown()\n"
    command = [sys.executable, "-c", beginning + textwrap.dedent(program) + ending]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    payloads = [payload for request in sentry.taken for kind, payload in items(request.body) if kind == "event"]
    return [json.loads(payload) for payload in payloads]


def test_beside_the_sdk_no_error_is_told_twice(sentry: Sentry) -> None:
    events = with_sdk(
        sentry,
        """
        sentry_sdk.init(dsn)
        logger.addHandler(sentry_handler(dsn, service="shop"))
        logger.error("once")
        """,
    )
    assert [event["logentry"]["message"] for event in events] == ["once"]
    assert events[0]["sdk"]["name"].startswith("sentry.python")


@pytest.mark.parametrize(
    "init",
    [
        "sentry_sdk.init(dsn, integrations=[LoggingIntegration(event_level=None)])",
        "sentry_sdk.init(dsn.replace('/42', '/43'), transport=lambda envelope: None)",
    ],
)
def test_beside_an_sdk_that_tells_this_project_of_no_records_ours_does(sentry: Sentry, init: str) -> None:
    events = with_sdk(
        sentry,
        f"""
        {init}
        logger.addHandler(sentry_handler(dsn, service="shop"))
        logger.error("once")
        """,
    )
    assert [event["logentry"].get("formatted") for event in events] == ["once"]
    assert events[0]["sdk"]["name"] == "tocsin"


def test_the_sdks_events_get_our_ids_and_our_redaction(sentry: Sentry) -> None:
    logged, captured = with_sdk(
        sentry,
        """
        sentry_sdk.init(dsn, before_send=before_send("shop"), send_default_pii=True)

        def fail(password):
            raise ValueError(len(password))

        with LoggingContext(trace_id="t1", request_id="r1"):
            logger.error("login with password=hunter2 failed", extra={"token": "hunter2"})
            try:
                fail("hunter2")
            except ValueError as error:
                sentry_sdk.capture_exception(error)
        """,
    )
    assert logged["tags"] == {"service": "shop", "trace_id": "t1", "request_id": "r1"}
    assert logged["logentry"]["message"] == "login with password=[redacted] failed"
    assert "hunter2" not in json.dumps(logged)
    assert captured["exception"]["values"][0]["stacktrace"]["frames"][-1]["vars"] == {"password": "[redacted]"}
