"""The state of log queues as series of Prometheus: `log_queue_depth`, `log_queue_max_depth`, `log_drops_total`.

The queues are asked when Prometheus asks, so `log_drops_total` is the queue's own running total: it never counts twice,
however often it is sampled. With several processes each has its own; `PROMETHEUS_MULTIPROC_DIR` knows no such
collectors.
"""

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from logging_core.line_handler import LineHandler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

_COLLECTORS: "WeakKeyDictionary[CollectorRegistry, QueueCollector]" = WeakKeyDictionary()


class QueueCollector:
    """Asks the queues of handlers; each is told apart by the label `logger`."""

    def __init__(self) -> None:
        self._handlers: WeakValueDictionary[str, LineHandler] = WeakValueDictionary()

    def add(self, logger: str, handler: LineHandler) -> None:
        """Ask this handler too; it takes the place of an earlier one of the same name."""
        self._handlers[logger] = handler

    def describe(self) -> "Iterator[Metric]":
        """The series, without any values."""
        return iter(_families())

    def collect(self) -> "Iterator[Metric]":
        """The series as they are now."""
        depth, max_depth, drops = families = _families()
        for logger, handler in sorted(self._handlers.items()):
            stats = handler.stats()
            depth.add_metric([logger], stats["depth"])
            max_depth.add_metric([logger], stats["max_depth"])
            drops.add_metric([logger], sum(stats["dropped"].values()))
        return iter(families)


def register_queue_metrics(
    handler: LineHandler, registry: "CollectorRegistry | None" = None, *, logger: str | None = None
) -> QueueCollector:
    """Have a registry tell the state of the handler's queue; again for the same logger: of the new handler alone.

    Args:
        handler: a `DropQueueHandler`, or any other handler of ours.
        registry: by default prometheus-client's own.
        logger: the label's value; by default the logger that the handler was set up for.

    Raises:
        ModuleNotFoundError: prometheus-client is not installed.
        ValueError: the registry has series of these names already, such as gauges of the application's own.
    """
    try:
        from prometheus_client import REGISTRY
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError("metrics need prometheus-client: pip install 'tocsin[web]'") from missing
    registry = registry or REGISTRY
    collector = _COLLECTORS.get(registry)
    if collector is None:
        collector = QueueCollector()
        try:
            registry.register(collector)
        except ValueError as error:
            raise ValueError(f"{error}: take out the others, or name another registry") from error
        _COLLECTORS[registry] = collector
    collector.add(logger or str(getattr(handler, "logger_name", type(handler).__name__)), handler)
    return collector


def _families() -> tuple[Any, Any, Any]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    return (
        GaugeMetricFamily("log_queue_depth", "Records that wait in the log queue.", labels=["logger"]),
        GaugeMetricFamily("log_queue_max_depth", "The most records that ever waited at once.", labels=["logger"]),
        CounterMetricFamily("log_drops", "Records that were dropped.", labels=["logger"]),
    )
