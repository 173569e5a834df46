"""Spans by OpenTelemetry: exported by OTLP, and their ids in every record.

What the application has set up itself stays: a tracer provider is installed only where there is none.
"""

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from logging_core import context
from logging_core.complaints import complain

try:
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError("tracing needs OpenTelemetry: pip install 'tocsin[tracing]'") from missing

#: The package that an application's class, or one of its bases, comes from -> its instrumentation.
_INSTRUMENTORS = {
    "celery": "CeleryInstrumentor",
    "fastapi": "FastAPIInstrumentor",
    "flask": "FlaskInstrumentor",
    "starlette": "StarletteInstrumentor",
}
_complained: set[str] = set()  # of packages


def setup_tracing(
    app: Any = None, endpoint: str | None = None, service: str | None = None, *, engine: Any = None
) -> None:
    """Trace an application's requests, or its tasks, and its statements. Calling it again is harmless.

    What is missing to trace one of them, and how it is installed, is told on stderr.

    Args:
        app: an application of Flask, FastAPI, Starlette or Celery; with none, Django is traced where it is in use.
        endpoint: where spans are sent by OTLP over HTTP, such as `http://localhost:4318/v1/traces` (Jaeger takes it);
            by default what OpenTelemetry's own environment variables say.
        service: the name of the service; by default OTEL_SERVICE_NAME, else TOCSIN_SERVICE.
        engine: an engine of SQLAlchemy that exists already; those of Flask-SQLAlchemy, and those created from now on,
            need not be named.

    Raises:
        TypeError: the application is none of these.
    """
    package = None if app is None else _package_of(app)
    _provide(endpoint, service)
    context.use_spans(current_span)
    _instrument_application(app, package)
    _instrument_sqlalchemy(_engines_of(app) if engine is None else [engine])


class JaegerExporter(OTLPSpanExporter):
    """In the place of the exporter of this name that is no longer released: Jaeger takes OTLP, on a port of its own.

    Args:
        agent_host_name: where Jaeger is.
        agent_port: of the old protocol; not used.
        collector_port: of OTLP over HTTP.
    """

    def __init__(
        self, agent_host_name: str = "localhost", agent_port: int = 6831, *, collector_port: int = 4318
    ) -> None:
        super().__init__(endpoint=f"http://{agent_host_name}:{collector_port}/v1/traces")


def current_span() -> Mapping[str, str] | None:
    """The ids of the span we are in, as hex digits; None outside of any."""
    span = trace.get_current_span().get_span_context()
    if not span.is_valid:
        return None
    return {"trace_id": f"{span.trace_id:032x}", "span_id": f"{span.span_id:016x}"}


def _provide(endpoint: str | None, service: str | None) -> None:
    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return  # the application's own, or ours of an earlier call
    name = service or os.environ.get("OTEL_SERVICE_NAME") or os.environ.get("TOCSIN_SERVICE")
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: name} if name else {}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=_traces_url(endpoint))))
    trace.set_tracer_provider(provider)


def _traces_url(endpoint: str | None) -> str | None:
    """The collector's URL, with the path that OTLP prescribes where none is given."""
    if endpoint is None or urlsplit(endpoint).path.strip("/"):
        return endpoint
    return endpoint.rstrip("/") + "/v1/traces"


def _package_of(app: Any) -> str:
    for kind in type(app).__mro__:
        package = kind.__module__.partition(".")[0]
        if package in _INSTRUMENTORS:
            return package
    raise TypeError(
        f"setup_tracing takes an application of Celery, FastAPI, Flask or Starlette, not a {type(app).__name__}"
    )


def _instrument_application(app: Any, package: str | None) -> None:
    if package is None or package == "celery":  # all applications of the process
        name = "DjangoInstrumentor" if package is None else _INSTRUMENTORS[package]
        instrumentor = _instrumentor(package or "django", name)
        if instrumentor is not None and not instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.instrument()
    elif not getattr(app, "_is_instrumented_by_opentelemetry", False):
        instrumentor = _instrumentor(package, _INSTRUMENTORS[package])
        if instrumentor is not None:
            instrumentor.instrument_app(app)


def _instrument_sqlalchemy(engines: list[Any]) -> None:
    """Statements of these engines and of all that will be; the first call decides."""
    instrumentor = _instrumentor("sqlalchemy", "SQLAlchemyInstrumentor")
    if instrumentor is not None and not instrumentor.is_instrumented_by_opentelemetry:
        # Unchecked: the versions that it says it is for lag behind SQLAlchemy's. 2.1 is not among them, and works.
        engines = [getattr(engine, "sync_engine", engine) for engine in engines]
        instrumentor.instrument(skip_dep_check=True, engines=engines)


def _engines_of(app: Any) -> list[Any]:
    """The engines that Flask-SQLAlchemy has made for an application."""
    extension: Any = getattr(app, "extensions", {}).get("sqlalchemy")
    if not hasattr(type(extension), "engines"):
        return []
    with app.app_context():
        return list(extension.engines.values())


def _instrumentor(package: str, name: str) -> Any:
    """The instrumentation of a package, or None where either is not installed; told where the package is in use."""
    if find_spec(package) is None:
        return None
    try:
        return getattr(import_module(f"opentelemetry.instrumentation.{package}"), name)()
    except ModuleNotFoundError:
        if package in sys.modules and package not in _complained:
            _complained.add(package)
            complain(f"no spans of {package}: pip install opentelemetry-instrumentation-{package}")
        return None
