"""How everything is, gathered in one go from what each part leaves in Redis.

Reads tocsin:{alerts}:evaluate:last (tasks/evaluate.py), tocsin:{0}:scan:events (tasks/scan.py), tocsin:watchdog:exits
(tasks/watchdog.py) and, through their modules, the delivery account, the workers' signs of life and canaries, beat's
tick and the recovery journal. Writes nothing.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, cast

import msgspec
from redis import Redis

from logging_core.streams.account import Account, account
from logging_core.streams.connection import clock, servers
from recovery.journal import Journal
from rules import delivery
from tasks import canary, heartbeat, schedule

QUEUES = frozenset({"ingest", "evaluate", "notify", "scan", "recover", "maintain"})  #: each needs a living worker
BEAT_SILENCE = 10.0  #: seconds without a tick after which beat counts as dead


@dataclass(frozen=True, slots=True)
class RedisServer:
    """The Redis that answered; of a cluster the masters together."""

    version: str  #: the oldest
    used_memory: int  #: bytes
    max_memory: int = 0  #: bytes; 0: as much as there is


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The last evaluation of the alert rules."""

    age: float  #: seconds
    duration_ms: float
    rules: int
    alerts_firing: int


@dataclass(frozen=True, slots=True)
class Status:
    """How everything is, at one moment."""

    delivery: Account
    workers: tuple[heartbeat.Worker, ...]
    uptime: float | None  #: seconds since the oldest worker started; None: no worker lives
    beat_tick_age: float | None  #: seconds; None: beat has never run
    evaluation: Evaluation | None  #: None: nothing was evaluated yet
    scan_events: dict[str, int]  #: error type -> events found
    recovery: dict[str, int]  #: outcome -> attempts
    redis: RedisServer
    canaries: dict[str, float] = field(
        default_factory=dict
    )  #: worker -> seconds since it last took one, if it ever did
    stalls: dict[str, int] = field(default_factory=dict)  #: reason -> seconds in which the writer stood still
    watchdog_exits: dict[str, int] = field(default_factory=dict)  #: worker's name before the @ -> times it ended itself

    @property
    def unserved(self) -> list[str]:
        """The queues that no living worker takes tasks from."""
        return sorted(QUEUES - {queue for worker in self.workers for queue in worker.queues})

    def as_dict(self) -> dict[str, Any]:
        """The status as JSON can hold it."""
        return {
            **self.delivery._asdict(),
            "shards": [part._asdict() for part in self.delivery.shards],
            "uptime": self.uptime,
            "workers": [msgspec.to_builtins(worker) for worker in self.workers],
            "beat": {"tick_age": self.beat_tick_age},
            "evaluation": self.evaluation and asdict(self.evaluation),
            "scan": {"events": self.scan_events},
            "recovery": self.recovery,
            "redis": asdict(self.redis),
            "canaries": self.canaries,
            "stalls": self.stalls,
            "watchdog_exits": self.watchdog_exits,
        }


def gather(redis: Redis) -> Status:
    """How everything is now.

    Raises:
        redis.RedisError: where Redis is away; then nothing is known.
    """
    now = clock(redis)
    tick = schedule.last_tick(redis)
    workers = tuple(heartbeat.workers(redis))
    arrivals = canary.last_arrivals(redis, [worker.name for worker in workers])
    return Status(
        delivery=account(redis),
        workers=workers,
        uptime=max(0.0, now - min(worker.started for worker in workers)) if workers else None,
        beat_tick_age=None if tick is None else max(0.0, now - tick),
        evaluation=_evaluation(redis, now),
        scan_events=_counts(redis, "tocsin:{0}:scan:events"),
        recovery={str(outcome): count for outcome, count in Journal(redis).outcomes().items()},
        redis=_server(redis),
        canaries={name: max(0.0, now - at) for name, at in arrivals.items()},
        stalls=delivery.stalls(redis),
        watchdog_exits=_counts(redis, "tocsin:watchdog:exits"),
    )


def _server(redis: Redis) -> RedisServer:
    told = [server.info() for server in servers(redis).values()]
    limits = [each.get("maxmemory", 0) for each in told]
    return RedisServer(
        version=min(each["redis_version"] for each in told),
        used_memory=sum(each["used_memory"] for each in told),
        max_memory=sum(limits) if all(limits) else 0,
    )


def _evaluation(redis: Redis, now: float) -> Evaluation | None:
    found = cast("dict[bytes, bytes]", redis.hgetall("tocsin:{alerts}:evaluate:last"))
    last = {name.decode(): float(value) for name, value in found.items()}
    if not last:
        return None
    return Evaluation(
        age=max(0.0, now - last["at"]),
        duration_ms=last["duration_ms"],
        rules=int(last["rules"]),
        alerts_firing=int(last["alerts_firing"]),
    )


def _counts(redis: Redis, key: str) -> dict[str, int]:
    found = cast("dict[bytes, bytes]", redis.hgetall(key))
    return {name.decode(): int(count) for name, count in sorted(found.items())}
