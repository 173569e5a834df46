"""Who writes a shard: one writer at a time, in one place, that holds its lock there and its lease in Redis.

guard: every shard has somebody to write it -> ingest: lease and lock -> Writer, until its budget is spent
"""

import errno
import logging
import sys
import time
from contextlib import suppress
from typing import Any

import redis.exceptions
from celery.signals import celeryd_after_setup

from logging_core.storage.journal import evict, exclusive, journaled
from logging_core.streams.shard import LeaseLostError, Shard
from logging_core.streams.stream import open_shards, shards
from tasks import settings, stalls, takeover, wiring
from tasks.app import app
from tasks.writer import Writer

_logger = logging.getLogger(__name__)
_RETRY = 0.2  #: seconds, while Redis or the disk is away


@app.task(name="tasks.ingest.guard")
def guard() -> None:
    """Have every shard written: ours here, those of living hosts there, and one more that nobody else writes."""
    configured, client = settings.load(), wiring.redis_client()
    try:
        open_shards(client, configured.ingest.shards, journaled(configured.log_dir))
        _call_writers(client, wiring.place_of(configured.log_dir), configured)
    except (redis.exceptions.RedisError, OSError) as error:
        _logger.warning("waiting: %s", error)


def _call_writers(client: redis.Redis, here: str, configured: settings.Settings) -> None:
    taken = False
    for number in shards(client):
        shard = Shard(client, number, here)
        takeover.settle(shard, configured)
        if _is_done(shard, configured):
            continue
        owner = shard.ownership()
        if owner.place == here:
            with exclusive(configured.log_dir, number) as free:  # whoever holds the lease is dead
                if not free and owner.led:
                    continue
        elif owner.led:
            continue
        elif owner.may_be_taken(configured.ingest.move_after):
            if taken:  # one at a turn: other hosts want theirs
                continue
            taken = True
            owner = owner._replace(place=here)
        _send(number, owner.place)


@app.task(name="tasks.ingest.ingest")
def ingest(number: int = 0) -> None:
    """Write a shard for one budget, then leave a successor in the queue. Does nothing where another one writes."""
    configured = settings.load()
    here = wiring.place_of(configured.log_dir)
    shard = Shard(wiring.redis_client(), number, here)
    while _lead(shard, configured):
        with suppress(redis.exceptions.RedisError):
            if _is_done(shard, configured):
                return
        if _send(number, here):
            return


def _is_done(shard: Shard, configured: settings.Settings) -> bool:
    """Whether it is one of those that are only emptied, and is empty: a process is not to be kept for it."""
    return shard.number >= configured.ingest.shards and shard.is_empty()


def queue_of(place: str) -> str:
    """The queue for what can be done in one `LOG_DIR` only."""
    return f"ingest.{place}"


def _send(number: int, place: str) -> bool:
    """Have somebody of this place write the shard; False: the broker takes nothing now."""
    try:
        ingest.apply_async((number,), queue=queue_of(place), retry=False)
    except Exception as error:  # noqa: BLE001  # kombu's own errors: a writer stays on, since nobody would come after it
        _logger.warning("no successor taken: %s", type(error).__name__)
        return False
    return True


@celeryd_after_setup.connect
def _serve_place(instance: Any, **_: object) -> None:
    """An ingest worker serves the queue of its `LOG_DIR` too."""
    queues = instance.app.amqp.queues
    if "ingest" in queues.consume_from:
        try:
            queues.select_add(queue_of(wiring.place_of(settings.load().log_dir)))
        except OSError as error:
            sys.exit(f"LOG_DIR cannot be written to: {error}")


def _lead(shard: Shard, configured: settings.Settings) -> bool:
    """Write for one budget, if the shard can be ours; whether it was. Lock and lease are free again at the end."""
    with exclusive(configured.log_dir, shard.number) as held:
        if held:
            return _write_and_give_up(shard, configured)
    try:
        if not shard.lease(configured.ingest.lease, patience=configured.ingest.move_after):
            return False  # another writer is at work
        _wait_for_lock(shard, configured)
    except redis.exceptions.RedisError:
        return False
    with exclusive(configured.log_dir, shard.number) as held:
        return held and _write_and_give_up(shard, configured)


def _wait_for_lock(shard: Shard, configured: settings.Settings) -> None:
    """The lease is ours and the lock is not: its holder is about to let go, or stands still, and is killed then."""
    deadline = time.monotonic() + configured.ingest.lease
    while time.monotonic() < deadline:
        with exclusive(configured.log_dir, shard.number) as held:
            if held:
                return
        time.sleep(_RETRY)
        shard.lease(configured.ingest.lease, patience=configured.ingest.move_after)
    if pid := evict(configured.log_dir, shard.number):
        _logger.error("killed writer %d, which held the lock and had lost its lease", pid)
        stalls.note("hung")
        time.sleep(_RETRY)


def _write_and_give_up(shard: Shard, configured: settings.Settings) -> bool:
    led = _write_for(shard, configured)
    if led:
        with suppress(redis.exceptions.RedisError):  # it expires by itself
            shard.give_up()
    return led


def _write_for(shard: Shard, configured: settings.Settings) -> bool:
    """Write through every failure, until the budget is spent; False: the shard is another place's. The lock is ours."""
    deadline = time.monotonic() + configured.ingest.budget
    while time.monotonic() < deadline:
        try:
            if not shard.lease(configured.ingest.lease, locked=True, patience=configured.ingest.move_after):
                return False
            writer = Writer(shard, configured)
            try:
                writer.run(deadline)
            finally:
                writer.close()
        except LeaseLostError as error:
            _logger.warning("reloading: %s", error)
        except (redis.exceptions.RedisError, OSError) as error:
            _logger.warning("waiting: %s", error)
            if isinstance(error, OSError):
                stalls.note("disk_full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "disk_error")
            time.sleep(_RETRY)
    return True
