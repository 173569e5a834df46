"""Spans that reach a collector, and their ids in records: in processes of their own, since a provider is for good."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from celery import chain
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.logging_core.web import celery_shop
from tests.logging_core.web.test_celery import Worker
from tests.waiting import free_port, wait_until
from tests.web_servers import gunicorn

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Collector:
    """Takes spans by OTLP over HTTP."""

    def __init__(self) -> None:
        collector = self
        self.spans: list[tuple[str, str, str, str]] = []  #: service, name, trace id, span id
        self.paths: set[str] = set()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    raise AssertionError("not expected")
                collector.paths.add(self.path)
                collector.take(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def take(self, request: ExportTraceServiceRequest) -> None:
        for resource in request.resource_spans:
            service = {each.key: each.value.string_value for each in resource.resource.attributes}.get(
                "service.name", ""
            )
            for scope in resource.scope_spans:
                self.spans += [(service, span.name, span.trace_id.hex(), span.span_id.hex()) for span in scope.spans]


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.server.shutdown()
    collector.server.server_close()


@pytest.mark.parametrize("first", ["logging", "tracing"])
def test_spans_of_all_workers_arrive_and_records_have_their_ids(
    collector: Collector, tmp_path: Path, first: str
) -> None:
    environment = {"COLLECTOR": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100", "PYTHONWARNINGS": "default"}
    if first == "tracing":
        environment["TRACING_FIRST"] = "1"
    with gunicorn("traced_app:app", tmp_path, "--preload", **environment) as server:
        for number in range(10):
            server.get("/orders", X_Request_ID=f"r-{number}", traceparent=f"00-{TRACE}-{PARENT}-01")
        server.get("/orders", X_Request_ID="new")
        server.get("/stream", X_Request_ID="stream")
        server.get("/boom", X_Request_ID="boom")
        server.wait_for(10, "access", trace_id=TRACE)
        (record,) = server.wait_for(1, "access", request_id="new")
        (chunk,) = server.wait_for(1, message="chunk")
        (streamed,) = server.wait_for(1, "access", request_id="stream")
        (error,) = server.wait_for(1, "errors", request_id="boom")
        (failed,) = server.wait_for(1, "access", request_id="boom")
        wait_until(lambda: [span for span in collector.spans if span[1] == "load orders"][10:], what="the spans")
        wait_until(lambda: any(span[2] == failed["trace_id"] for span in collector.spans), what="the span of the error")
        loaded = server.records(message="loaded")
    spans = {span_id: (service, name, trace) for service, name, trace, span_id in collector.spans}
    assert collector.paths == {"/v1/traces"}
    assert {service for service, _, _ in spans.values()} == {"shop"}
    assert len([name for _, name, _ in spans.values() if name.lower().startswith("select")]) == 11, spans
    for each in loaded:
        assert spans[each["span_id"]] == ("shop", "load orders", each["trace_id"])
    assert [each["trace_id"] for each in loaded].count(TRACE) == 10
    assert spans[record["span_id"]][2] == record["trace_id"] != "new"
    assert chunk["trace_id"] == streamed["trace_id"]
    assert spans[streamed["span_id"]][1] == "GET /stream"
    assert error["trace_id"] == failed["trace_id"]


def test_tasks_of_celery_become_spans_of_one_trace(
    redis_server: str, collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLLECTOR", collector.url)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    worker = Worker(tmp_path / "records.log", "-l", "INFO", "-P", "prefork", "-c", "2")
    try:
        worker.wait_for(logger="celery.apps.worker")
        chain(celery_shop.add.s(1, 2), celery_shop.add.s(3)).delay()
        added = worker.wait_for(2, message="adding")
        runs = worker.wait_for(2, event="task")
        wait_until(lambda: [name for _, name, _, _ in collector.spans if name.startswith("run/")][1:], what="the spans")
    finally:
        worker.end()
    spans = {span_id: (service, name, trace) for service, name, trace, span_id in collector.spans}
    for each in [*added, *runs]:
        assert spans[each["span_id"]] == ("shop", f"run/{celery_shop.add.name}", each["trace_id"])
    assert len({each["trace_id"] for each in added}) == 1


def run(program: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)


def test_a_provider_of_the_applications_own_stays() -> None:
    done = run("""
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
mine = TracerProvider()
trace.set_tracer_provider(mine)
from flask import Flask
from logging_core import context
from logging_core.web import setup_tracing
setup_tracing(Flask("shop"))
assert trace.get_tracer_provider() is mine
with trace.get_tracer("x").start_as_current_span("y"):
    print(context.span_source())
print(context.span_source())
""")
    assert done.returncode == 0, done.stderr
    inside, outside = done.stdout.splitlines()
    assert "trace_id" in inside
    assert outside == "None"
    assert done.stderr == ""


def test_what_cannot_be_traced_is_told_and_nothing_is_begun() -> None:
    done = run("""
from opentelemetry import trace
from logging_core.web import setup_tracing
try:
    setup_tracing("shop")
except TypeError as error:
    print(error)
assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
""")
    assert done.stdout == "setup_tracing takes an application of Celery, FastAPI, Flask or Starlette, not a str\n"
    assert done.stderr == ""


def test_an_instrumentation_that_is_missing_is_told_once() -> None:
    done = run("""
import sys
sys.modules["opentelemetry.instrumentation.flask"] = sys.modules["opentelemetry.instrumentation.sqlalchemy"] = None
import sqlalchemy
from flask import Flask
from logging_core.web import setup_tracing
setup_tracing(Flask("one"))
setup_tracing(Flask("two"))
""")
    assert done.returncode == 0, done.stderr
    assert done.stderr == (
        "tocsin: no spans of flask: pip install opentelemetry-instrumentation-flask\n"
        "tocsin: no spans of sqlalchemy: pip install opentelemetry-instrumentation-sqlalchemy\n"
    )


def test_a_collector_that_is_away_keeps_nobody_waiting_at_the_end() -> None:
    started = time.monotonic()
    done = run(f"""
from opentelemetry import trace
from logging_core.web import setup_tracing
setup_tracing(endpoint="http://127.0.0.1:{free_port()}")
with trace.get_tracer("x").start_as_current_span("y"):
    pass
""")
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - started < 20


def test_jaegers_exporter_is_there_by_its_name(collector: Collector) -> None:
    done = run(f"""
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from logging_core.tracing import JaegerExporter
exporter = JaegerExporter(agent_host_name="127.0.0.1", agent_port=6831, collector_port={collector.server.server_port})
trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(BatchSpanProcessor(exporter))
with trace.get_tracer("x").start_as_current_span("sampled"):
    pass
""")
    assert done.returncode == 0, done.stderr
    wait_until(lambda: [name for _, name, _, _ in collector.spans] == ["sampled"], what="the span")


def test_without_opentelemetry_the_error_says_what_to_install() -> None:
    done = run("import sys; sys.modules['opentelemetry'] = None\nimport logging_core.web as web\nweb.setup_tracing")
    assert "pip install 'tocsin[tracing]'" in done.stderr
