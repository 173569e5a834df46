"""Each worker's sign of life, written by a thread of its main process.

key             type  meaning                                                                            expiry
tocsin:workers  zset  JSON: name, pid, queues, started (Unix seconds) -> its last sign, by Redis' clock  none

Signs older than LIFETIME are taken away by whoever gives the next one.
"""

import os
import time
from threading import Event, Thread
from typing import Any, cast

import msgspec
from celery.signals import worker_ready, worker_shutdown
from celery.utils.nodenames import worker_direct
from redis import Redis, RedisError

from logging_core.streams.connection import clock
from tasks import wiring

KEY = "tocsin:workers"
INTERVAL = 1.0  #: seconds between two signs
LIFETIME = 5  #: seconds; a worker silent for longer is dead


class Worker(msgspec.Struct, frozen=True):
    """A Celery worker that is alive."""

    name: str  #: Celery's node name: ingest@host
    pid: int  #: of its main process
    queues: tuple[str, ...]  #: those that it shares with others
    started: float  #: Unix seconds


def workers(redis: Redis) -> list[Worker]:
    """The workers alive now, by name."""
    signs = cast("list[bytes]", redis.zrangebyscore(KEY, f"({clock(redis) - LIFETIME}", "+inf"))
    found = [msgspec.json.decode(sign, type=Worker) for sign in signs]
    latest = {worker.name: worker for worker in found}  # of one that was started again, the sign given last
    return [latest[name] for name in sorted(latest)]


class Heart:
    """The thread that says `worker` lives, until it is stopped; Redis may come and go meanwhile."""

    def __init__(self, worker: Worker, redis: Redis) -> None:
        self._redis = redis
        self._sign = msgspec.json.encode(worker)
        self._stopped = Event()
        self._thread = Thread(target=self._beat, name="tocsin-heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop, and take the sign away."""
        self._stopped.set()
        self._thread.join(timeout=LIFETIME)
        try:
            self._redis.zrem(KEY, self._sign)
        except RedisError:
            pass  # it grows too old by itself

    def _beat(self) -> None:
        while True:
            try:
                self._give_sign()
            except RedisError:
                pass  # the next one may get through
            if self._stopped.wait(INTERVAL):
                return

    def _give_sign(self) -> None:
        now = clock(self._redis)
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.zremrangebyscore(KEY, "-inf", now - LIFETIME)
        pipeline.zadd(KEY, {self._sign: now})
        pipeline.execute()


_heart: Heart | None = None


@worker_ready.connect
def start(sender: Any, **_: Any) -> None:
    """Celery says that the worker consumes: start its heart."""
    global _heart
    shared = sender.app.amqp.queues.consume_from.keys() - {worker_direct(sender.hostname).name}
    worker = Worker(name=sender.hostname, pid=os.getpid(), queues=tuple(sorted(shared)), started=time.time())
    _heart = Heart(worker, wiring.thread_client())


@worker_shutdown.connect
def stop(**_: Any) -> None:
    """Celery says that the worker has ended."""
    global _heart
    if _heart:
        _heart.stop()
        _heart = None
