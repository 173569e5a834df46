"""A worker that takes no tasks any more ends itself, and its supervisor starts it again.

key                    type  meaning                                                                      expiry
tocsin:watchdog:exits  hash  worker's name before the @ -> how often its watchdog has ended it            none

Celery's worker can live and be deaf: its connection hangs, its consumer was cancelled, its pool processes stand still.
Canaries (tasks/canary.py) find that out. Ending a worker that merely waits would help nobody, so it needs proof: for
the whole of its patience Redis and the broker answered this very process, beat sent it canaries and a slot was free.
"""

import logging
import os
import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Any, NamedTuple, NoReturn

import psutil
from celery.signals import worker_ready, worker_shutdown, worker_shutting_down
from celery.worker import state
from celery.worker.request import Request
from kombu.exceptions import OperationalError
from redis import Redis, RedisError

from logging_core.streams.connection import clock
from tasks import canary, settings, wiring

EXITS_KEY = "tocsin:watchdog:exits"
INTERVAL = 1.0  #: seconds between two looks
#: Seconds between two looks after which the watchdog itself stood still, as under SIGSTOP, and knows nothing.
BLINK = 5.0
MISSED = 3  #: canaries that beat may owe before it counts as silent
LAST_WORDS = 2.0  #: seconds that the log, or Redis, may keep the exit waiting

logger = logging.getLogger(__name__)


class Seen(NamedTuple):
    """What one look has found."""

    answered: bool  #: Redis and the broker answer this process
    beat_sends: bool  #: beat has sent this worker a canary lately
    slot_free: bool  #: a pool process has nothing to do
    arrived: float  #: when a pool process last took a canary, by the monotonic clock


class Vigil(NamedTuple):
    """What the watchdog keeps in mind from look to look, by the monotonic clock."""

    since: float  #: from here on a canary could have arrived, and none did
    looked: float  #: when it looked last


def look(before: Vigil, seen: Seen, now: float) -> Vigil:
    """The vigil after one more look: it begins anew at whatever excuses that no canary came."""
    excused = not (seen.answered and seen.beat_sends and seen.slot_free) or now - before.looked > BLINK
    return Vigil(since=now if excused else max(before.since, seen.arrived), looked=now)


def is_deaf(vigil: Vigil, patience: float) -> bool:
    """Whether the worker has had every chance to take a canary for so long, and took none."""
    return vigil.looked - vigil.since >= patience


class CanaryRequest(Request):
    """A canary in the main process of a worker."""

    taken = 0.0  #: when a pool process last took one, by the monotonic clock

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        """A pool process has taken it."""
        super().on_accepted(pid, time_accepted)
        CanaryRequest.taken = time.monotonic()


class Watchdog:
    """The thread that watches over a worker, given by its consumer, from within its main process."""

    def __init__(self, consumer: Any, configured: settings.Settings, redis: Redis) -> None:
        self._consumer = consumer
        self._configured = configured
        self._redis = redis
        self._reported = 0.0
        self._stopped = Event()
        self._thread = Thread(target=self._watch, name="tocsin-watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """The worker is on its way out by itself: watch no longer."""
        self._stopped.set()

    def _watch(self) -> None:
        patience = self._configured.watchdog.patience
        vigil = Vigil(since=time.monotonic(), looked=time.monotonic())
        while not self._stopped.wait(INTERVAL):
            seen = self._see()
            vigil = look(vigil, seen, time.monotonic())
            if is_deaf(vigil, patience) and not self._stopped.is_set():
                self._exit()

    def _see(self) -> Seen:
        try:
            beat_sends = self._ask_redis()
            self._ask_broker()
        except (RedisError, OperationalError):
            return Seen(answered=False, beat_sends=False, slot_free=False, arrived=CanaryRequest.taken)
        return Seen(answered=True, beat_sends=beat_sends, slot_free=self._slot_free(), arrived=CanaryRequest.taken)

    def _ask_redis(self) -> bool:
        """Whether beat sends us canaries; says on the way when the last one arrived."""
        name, arrived = self._consumer.hostname, CanaryRequest.taken
        now = clock(self._redis)
        if arrived > self._reported:
            self._redis.zadd(canary.ARRIVED_KEY, {name: now - (time.monotonic() - arrived)})
            self._reported = arrived
        sent = self._redis.zscore(canary.SENT_KEY, name)
        return sent is not None and now - sent < MISSED * self._configured.watchdog.canary

    def _ask_broker(self) -> None:
        """As the worker itself would connect to it; nothing to do where the broker is that same Redis."""
        if self._configured.broker_url != self._configured.redis_url:
            with self._consumer.app.connection_for_read() as connection:
                connection.ensure_connection(max_retries=1, timeout=INTERVAL)

    def _slot_free(self) -> bool:
        """Whether a pool process has no task; a canary is none, in case its process stopped in the midst of one."""
        try:
            busy = sum(not isinstance(request, CanaryRequest) for request in state.active_requests)
        except RuntimeError:  # the set changed meanwhile: a worker at work
            return False
        return busy < int(self._consumer.pool.num_processes)

    def _exit(self) -> NoReturn:
        """End this process at once: what is wedged hears no polite request. Its children would outlive it."""
        _try(self._say_so)
        _try(self._count)
        for child in psutil.Process().children(recursive=True):
            try:
                child.kill()
            except psutil.NoSuchProcess:
                pass
        os._exit(1)

    def _say_so(self) -> None:
        patience = self._configured.watchdog.patience
        logger.critical("no canary for %.0f s, though Redis answers, beat sends and a slot is free: exiting", patience)

    def _count(self) -> None:
        self._redis.hincrby(EXITS_KEY, self._consumer.hostname.partition("@")[0], 1)


def _try(last_word: Callable[[], None]) -> None:
    """Neither a lock of the logging that the wedged thread holds, nor Redis, keeps this process alive."""
    speaking = Thread(target=last_word, daemon=True)
    speaking.start()
    speaking.join(LAST_WORDS)


_watchdog: Watchdog | None = None


@worker_ready.connect
def start(sender: Any, **_: Any) -> None:
    """Celery says that the worker consumes: watch over it."""
    global _watchdog
    _watchdog = Watchdog(sender, settings.load(), wiring.thread_client())


@worker_shutting_down.connect
@worker_shutdown.connect
def stop(**_: Any) -> None:
    """Celery says that the worker is to end: it takes no more tasks, and its last ones may take long."""
    global _watchdog
    if _watchdog:
        _watchdog.stop()
        _watchdog = None
