"""The shop's background work, of all the example applications: `celery -A examples.background worker`."""

import os

from celery import Celery

from examples import orders
from logging_core import get_logger
from logging_core.web import setup_logging

app = Celery("shop", broker=os.environ.get("REDIS_URL", "redis://localhost:6379/0"))
app.conf.update(task_default_queue="shop", task_ignore_result=True, broker_connection_retry_on_startup=True)
setup_logging(app, service="shop")
logger = get_logger("shop.packing")


@app.task  # type: ignore[untyped-decorator]  # celery ships no types
def pack(number: int) -> None:
    """Pack an order. Its records have the trace id, the request id and the user of the request that sent it."""
    logger.info("order packed", number=number)
    orders.pack(number)
