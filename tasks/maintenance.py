"""What has to be tidied up from time to time: orphaned spools, producers that are done, old seconds of the series."""

import logging

from logging_core import stream
from logging_core.handlers import spool_root_of
from logging_core.shipper import ship_orphans
from rules.series import prune
from tasks import settings, wiring
from tasks.app import app

_logger = logging.getLogger(__name__)


@app.task(name="tasks.maintenance.maintain")
def maintain() -> None:
    """Ship what dead applications of this host left, retire what is done, prune what is old."""
    client = wiring.redis_client()
    shipped = ship_orphans(client, spool_root_of(settings.load().redis_url))
    retired = stream.retire(client)
    prune(client, wiring.now())
    if shipped or retired:
        _logger.info("shipped %d records of dead processes, retired %d producers", shipped, retired)
