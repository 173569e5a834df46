"""OpenTelemetry's logs, by OTLP over HTTP in protobuf (https://opentelemetry.io/docs/specs/otlp/#otlphttp).

The messages are built from `opentelemetry.proto`, which is stable, and the SDK's resource, which is too. The SDK's own
way of logs, `opentelemetry.sdk._logs`, still begins with an underscore in 1.45; and its queue takes records, not lines.
"""

import logging
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from logging_core.background import Line
from logging_core.export.exporter import Exporter
from logging_core.export.extras import extra
from logging_core.export.fields import Fields, fields_of, level_name, nanoseconds, span_id, trace_id
from logging_core.export.handler import ExportHandler, encoder_of
from logging_core.redaction import Redactor

with extra("opentelemetry"):
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
        ExportLogsServiceRequest,
        ExportLogsServiceResponse,
    )
    from opentelemetry.proto.common.v1.common_pb2 import (
        AnyValue,
        ArrayValue,
        InstrumentationScope,
        KeyValue,
        KeyValueList,
    )
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs, SeverityNumber
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ResourceMessage
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.util.re import parse_env_headers

    from logging_core.export.endpoint import Endpoint

PATH = "/v1/logs"
DEFAULT_URL = "http://localhost:4318"
MAY_PASS = frozenset({429, 502, 503, 504})  #: the answers after which OTLP allows another try
_LARGEST = 2**63  # integers are of 64 bits, with a sign
_SEVERITIES = {
    "DEBUG": SeverityNumber.SEVERITY_NUMBER_DEBUG,
    "INFO": SeverityNumber.SEVERITY_NUMBER_INFO,
    "WARNING": SeverityNumber.SEVERITY_NUMBER_WARN,
    "ERROR": SeverityNumber.SEVERITY_NUMBER_ERROR,
    "CRITICAL": SeverityNumber.SEVERITY_NUMBER_FATAL,
}
#: What a LogRecord has places of its own for; ids that are none by W3C's rules stay attributes.
_ELSEWHERE = frozenset({"timestamp", "level", "logger", "message", "service", "error"})
#: Our names for what the semantic conventions name otherwise.
_NAMES = {
    "function": "code.function.name",
    "line": "code.line.number",
    "thread": "thread.name",
    "process": "process.pid",
}
_ERROR_NAMES = {"type": "exception.type", "message": "exception.message", "stack": "exception.stacktrace"}


