"""A task that does nothing: that it arrives shows that a worker takes tasks.

key                    type  meaning                                                                     expiry
tocsin:canary:sent     zset  worker's name -> when beat last sent it one, Unix seconds of Redis' clock   none
tocsin:canary:arrived  zset  worker's name -> when its watchdog last saw one arrive, by the same clock   none

Beat sends each living worker one, to the queue that is that worker's alone, so that no other worker can take it. What
is an hour old in the sets is taken away by the next release.
"""

import logging
from collections.abc import Sequence

from celery import Celery, shared_task
from celery.utils.nodenames import worker_direct
from kombu.exceptions import OperationalError
from redis import Redis, RedisError

from tasks import heartbeat

SENT_KEY = "tocsin:canary:sent"
ARRIVED_KEY = "tocsin:canary:arrived"
TASK = "tasks.canary.arrive"
#: Seconds, so that they do not pile up before a worker that is busy. Many, since an expired one never arrives, and the
#: clocks of two hosts may be apart.
EXPIRES = 60.0
FORGOTTEN = 3600.0  #: seconds

logger = logging.getLogger(__name__)


@shared_task(name=TASK, ignore_result=True, Request="tasks.watchdog:CanaryRequest")
def arrive() -> None:
    """Do nothing: the main process of the worker hears of it when a pool process takes this."""


def release(app: Celery, redis: Redis, now: float) -> None:
    """Send each living worker a canary; only what the broker took is noted as sent."""
    sent: dict[str, float] = {}
    for worker in heartbeat.workers(redis):
        try:
            app.send_task(TASK, queue=worker_direct(worker.name), expires=EXPIRES, retry=False)
        except (OperationalError, RedisError) as error:
            logger.warning("the broker does not take a canary for %s: %s", worker.name, type(error).__name__)
            break
        sent[worker.name] = now
    pipeline = redis.pipeline(transaction=False)
    for key in (SENT_KEY, ARRIVED_KEY):
        pipeline.zremrangebyscore(key, "-inf", now - FORGOTTEN)
    if sent:
        pipeline.zadd(SENT_KEY, sent)
    pipeline.execute()


def last_arrivals(redis: Redis, workers: Sequence[str]) -> dict[str, float]:
    """When the last canary of each worker arrived, in Unix seconds of Redis' clock; of those that ever had one."""
    if not workers:
        return {}
    found = redis.zmscore(ARRIVED_KEY, list(workers))
    return {name: at for name, at in zip(workers, found, strict=True) if at is not None}
