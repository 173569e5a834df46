"""The parts that tasks share, built once in each process from the settings."""

from functools import cache

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tasks import settings


@cache
def redis_client() -> redis.Redis:
    """The Redis that holds the stream, the series, the alerts and the journal. Answers are bytes."""
    return redis.Redis.from_url(
        settings.load().redis_url,
        socket_connect_timeout=2,
        socket_timeout=5,
        protocol=2,
        retry=Retry(NoBackoff(), 0),  # whoever calls knows better when to try again
    )


def now() -> float:
    """The one clock that all hosts share: Redis's, in Unix seconds."""
    seconds, micros = redis_client().time()
    return float(seconds) + float(micros) / 1e6
