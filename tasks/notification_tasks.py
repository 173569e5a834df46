"""Delivering notifications, and the alerts that an application raises itself."""

import logging
from collections.abc import Sequence

from msgspec.structs import replace

from alerts.errors import ReceiverError, ReceiverRejectedError, ReceiverUnavailableError, ReceiverUncertainError
from alerts.model import Alert, State, fingerprint
from alerts.notification import Notification, next_attempt, notify, still_true
from alerts.receivers.base import Receiver, hand_over
from alerts.store import AlertStore
from rules.fingerprint import template
from tasks import wiring
from tasks.app import app
from tasks.dispatch import routed_receivers, send_due

logger = logging.getLogger(__name__)

MAX_LABEL = 200
MAX_MESSAGE = 2000


@app.task(name="tasks.notification_tasks.deliver", ignore_result=True)
def deliver(notification_id: str) -> None:
    """Hands one notification to its receiver, if it is due and nobody else is at it."""
    store = AlertStore(wiring.redis_client())
    now = wiring.now()
    claimed = store.claim(notification_id, now)
    if claimed is None:
        return
    if (until := store.held(claimed.receiver)) > now:
        store.postpone(claimed, until)
        return
    notification = still_true(claimed, store.states([alert.fingerprint for alert in claimed.alerts]))
    if notification is None:
        store.finish(claimed, "superseded", "no longer so when it could be told", now)
        return
    try:
        hand_over(_receiver(notification), notification, now)
    except ReceiverError as error:
        _put_back(store, notification, error)
    else:
        superseded = len(claimed.alerts) - len(notification.alerts)
        reason = f"{superseded} alerts superseded" if superseded else ""
        store.finish(notification, "delivered", reason, wiring.now())


@app.task(name="tasks.notification_tasks.send_error_alert", ignore_result=True)
def send_error_alert(error_type: str, error_message: str, request_id: str | None = None) -> None:
    """Tells all receivers of an application's error at once; the same again within a minute is not repeated."""
    annotations = {"summary": error_message} | ({"request_id": request_id} if request_id else {})
    labels = {"alertname": "ApplicationError", "severity": "critical", "error_type": error_type}
    tell(labels, annotations, routed_receivers())


def tell(labels: dict[str, str], annotations: dict[str, str], receivers: Sequence[Receiver]) -> None:
    """Queues an alert that no rule made, for these receivers, unless the same was said within a minute.

    What differs in a number, an id or a path alone is the same, as it is in error groups.
    """
    if not receivers:
        logger.warning("nobody is told of %s: no receiver of the route takes it", labels["alertname"])
        return
    labels = {name: _clean(value, MAX_LABEL) for name, value in labels.items()}
    annotations = {name: _clean(value, MAX_MESSAGE) for name, value in annotations.items()}
    now = wiring.now()
    alert = Alert(
        fingerprint=fingerprint(labels),
        labels=labels,
        annotations=annotations,
        state=State.FIRING,
        active_at=now,
        fired_at=now,
        value=1.0,
    )
    said = f"{alert.fingerprint} {template(annotations['summary'])} {[receiver.name for receiver in receivers]}"
    notifications = [notify(each.name, [alert], now, momentary=True) for each in receivers]
    AlertStore(wiring.redis_client()).queue_once(said, notifications, now)
    send_due()


def _receiver(notification: Notification) -> Receiver:
    for receiver in routed_receivers():
        if receiver.name == notification.receiver:
            return receiver
    raise ReceiverRejectedError(f"no receiver is named {notification.receiver} any more")


def _put_back(store: AlertStore, notification: Notification, error: ReceiverError) -> None:
    now = wiring.now()
    due = next_attempt(notification, error, now)
    uncertain = isinstance(error, ReceiverUncertainError)
    if due is not None and isinstance(error, ReceiverUnavailableError) and error.retry_after:
        store.hold(notification.receiver, due, now)
    if due is None:
        outcome = "rejected" if isinstance(error, ReceiverRejectedError) else "uncertain" if uncertain else "given up"
        logger.error("notification %s to %s %s: %s", notification.id, notification.receiver, outcome, error)
        store.finish(notification, outcome, str(error), now)
    else:
        logger.warning("notification %s to %s waits: %s", notification.id, notification.receiver, error)
        again = replace(notification, attempts=notification.attempts + 1, uncertain=notification.uncertain + uncertain)
        store.postpone(again, due)


def _clean(text: str, limit: int) -> str:
    """Text that JSON and mail can carry."""
    return str(text)[:limit].encode("utf-8", "replace").decode()