class OpenTelemetrySink(Exporter):
    """Sends log records: the message is the body, the fields are attributes, the logger is the scope.

    Args:
        url: of the collector; by default, as of any OpenTelemetry exporter, `OTEL_EXPORTER_OTLP_LOGS_ENDPOINT` (whole)
            or `OTEL_EXPORTER_OTLP_ENDPOINT`, else the one on this host.
        headers: further ones, such as a vendor's key; by default those of `OTEL_EXPORTER_OTLP_LOGS_HEADERS` or
            `OTEL_EXPORTER_OTLP_HEADERS`.
        attributes: of the resource, such as `{"deployment.environment.name": "production"}`, besides
            `OTEL_RESOURCE_ATTRIBUTES`.
        ca_file: the certificates to trust, instead of the system's.

    Raises:
        ValueError: one of them cannot be; the text begins with its name.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        attributes: Mapping[str, str] | None = None,
        ca_file: str | None = None,
    ) -> None:
        whole = os.environ.get("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT") if url is None else None
        if headers is None:
            headers = parse_env_headers(
                os.environ.get("OTEL_EXPORTER_OTLP_LOGS_HEADERS") or os.environ.get("OTEL_EXPORTER_OTLP_HEADERS", ""),
                liberal=True,
            )
        # Here, not in the thread: the detectors have threads of their own, which the end of the process forbids.
        self._attributes = dict(Resource.create({**(attributes or {})}).attributes)
        super().__init__(
            Endpoint(
                "OpenTelemetry",
                whole or url or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or DEFAULT_URL,
                path="" if whole else PATH,
                headers={"Content-Type": "application/x-protobuf"},
                secret_headers=headers,
                ca_file=ca_file,
                may_pass=MAY_PASS.__contains__,
            )
        )

    def send(self, lines: Sequence[Line]) -> None:
        """Send the lines; see `Exporter.send`."""
        observed = time.time_ns()
        scopes: dict[tuple[str, str], ScopeLogs] = {}
        for line in lines:
            fields = fields_of(line)
            place = (fields["service"], str(fields["logger"]))
            if place not in scopes:
                scopes[place] = ScopeLogs(scope=InstrumentationScope(name=place[1]))
            scopes[place].log_records.append(_record(line, fields, observed))
        request = ExportLogsServiceRequest()
        for service in dict.fromkeys(service for service, _ in scopes):
            logs = [each for (owner, _), each in scopes.items() if owner == service]
            request.resource_logs.append(ResourceLogs(resource=self._resource(service), scope_logs=logs))
        self._read(self.endpoint.post(request.SerializeToString()))

    def _read(self, answer: bytes) -> None:
        """Count what the collector has refused of what it took."""
        try:
            partial = ExportLogsServiceResponse.FromString(answer).partial_success
        except Exception:  # noqa: BLE001  # protobuf's own kind; a receiver that says something else has still taken it
            return
        self.drop(max(partial.rejected_log_records, 0), f"{self.endpoint.where}: {partial.error_message[:200]}")

    def _resource(self, service: str) -> ResourceMessage:
        return ResourceMessage(attributes=_pairs({**self._attributes, "service.name": service}))


def opentelemetry_handler(
    url: str | None = None,
    *,
    service: str | None = None,
    level: int | str = logging.NOTSET,
    max_records: int = 10_000,
    redact: bool | Redactor = True,
    **options: Any,
) -> ExportHandler:
    """A handler that sends records to an OpenTelemetry collector, or whoever takes OTLP.

    Args:
        url: of the collector; by default OpenTelemetry's own variables say it.
        service: the name of the application, `service.name`; by default `TOCSIN_SERVICE`, else the running program's.
        level: as of any handler.
        max_records: that may wait while the collector is away.
        redact: whether secrets are taken out, or by which rules.
        options: those of `OpenTelemetrySink`.

    Raises:
        ValueError: one of them cannot be; the text begins with its name.
    """
    return ExportHandler(
        OpenTelemetrySink(url, **options), encoder_of(service, redact), level=level, max_records=max_records
    )


def _record(line: Line, fields: Fields, observed: int) -> LogRecord:
    trace, span = trace_id(fields), span_id(fields)
    known = {*_ELSEWHERE, *(("trace_id",) if trace else ()), *(("span_id",) if span else ())}
    attributes = {_NAMES.get(name, name): value for name, value in fields.items() if name not in known}
    error = fields.get("error")
    if isinstance(error, dict):
        attributes |= {_ERROR_NAMES.get(name, f"error.{name}"): value for name, value in error.items()}
    elif error is not None:
        attributes["exception.message"] = error
    return LogRecord(
        time_unix_nano=nanoseconds(fields),
        observed_time_unix_nano=observed,
        severity_number=_SEVERITIES[level_name(line)],
        severity_text=str(fields["level"]),
        body=_value(fields["message"]),
        attributes=_pairs(attributes),
        trace_id=bytes.fromhex(trace or ""),
        span_id=bytes.fromhex(span or ""),
    )


def _pairs(fields: Mapping[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=name, value=_value(value)) for name, value in fields.items()]


def _value(value: Any) -> AnyValue:
    match value:
        case None:
            return AnyValue()
        case bool():
            return AnyValue(bool_value=value)
        case int() if -_LARGEST <= value < _LARGEST:
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case dict():
            return AnyValue(kvlist_value=KeyValueList(values=_pairs(value)))
        case list() | tuple():
            return AnyValue(array_value=ArrayValue(values=[_value(item) for item in value]))
        case _:
            return AnyValue(string_value=str(value))
