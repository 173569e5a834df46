"""The three series, as Prometheus reads them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, generate_latest

from logging_core.async_logging import DropQueueHandler, register_queue_metrics, setup_async_logging


@pytest.fixture
def handler(tmp_path: Path) -> Iterator[DropQueueHandler]:
    logger, listener, handler = setup_async_logging("tests.metrics", tmp_path / "x.log", to_console=False)
    yield handler
    listener.stop()
    logger.removeHandler(handler)


def value(registry: CollectorRegistry, name: str) -> float | None:
    return registry.get_sample_value(name, {"logger": "tests.metrics"})


def test_what_was_dropped_counts_once_however_often_it_is_sampled(handler: DropQueueHandler) -> None:
    registry = CollectorRegistry()
    register_queue_metrics(handler, registry)
    handler._refused["queue_full"] = 7
    assert [value(registry, "log_drops_total") for _ in range(3)] == [7.0] * 3
    handler._refused["queue_full"] = 9
    assert value(registry, "log_drops_total") == 9.0
    assert value(registry, "log_queue_depth") == 0.0
    assert value(registry, "log_queue_max_depth") == handler.max_depth
    assert b"# TYPE log_drops_total counter" in generate_latest(registry)


def test_several_queues_stand_beside_each_other_and_a_new_handler_in_place_of_the_old(
    handler: DropQueueHandler, tmp_path: Path
) -> None:
    registry = CollectorRegistry()
    register_queue_metrics(handler, registry)
    register_queue_metrics(handler, registry)
    register_queue_metrics(handler, registry, logger="other")
    _, listener, new = setup_async_logging("tests.metrics", tmp_path / "x.log", to_console=False)
    register_queue_metrics(new, registry)
    handler._refused["queue_full"] = 7
    assert value(registry, "log_drops_total") == 0.0
    assert registry.get_sample_value("log_drops_total", {"logger": "other"}) == 7.0
    listener.stop()


def test_a_registry_that_has_these_names_already_is_told(handler: DropQueueHandler) -> None:
    registry = CollectorRegistry()
    Gauge("log_queue_depth", "An application's own", registry=registry)
    with pytest.raises(ValueError, match=r"log_queue_depth.*take out the others, or name another registry"):
        register_queue_metrics(handler, registry)
    other = CollectorRegistry()
    register_queue_metrics(handler, other)
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        Counter("log_drops_total", "An application's own", registry=other)


def test_the_default_registry_is_prometheus_clients(handler: DropQueueHandler) -> None:
    collector = register_queue_metrics(handler)
    try:
        assert value(REGISTRY, "log_drops_total") == 0.0
    finally:
        REGISTRY.unregister(collector)
