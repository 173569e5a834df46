"""Who is told, and the sending of workers for what is due: at once after a round, and each second by beat."""

import logging
from functools import cache

from alerts import config, receivers
from alerts.evaluation import EvaluationTurns
from alerts.receivers.base import Receiver
from alerts.store import AlertStore
from tasks import settings, wiring
from tasks.app import app

logger = logging.getLogger(__name__)


@cache
def routed_receivers() -> tuple[Receiver, ...]:
    """This process's receivers: from the alertmanager.yml, else Slack by `SLACK_WEBHOOK_URL`, else none.

    Raises:
        rules.errors.ConfigError: listing every mistake in the file.
    """
    chosen = settings.load().alerts
    if chosen.config:
        return receivers.build(config.load(chosen.config), chosen.config.parent)
    if chosen.slack_webhook_url.get_secret_value():
        return receivers.build(config.for_webhook(chosen.slack_webhook_url), settings.load().data_dir)
    logger.warning("no receiver is configured: alerts are evaluated, and nobody is told")
    return ()


def send_due() -> None:
    """Sends a worker for each notification that is due."""
    for notification_id in AlertStore(wiring.redis_client()).hand_out(wiring.now()):
        app.send_task("tasks.notification_tasks.deliver", args=[notification_id])


@app.task(name="tasks.dispatch.sweep", ignore_result=True)
def sweep() -> None:
    """Sends workers for what has become due: retries, what a crash left behind, alerts whose `for` is over."""
    send_due()
    if EvaluationTurns(wiring.redis_client()).due(wiring.now()):
        app.send_task("tasks.evaluate.evaluate")
