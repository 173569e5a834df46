"""What beat sends, and how often: the slowest pace of each step, kept by RedBeat so that one beat at a time is awake.

key                  type    meaning                                                expiry
tocsin:beat:tick     string  Unix seconds of beat's last pass, by Redis' clock      none
tocsin:redbeat:*             RedBeat's own: the schedule, its entries and the lock  none (the lock: LOCK_TIMEOUT)
"""

from typing import Any

from redbeat.schedulers import RedBeatScheduler
from redis import Redis

from tasks import broker, canary, settings, wiring
from tasks.settings import Settings

TICK_KEY = "tocsin:beat:tick"
LOOP_INTERVAL = 1  #: seconds between two passes, at most
LOCK_TIMEOUT = 5 * LOOP_INTERVAL  #: seconds; how long a beat that died keeps the next one waiting
STALE = 5  #: seconds; a guard that waited longer is overtaken by the next one


class Scheduler(RedBeatScheduler):
    """RedBeat that releases the canaries, and leaves a sign of life at each pass."""

    _released = 0.0

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """One pass; seconds until the next one."""
        rest: float = super().tick(*args, **kwargs)
        redis, now, interval = wiring.redis_client(), wiring.now(), settings.load().watchdog.canary
        if now - self._released >= interval:
            canary.release(self.app, redis, now)
            self._released = now
        redis.set(TICK_KEY, now)
        return min(rest, interval)


def last_tick(redis: Redis) -> float | None:
    """When beat last passed, in Unix seconds of Redis' clock; None: never."""
    stamp = redis.get(TICK_KEY)
    return None if stamp is None else float(stamp)


def entries(configured: Settings) -> dict[str, dict[str, Any]]:
    """Beat's entries, by name."""
    return {
        "ingest": _every(1, "tasks.ingest.guard", "ingest"),
        "sweep": _every(1, "tasks.dispatch.sweep", "notify"),
        "evaluate": _every(configured.rules.interval, "tasks.evaluate.evaluate", "evaluate"),
        "scan": _every(configured.scan.interval, "tasks.scan.call", "scan"),
        "adopt": _every(5, "tasks.maintenance.adopt", "maintain"),
        "maintain": _every(60, "tasks.maintenance.maintain", "maintain"),
        "compress": _every(60, "tasks.maintenance.compress", "maintain"),
        "remove": _every(60, "tasks.maintenance.remove", "maintain"),
    }


def configuration(configured: Settings) -> dict[str, Any]:
    """The part of Celery's configuration that beat reads."""
    return {
        "beat_schedule": entries(configured),
        "beat_scheduler": "tasks.schedule:Scheduler",
        "beat_max_loop_interval": LOOP_INTERVAL,
        "result_expires": None,  # no results are kept, so none are to be cleaned up
        **broker.schedule(configured, LOCK_TIMEOUT),
        "redbeat_lock_timeout": LOCK_TIMEOUT,
    }


def _every(seconds: float, task: str, queue: str) -> dict[str, Any]:
    return {"task": task, "schedule": seconds, "options": {"queue": queue, "expires": max(STALE, seconds)}}
