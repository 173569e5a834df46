"""Who is told, and the sending of workers for what is due: at once after a round, and each second by beat."""

import logging
from functools import cache

from alerts.evaluation import EvaluationTurns
from alerts.receivers.base import Receiver
from alerts.store import AlertStore
from tasks import settings, wiring
from tasks.app import app, send

logger = logging.getLogger(__name__)


@cache
def routed_receivers() -> tuple[Receiver, ...]:
    """This process's receivers; see `wiring.receivers`."""
    receivers = wiring.receivers(settings.load())
    if not receivers:
        logger.warning("no receiver is configured: alerts are evaluated, and nobody is told")
    return receivers


def send_due() -> None:
    """Sends a worker for each notification that is due."""
    for notification_id in AlertStore(wiring.redis_client()).hand_out(wiring.now()):
        send("tasks.notification_tasks.deliver", notification_id)


@app.task(name="tasks.dispatch.sweep", ignore_result=True)
def sweep() -> None:
    """Sends workers for what has become due: retries, what a crash left behind, alerts whose `for` is over."""
    send_due()
    if EvaluationTurns(wiring.redis_client()).due(wiring.now()):
        send("tasks.evaluate.evaluate")
