"""A shard that another place took over: what was not committed here is written there, and cut away here."""

import logging
import time

from logging_core.storage.files import FileStore
from logging_core.storage.journal import Journal, exclusive, uncommitted
from logging_core.streams.shard import Shard
from tasks.settings import Settings

_logger = logging.getLogger(__name__)


def settle(shard: Shard, configured: Settings) -> None:
    """Cut what we had not committed of a shard when another place took it; it is written there."""
    if shard.left() is None:
        return
    with exclusive(configured.log_dir, shard.number) as held:
        if held and (version := left(shard, configured)) is not None:
            journal = Journal(configured.log_dir, time.time(), shard.number, left=version)
            try:
                FileStore(configured.log_dir, journal).close()
            finally:
                journal.close()
            shard.settle()


def left(shard: Shard, configured: Settings) -> int | None:
    """The version at which another place took the shard, if what we had journaled for it is to be cut.

    What was in the stream then is written there. What Redis does not know of is nowhere else: it had been committed,
    and Redis came back older. The lock is ours.
    """
    version = shard.left()
    if version is None:
        return None
    lasts = uncommitted(configured.log_dir, shard.number, version)
    known = shard.appended(lasts)
    if all(last <= known[producer] for producer, last in lasts.items()):
        return version
    _logger.error("shard %d came back to an older Redis; what is in its files here stays", shard.number)
    shard.settle()
    return None
