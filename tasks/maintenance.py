"""What has to be tidied up from time to time: orphaned spools, producers that are done, what is old in the series and
groups; sealed files are compressed, and removed in the end.
"""

import logging
import time

from logging_core.buffers.spill import SpillPlace
from logging_core.buffers.spool import spill_root, spool_root
from logging_core.storage.compression import compress_sealed, in_use
from logging_core.storage.packing import format_named
from logging_core.storage.retention import retain
from logging_core.storage.upkeep import COMPRESSED_AFTER
from logging_core.streams.account import retire
from logging_core.streams.shipper import ship_orphans
from rules import error_groups, series
from tasks import settings, wiring
from tasks.app import app

_logger = logging.getLogger(__name__)


@app.task(name="tasks.maintenance.adopt")
def adopt() -> None:
    """Ship what dead applications of this host left, where no application may live to do it."""
    redis_url = settings.load().redis_url
    shipped = ship_orphans(wiring.redis_client(), spool_root(redis_url), SpillPlace(spill_root(redis_url)))
    if shipped:
        _logger.info("shipped %d records of dead processes", shipped)


@app.task(name="tasks.maintenance.maintain")
def maintain() -> None:
    """Retire producers that are done, prune what is old."""
    client, now = wiring.redis_client(), wiring.now()
    retire(client)
    series.prune(client, now)
    error_groups.prune(client, now)


@app.task(name="tasks.maintenance.compress")
def compress() -> None:
    """Compress what the writer of this host has sealed."""
    configured = settings.load()
    if configured.files.compress == "none":
        return
    min_age = max(COMPRESSED_AFTER, 2 * configured.scan.interval)
    packed = format_named(configured.files.compress)
    compressed = compress_sealed(configured.log_dir, time.time(), min_age=min_age, packed=packed)
    if compressed:
        _logger.info("compressed %d sealed files", compressed)


@app.task(name="tasks.maintenance.remove")
def remove() -> None:
    """Remove sealed files of this host that are too old, or too much."""
    configured = settings.load()
    names, inodes = in_use(configured.log_dir)
    removed = retain(configured.log_dir, names, configured.files.retention, time.time(), inodes)
    if removed:
        _logger.info("removed %d sealed files", removed)
