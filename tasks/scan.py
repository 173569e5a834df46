"""Scans the configured log files for errors, from where the last scan stopped.

call: each place that has sources -> scan: its files, one after the other -> scan_part: ranges of the huge ones, at once

A place is a `LOG_DIR`, as for the writers: each worker that serves the queue `scan` serves `scan.<place>` too, since
only those who see a file can read it. Workers on several hosts that share a `LOG_DIR` are one place, and must see the
scanned files alike.
"""

import logging
import time
from collections.abc import Sequence
from typing import Any

from celery import group
from celery.signals import celeryd_after_setup
from kombu.exceptions import OperationalError
from redis import Redis
from redis.exceptions import LockNotOwnedError, RedisError

from recovery import due
from rules.position import opened
from rules.positions import Positions
from tasks import heartbeat, settings, wiring
from tasks.app import app, send
from tasks.file_reader import FileReader, LogFile
from tasks.log_scan import LEASE, LogScan, Part, lease_of, no_matter
from tasks.schedule import STALE

LOCK = "tocsin:{0}:scan:lock:"
LOCK_EXPIRY = 20.0  #: seconds
BUDGET = 8.0  #: seconds of one scan; what is left waits for the next
ARCHIVE_BUDGET = 300.0  #: seconds of one archive, which is unpacked from its beginning each time

logger = logging.getLogger(__name__)


@app.task(name="tasks.scan.call", ignore_result=True)
def call() -> None:
    """Have each place scan its files, and take the steps that are still due."""
    client = wiring.redis_client()
    _ask_for_recovery(client)
    if not settings.load().scan.sources:
        return
    served = {queue for worker in heartbeat.workers(client) for queue in worker.queues}
    expires = max(STALE, settings.load().scan.interval)
    for queue in sorted(queue for queue in served if queue.startswith(queue_of(""))):
        _send([scan.signature(queue=queue, expires=expires)])


@app.task(name="tasks.scan.scan", ignore_result=True)
def scan() -> None:
    """Scan what was written here since the last scan; returns at once where another scan of this place runs."""
    configured, client = settings.load(), wiring.redis_client()
    place = wiring.place_of(configured.log_dir)
    lock = client.lock(LOCK + place, timeout=LOCK_EXPIRY, blocking=False)
    if not lock.acquire():
        return
    parts: Sequence[Part] = ()
    try:
        files = FileReader(client, configured, time.monotonic() + BUDGET)
        parts = LogScan(client, configured, place, files).run(configured.scan.sources)
    finally:
        try:
            lock.release()
        except LockNotOwnedError:  # a host that stood still; the positions' revisions kept the scans apart
            logger.warning("the scan took longer than its lock")
    queue = queue_of(place)
    _send([scan_part.signature(each, queue=queue, expires=LEASE) for each in parts])
    _ask_for_recovery(client)


@app.task(name="tasks.scan.scan_part", ignore_result=True)
def scan_part(source: str, path: str, identity: str, start: int) -> None:
    """Read what was handed out of a file: a range of a huge one, or an archive."""
    configured, client = settings.load(), wiring.redis_client()
    files = FileReader(client, configured, time.monotonic() + ARCHIVE_BUDGET)
    file = LogFile(source, path, Positions(client, source, wiring.place_of(configured.log_dir)))
    with no_matter(), opened(path) as fd:
        position = file.positions.resume(fd, path)
        if position is None or position.identity != identity:  # rotated meanwhile: the next scan finds it
            return
        lease = lease_of(position, start)
        wanted = [each for each in position.ranges if each.start == start]
        try:
            if wanted:
                files.read_range(file, fd, position, wanted[0])
            elif position.is_archive and not position.ranges:
                files.read(file, fd, position)
        finally:
            file.positions.give_up(position, lease)
    _ask_for_recovery(client)


def queue_of(place: str) -> str:
    """The queue for the files that one place sees."""
    return f"scan.{place}"


def _send(tasks: Sequence[Any]) -> None:
    """Send tasks as one group. What the broker does not take now, the next scan sends again."""
    if not tasks:
        return
    try:
        group(tasks).apply_async(retry=False)
    except (OperationalError, RedisError) as error:
        logger.warning("the broker takes no scan: %s", type(error).__name__)


def _ask_for_recovery(client: Redis) -> None:
    if not due.is_empty(client):
        send("tasks.recover.recover")


@celeryd_after_setup.connect
def _serve_place(instance: Any, **_: object) -> None:
    """A worker that scans serves the queue of its `LOG_DIR` too."""
    queues = instance.app.amqp.queues
    if "scan" in queues.consume_from:
        try:
            queues.select_add(queue_of(wiring.place_of(settings.load().log_dir)))
        except OSError as error:
            logger.error("no file of this host is scanned, since LOG_DIR cannot be written to: %s", error)
