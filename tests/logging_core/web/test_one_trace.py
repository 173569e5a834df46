"""From a request over HTTP to the last task that it leads to: one trace id, whichever processes work on it."""

import sys
from pathlib import Path

import pytest

from logging_core import context
from logging_core.context import LoggingContext
from logging_core.web import carrier
from tests.logging_core.web.test_celery import Worker
from tests.logging_core.web.web_server import WebServer

UVICORN = [sys.executable, "-m", "uvicorn", "tests.logging_core.web.fastapi_front:app", "--port", "{port}"]


def test_a_request_and_its_tasks_have_one_trace_id(redis_server: str, tmp_path: Path) -> None:
    worker = Worker(tmp_path / "records.log", "-l", "INFO", "-c", "2")
    with WebServer(UVICORN, tmp_path / "records.log") as api:
        worker.wait_for(logger="celery.apps.worker")
        answer = api.client.post("/orders/7", headers={"X-Trace-ID": "from-the-browser"})
        runs = worker.wait_for(3, event="task", trace_id="from-the-browser")
        [access] = api.wait_for(event="api_access", trace_id="from-the-browser")
    worker.end()
    assert {each["request_id"] for each in [*runs, access]} == {answer.headers["X-Request-ID"]}
    assert answer.json() in {each["task_id"] for each in runs}
    assert access["process"] not in {each["process"] for each in runs}


def test_a_queue_of_ones_own_carries_it_too() -> None:
    with LoggingContext(trace_id="trace-1", user_id=7, basket=3):
        message = carrier.outgoing(["user_id", "absent"])
    assert message == {"trace_id": "trace-1", "user_id": 7}
    with LoggingContext(**carrier.incoming(message)):
        assert dict(context.fields()) == message


def test_the_current_span_wins() -> None:
    context.use_spans(lambda: {"trace_id": "a" * 32, "span_id": "b" * 16})
    try:
        with LoggingContext(trace_id="trace-1"):
            assert carrier.outgoing() == {"trace_id": "a" * 32}
    finally:
        context.use_spans(None)


def test_nothing_in_force_is_nothing_sent() -> None:
    assert carrier.outgoing() == {}


@pytest.mark.parametrize("carried", [None, "text", 5, [("a", 1)], {"trace_id": "two\nlines"}, {1: 2, "a b": 3}])
def test_what_no_sender_of_ours_sent_is_left(carried: object) -> None:
    assert carrier.incoming(carried) == {}


def test_what_is_sent_and_what_is_taken_is_bounded_and_harmless() -> None:
    class Hostile:
        def __str__(self) -> str:
            raise RuntimeError

    with LoggingContext(trace_id="trace-1", user_id=Hostile(), basket="\ud800" * 1000, total=2**70):
        message = carrier.outgoing(["user_id", "basket", "total"])
    assert message == {"trace_id": "trace-1", "user_id": "<Hostile>", "basket": "?" * 256, "total": str(2**70)}
    assert carrier.incoming(message) == message
    assert carrier.incoming({"basket": "x" * 1000}) == {"basket": "x" * 256}
