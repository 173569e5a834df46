"""The parts that tasks share, built once in each process from the settings."""

from functools import cache
from pathlib import Path

import redis

from alerts import config
from alerts import receivers as receivers_of
from alerts.receivers.base import Receiver
from logging_core.storage import journal
from logging_core.streams import connection
from tasks import settings


@cache
def redis_client() -> redis.Redis:
    """The Redis that holds the stream, the series, the alerts and the journal. Answers are bytes."""
    return _client(connect_timeout=2, timeout=5)


def thread_client() -> redis.Redis:
    """One of its own for a thread of a worker's main process.

    A pool process forked at any moment must not inherit one that such a thread is using.
    """
    return _client(connect_timeout=1, timeout=1)


def _client(connect_timeout: float, timeout: float) -> redis.Redis:
    return connection.connect(settings.load().redis_url, connect_timeout=connect_timeout, timeout=timeout)


@cache
def place_of(log_dir: Path) -> str:
    """The place that this worker serves, though somebody may remove the folder meanwhile.

    Raises:
        OSError: it cannot be written to.
    """
    return journal.place(log_dir)


def receivers(configured: settings.Settings) -> tuple[Receiver, ...]:
    """Those who are told: from the alertmanager.yml, else Slack by `SLACK_WEBHOOK_URL`, else nobody.

    Raises:
        rules.errors.ConfigError: listing every mistake in the file.
    """
    chosen = configured.alerts
    if chosen.config:
        return receivers_of.build(config.load(chosen.config), chosen.config.parent)
    if chosen.slack_webhook_url.get_secret_value():
        return receivers_of.build(config.for_webhook(chosen.slack_webhook_url), configured.data_dir)
    return ()


def now() -> float:
    """The one clock that all hosts share: Redis's, in Unix seconds."""
    return connection.clock(redis_client())
