"""The Celery application, `celery -A tasks`: queues by what waits for what; Redis' loss wedges nothing."""

import logging
import sys
from typing import Any

from celery import Celery
from celery.app.amqp import AMQP
from celery.signals import celeryd_init, setup_logging
from kombu.connection import Connection
from kombu.exceptions import OperationalError
from redis import RedisError

from tasks import broker, checks, schedule, settings

logger = logging.getLogger(__name__)
_settings = settings.load()

RECONNECT_EVERY = 1  #: seconds


class _Connection(Connection):
    """Tries again each second while the broker is away.

    Kombu waits ever longer, up to 30 s, and nobody takes a task meanwhile, though the broker may be back.
    """

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Any:
        """Wait until there is a connection, and return it."""
        pace = {"interval_start": RECONNECT_EVERY, "interval_step": 0, "interval_max": RECONNECT_EVERY}
        return super().ensure_connection(*args, **pace | kwargs)  # type: ignore[no-untyped-call]  # kombu has no types


class _Amqp(AMQP):
    Connection = _Connection


app = Celery(
    "tasks",
    amqp=_Amqp,
    broker=broker.url(_settings),
    include=[
        "tasks.ingest",
        "tasks.evaluate",
        "tasks.dispatch",
        "tasks.notification_tasks",
        "tasks.email_tasks",
        "tasks.scan",
        "tasks.recover",
        "tasks.maintenance",
        "tasks.heartbeat",
        "tasks.canary",
        "tasks.watchdog",
    ],
)
app.conf.update(
    task_default_queue="maintain",
    task_routes={
        "tasks.ingest.*": "ingest",
        "tasks.evaluate.*": "evaluate",
        "tasks.dispatch.*": "notify",
        "tasks.notification_tasks.*": "notify",
        "tasks.email_tasks.*": "notify",
        "tasks.scan.*": "scan",
        "tasks.recover.*": "recover",
    },
    # Durability is the stream's and the due-sets'. A late acknowledgement would only tie a worker's life to Redis'.
    task_acks_late=False,
    task_ignore_result=True,
    task_store_errors_even_if_ignored=False,
    worker_prefetch_multiplier=1,
    worker_direct=True,  # each worker has a queue of its own, for its canaries
    worker_send_task_events=False,
    worker_enable_remote_control=False,
    worker_redirect_stdouts=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options=broker.transport_options(_settings),
    timezone="UTC",
    **schedule.configuration(_settings),
)


def send(task: str, *args: Any) -> bool:
    """Sends a worker; False where the broker takes nothing now. Whoever calls has beat, or the due-set, behind it."""
    try:
        app.send_task(task, args=args, retry=False)
    except (OperationalError, RedisError) as error:
        logger.warning("the broker does not take %s: %s", task, type(error).__name__)
        return False
    return True


@celeryd_init.connect
def _refuse_mistakes(**_: object) -> None:
    """A worker with mistakes in its files would fail at each task; it says so and ends, before it takes any."""
    if mistakes := checks.mistakes(settings.load()):
        sys.exit("\n".join(mistakes))


@setup_logging.connect
def _keep_logging(**_: object) -> None:
    """Celery leaves the root logger alone where somebody answers this signal."""
    logging.basicConfig(level=_settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
