import logging
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsPartialSuccess, ExportLogsServiceResponse
from opentelemetry.proto.logs.v1.logs_pb2 import SeverityNumber

from logging_core.export.opentelemetry import opentelemetry_handler
from tests.logging_core.export.conftest import EXPORTS, Connect
from tests.receivers import Answer, Collector

OPENTELEMETRY = EXPORTS[3]


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


def plain(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "kvlist_value":
        return attributes(value.kvlist_value.values)
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    return getattr(value, kind) if kind else None


def attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: plain(pair.value) for pair in pairs}


def test_a_record_in_its_places(collector: Collector, connect: Connect) -> None:
    logger, handler = connect(OPENTELEMETRY, collector.port, attributes={"deployment.environment.name": "test"})
    extra = {
        "trace_id": "550e8400-e29b-41d4-a716-446655440000",
        "span_id": "00f067aa0ba902b7",
        "user_id": 7,
        "total": 1.5,
        "paid": True,
        "nothing": None,
        "huge": 2**63,
        "items": [{"sku": "A-1", "left": 3}],
    }
    logger.warning("stock is low", extra=extra)
    assert handler.flush(20)
    (logs,) = collector.resource_logs
    resource = attributes(logs.resource.attributes)
    assert (resource["service.name"], resource["deployment.environment.name"]) == ("shop", "test")
    assert resource["telemetry.sdk.language"] == "python"
    (scope,) = logs.scope_logs
    assert scope.scope.name == "shop.api"
    (record,) = scope.log_records
    assert record.body.string_value == "stock is low"
    assert (record.severity_number, record.severity_text) == (SeverityNumber.SEVERITY_NUMBER_WARN, "WARNING")
    assert record.trace_id.hex() == "550e8400e29b41d4a716446655440000"
    assert record.span_id.hex() == "00f067aa0ba902b7"
    assert 0 <= record.observed_time_unix_nano - record.time_unix_nano < 60e9
    found = attributes(record.attributes)
    assert found["code.function.name"] == "test_a_record_in_its_places"
    assert found["items"] == [{"sku": "A-1", "left": 3}]
    assert {name: found[name] for name in ("user_id", "total", "paid", "nothing", "huge")} == {
        "user_id": 7,
        "total": 1.5,
        "paid": True,
        "nothing": None,
        "huge": str(2**63),
    }
    assert "trace_id" not in found
    (request,) = collector.requests
    assert request.headers["Authorization"] == "Bearer sesame"


def test_an_exception_by_the_semantic_conventions(collector: Collector, connect: Connect) -> None:
    logger, handler = connect(OPENTELEMETRY, collector.port)
    try:
        {}["sku"]
    except KeyError:
        logger.exception("order failed")
    assert handler.flush(20)
    found = attributes(collector.records[0].attributes)
    assert (found["exception.type"], found["exception.message"]) == ("KeyError", "'sku'")
    assert found["exception.stacktrace"].startswith("Traceback")


@pytest.mark.parametrize("bad", ["shop-1234", "0" * 32, "ab" * 15, 7])
def test_an_id_that_is_none_by_w3c_stays_an_attribute(collector: Collector, connect: Connect, bad: Any) -> None:
    logger, handler = connect(OPENTELEMETRY, collector.port)
    logger.info("one", extra={"trace_id": bad})
    assert handler.flush(20)
    (record,) = collector.records
    assert record.trace_id == b""
    assert attributes(record.attributes)["trace_id"] == bad


@pytest.mark.parametrize(
    ("level", "severity"), [(5, 5), (10, 5), (20, 9), (25, 9), (30, 13), (40, 17), (50, 21), (60, 21)]
)
def test_severities(collector: Collector, connect: Connect, level: int, severity: int) -> None:
    _, handler = connect(OPENTELEMETRY, collector.port)
    handler.handle(logging.makeLogRecord({"msg": "one", "levelno": level, "levelname": "OWN"}))
    assert handler.flush(20)
    assert collector.records[0].severity_number == severity


def test_what_the_collector_refuses_of_what_it_took_is_counted(
    collector: Collector, connect: Connect, capfd: pytest.CaptureFixture[str]
) -> None:
    partial = ExportLogsPartialSuccess(rejected_log_records=1, error_message="too long")
    collector.answers = [Answer(200, ExportLogsServiceResponse(partial_success=partial).SerializeToString())]
    logger, handler = connect(OPENTELEMETRY, collector.port)
    logger.info("one")
    assert handler.flush(20)
    assert handler.stats()["dropped"] == {"refused": 1}
    assert "too long" in capfd.readouterr().err


def test_what_otlp_does_not_allow_to_be_tried_again_is_not(collector: Collector, connect: Connect) -> None:
    collector.answers = [Answer(500)]
    logger, handler = connect(OPENTELEMETRY, collector.port)
    logger.info("one")
    assert handler.flush(20)
    assert len(collector.requests) == 1
    assert handler.stats()["dropped"] == {"refused": 1}


def test_opentelemetrys_own_variables_say_where_it_is(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    def send() -> None:
        handler = opentelemetry_handler(service="shop")
        handler.handle(logging.makeLogRecord({"msg": "one", "levelno": 20}))
        assert handler.flush(20)
        handler.close()

    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=sesame,x-other=a%20b")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "team=orders")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    send()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", f"{collector.url}/v1/logs")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    send()
    assert [request.path for request in collector.requests] == ["/v1/logs"] * 2
    assert collector.requests[0].headers["x-key"] == "sesame"
    assert collector.requests[0].headers["x-other"] == "a b"
    assert attributes(collector.resource_logs[0].resource.attributes)["team"] == "orders"
