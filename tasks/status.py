"""How everything is, gathered in one go from what each part leaves in Redis.

Reads tocsin:evaluate:last (tasks/evaluate.py), tocsin:scan:events (tasks/scan.py) and, through their modules,
the delivery account, the workers' signs of life, beat's tick and the recovery journal. Writes nothing.
"""

from dataclasses import asdict, dataclass
from typing import Any, cast

import msgspec
from redis import Redis

from logging_core.stream import Account, account
from recovery.journal import Journal
from tasks import heartbeat, schedule


@dataclass(frozen=True, slots=True)
class RedisServer:
    """The Redis that answered."""

    version: str
    used_memory: int  #: bytes


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

    def as_dict(self) -> dict[str, Any]:
        """The status as JSON can hold it."""
        return {
            **self.delivery._asdict(),
            "uptime": self.uptime,
            "workers": [msgspec.to_builtins(worker) for worker in self.workers],
            "beat": {"tick_age": self.beat_tick_age},
            "evaluation": self.evaluation and asdict(self.evaluation),
            "scan": {"events": self.scan_events},
            "recovery": self.recovery,
            "redis": asdict(self.redis),
        }


def gather(redis: Redis) -> Status:
    """How everything is now.

    Raises:
        redis.RedisError: where Redis is away; then nothing is known.
    """
    seconds, micros = redis.time()
    now = seconds + micros / 1e6
    tick = schedule.last_tick(redis)
    server = redis.info()
    workers = tuple(heartbeat.workers(redis))
    return Status(
        delivery=account(redis),
        workers=workers,
        uptime=max(0.0, now - min(worker.started for worker in workers)) if workers else None,
        beat_tick_age=None if tick is None else max(0.0, now - tick),
        evaluation=_evaluation(redis, now),
        scan_events=_counts(redis, "tocsin:scan:events"),
        recovery={str(outcome): count for outcome, count in Journal(redis).outcomes().items()},
        redis=RedisServer(server["redis_version"], server["used_memory"]),
    )


def _evaluation(redis: Redis, now: float) -> Evaluation | None:
    found = cast("dict[bytes, bytes]", redis.hgetall("tocsin:evaluate:last"))
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
