"""The one route: every receiver hears of every alert that began to fire, and of its end if it asks for that."""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from alerts.model import Alert, State
from alerts.notification import Notification, notify
from alerts.receivers.base import Receiver


def route(
    alerts: Mapping[str, Alert], receivers: Sequence[Receiver], now: float
) -> tuple[list[Notification], dict[str, Alert]]:
    """What each receiver is to be told, and the alerts with that noted in `told`.

    A receiver hears of an end only where it has heard of the beginning.
    """
    notifications = []
    for receiver in receivers:
        news = [alert for alert in alerts.values() if _is_news(alert, receiver)]
        if news:
            notifications.append(notify(receiver.name, news, now))
    names = tuple(receiver.name for receiver in receivers)
    return notifications, {key: _told(alert, names) for key, alert in alerts.items()}


def _is_news(alert: Alert, receiver: Receiver) -> bool:
    if alert.state is State.FIRING:
        return receiver.name not in alert.told
    return alert.state is State.RESOLVED and receiver.send_resolved and receiver.name in alert.told


def _told(alert: Alert, names: tuple[str, ...]) -> Alert:
    told = tuple(sorted({*alert.told, *names})) if alert.state is State.FIRING else ()
    return alert if alert.told == told else replace(alert, told=told)
