"""The Celery application, `celery -A tasks`: queues by what waits for what; Redis' loss wedges nothing."""

from celery import Celery
from celery.signals import setup_logging

from tasks import schedule, settings

_settings = settings.load()

app = Celery(
    "tasks",
    broker=_settings.broker_url,
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
    worker_send_task_events=False,
    worker_enable_remote_control=False,
    worker_redirect_stdouts=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={"global_keyprefix": "tocsin:celery:", "socket_keepalive": True},
    timezone="UTC",
    **schedule.configuration(_settings),
)


@setup_logging.connect
def _keep_logging(**_: object) -> None:
    """Celery leaves the root logger alone where somebody answers this signal."""
    import logging

    logging.basicConfig(level=_settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
