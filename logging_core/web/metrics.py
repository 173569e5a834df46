"""What Prometheus scrapes: requests and their durations, active users, calls of AI providers.

The application may have metrics of the same names in the default registry. Then those are its own to count: ours of
that name stay out of the way, in whichever order the two come to be. Elsewhere ours are shown with all that the
default registry holds, so an endpoint that the application has already shows them too.

With `PROMETHEUS_MULTIPROC_DIR` (see gunicorn.py) `metrics_response` tells the sums over all processes.
"""

import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
    from prometheus_client.exposition import choose_encoder
    from prometheus_client.metrics import MetricWrapperBase
    from prometheus_client.metrics_core import GaugeMetricFamily, Metric
    from prometheus_client.multiprocess import MultiProcessCollector
    from prometheus_client.registry import Collector
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError("metrics need prometheus-client: pip install 'tocsin[web]'") from missing

from logging_core.errors import ConfigError
from logging_core.web.access import UNMATCHED
from logging_core.web.active_users import ActiveUsers

MULTIPROC_DIR = "PROMETHEUS_MULTIPROC_DIR"
_OTHER = "other"
#: Clients may invent methods; series may not be invented.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", _OTHER})


def _shared_folder() -> Path | None:
    """The folder that all processes keep their metrics in, looked for when prometheus_client does.

    Raises:
        ConfigError: it cannot be used; prometheus_client would say so within the first request.
    """
    name = os.environ.get(MULTIPROC_DIR)
    if not name:
        return None
    if not os.access(name, os.W_OK | os.X_OK) or not Path(name).is_dir():
        raise ConfigError([f"{MULTIPROC_DIR}: {name}: no folder that can be written to"])
    return Path(name)


_folder = _shared_folder()
_registry = CollectorRegistry()
_requests = Counter("http_requests_total", "HTTP requests", ["method", "endpoint", "status"], registry=_registry)
_durations = Histogram(
    "http_request_duration_seconds", "Time to answer an HTTP request", ["method", "endpoint"], registry=_registry
)
_ai_calls = Counter("ai_calls_total", "Calls of AI providers", ["provider", "model", "status"], registry=_registry)
_users = ActiveUsers(_folder)
_ai_logger = logging.getLogger("ai_calls")


class _ActiveUsersCollector(Collector):
    """`active_users_total`, counted when it is asked for."""

    def describe(self) -> Iterable[Metric]:
        return [GaugeMetricFamily("active_users_total", "Distinct users in the last five minutes")]

    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily(
            "active_users_total", "Distinct users in the last five minutes", value=float(_users.count())
        )


_active_users = _ActiveUsersCollector()
_registry.register(_active_users)
_OURS: tuple[MetricWrapperBase | _ActiveUsersCollector, ...] = (_requests, _durations, _ai_calls, _active_users)


class _Guest(Collector):
    """Our families in the default registry, under no name: so it refuses no metric of the application's."""

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        for metric in _OURS:
            if not _is_the_applications(metric):
                yield from metric.collect()


REGISTRY.register(_Guest())


def _is_the_applications(metric: Any) -> bool:
    """Whether the default registry has a metric of one of its names.

    They are looked up. To register ours, for a try, would make it seem the application's to every other thread.
    """
    return any(name in REGISTRY._names_to_collectors for name in _registry._collector_to_names[metric])


class _Series(dict[tuple[str, str | None, int], tuple[Any, Any]]):
    """(method, endpoint, status) -> the counter and the histogram to use, if they are ours to count."""

    def __missing__(self, key: tuple[str, str | None, int]) -> tuple[Any, Any]:
        method, endpoint, status = key
        if method not in _METHODS:
            return self[_OTHER, endpoint, status]
        endpoint = endpoint or UNMATCHED
        counter = None if _is_the_applications(_requests) else _requests.labels(method, endpoint, str(status))
        histogram = None if _is_the_applications(_durations) else _durations.labels(method, endpoint)
        self[key] = (counter, histogram)
        return counter, histogram


_series = _Series()


def count_request(method: str, endpoint: str | None, status: int, seconds: float, user_id: object = None) -> None:
    """Count a request that has been answered; `endpoint` is the route's name or template, never the raw path."""
    counter, histogram = _series[method, endpoint, status]
    if counter is not None:
        counter.inc()
    if histogram is not None:
        histogram.observe(seconds)
    if user_id is not None:
        _users.saw(user_id)


def count_ai_call(provider: str, model: str, status: str, *, duration_ms: float | None = None) -> None:
    """Count a call of an AI provider and log it; `status` is "success", "failed" or what else the application says."""
    if not _is_the_applications(_ai_calls):
        _ai_calls.labels(provider, model, status).inc()
    extra = {"event": "ai_call", "provider": provider, "model": model, "status": status, "duration_ms": duration_ms}
    _ai_logger.info("AI call", extra=extra)


def metrics_response(accept: str = "") -> tuple[bytes, str]:
    """The body of `/metrics` and its content type, for a request with this `Accept` header."""
    registry = REGISTRY
    if _folder is not None:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(_folder))  # type: ignore[no-untyped-call]
        if not _is_the_applications(_active_users):
            registry.register(_active_users)
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type
