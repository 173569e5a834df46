"""The status as Prometheus series."""

from collections import Counter
from collections.abc import Iterator, Mapping

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from redis import Redis, RedisError

from tasks import status
from tasks.status import QUEUES


class StatusCollector(Collector):
    """Gathers the status at each scrape; where Redis is away, says only that."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def collect(self) -> Iterator[Metric]:
        """The series of one scrape."""
        try:
            now = status.gather(self._redis)
        except RedisError:
            yield _gauge("redis_up", "Whether Redis answered.", 0)
            return
        yield _gauge("redis_up", "Whether Redis answered.", 1)
        yield from _delivery(now)
        yield from _processing(now)


def _delivery(now: status.Status) -> Iterator[Metric]:
    delivery = now.delivery
    yield _counter("records_accepted", "Records that handlers accepted.", delivery.accepted)
    yield _counter("records_written", "Records that are safe in the files.", delivery.written)
    yield _gauge("records_waiting", "Records between handler and file.", delivery.waiting)
    yield _counters("records_dropped", "Accepted records known to be gone.", "reason", delivery.dropped)
    yield _counters("records_refused", "Records that handlers could not take.", "reason", delivery.refused)
    yield _counter("records_unknown", "Records in memory buffers that died.", delivery.unknown)
    yield _gauge("records_lost", "Accepted records that are nowhere: never other than 0.", delivery.lost)
    yield _counters("writer_stalls", "Seconds in which the writer stood still.", "reason", now.stalls)
    yield _gauge("lag_seconds", "Age of the oldest entry in the streams.", delivery.lag)
    yield _gauges(
        "shard_written_by", "Whether a writer holds the shard.", "shard",
        {str(part.number): float(part.writer is not None) for part in delivery.shards},
    )  # fmt: skip


def _processing(now: status.Status) -> Iterator[Metric]:
    yield _gauge("workers", "Celery workers alive.", len(now.workers))
    serving = Counter(queue for worker in now.workers for queue in worker.queues)
    yield _gauges(
        "queue_workers", "Workers that serve a queue.", "queue", {queue: serving[queue] for queue in sorted(QUEUES)}
    )
    yield _gauges("canary_age_seconds", "Time since a worker last took a canary.", "worker", now.canaries)
    yield _counters("watchdog_exits", "Deaf workers that ended themselves.", "worker", now.watchdog_exits)
    if now.beat_tick_age is not None:
        yield _gauge("beat_tick_age_seconds", "Time since beat's last pass.", now.beat_tick_age)
    if now.evaluation:
        yield _gauge("evaluation_age_seconds", "Time since rules were evaluated.", now.evaluation.age)
        yield _gauge("alerts_firing", "Alerts firing.", now.evaluation.alerts_firing)
    yield _counters("scan_events", "Error patterns found in files.", "error_type", now.scan_events)
    yield _counters("recovery_attempts", "Recovery attempts.", "outcome", now.recovery)
    yield _gauge("redis_used_memory_bytes", "Memory that Redis uses.", now.redis.used_memory)
    yield _gauge("redis_max_memory_bytes", "Memory that Redis may use; 0: no limit.", now.redis.max_memory)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"tocsin_{name}", text, value=value)


def _gauges(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"tocsin_{name}", text, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"tocsin_{name}", text, value=value)


def _counters(name: str, text: str, label: str, values: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(f"tocsin_{name}", text, labels=[label])
    for value, count in values.items():
        family.add_metric([value], count)
    return family
