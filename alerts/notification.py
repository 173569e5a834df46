"""A notification: what one receiver is told at once; its title, and when it is tried again."""

import hashlib
from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

from alerts.errors import (
    ReceiverError,
    ReceiverRejectedError,
    ReceiverUnavailableError,
    ReceiverUncertainError,
)
from alerts.model import Alert, State

GIVE_UP_AFTER = 86_400.0  #: seconds after which nobody wants to hear of it any more
MAX_DELAY = 300.0  #: seconds between two tries, unless the receiver asks for more
MAX_ASKED = 3600.0  #: seconds that a receiver may ask for


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts that one receiver is told of in one message."""

    id: str
    receiver: str  #: its name, such as `ops/slack/0`
    created_at: float  #: Unix seconds
    alerts: tuple[Alert, ...]  #: firing ones first
    attempts: int = 0  #: tries that failed
    uncertain: int = 0  #: those of them that the receiver may have taken
    momentary: bool = False  #: an application's word: no state of an alert is kept, and none ends

    @property
    def state(self) -> State:
        """Firing as long as any of its alerts is."""
        return self.alerts[0].state

    @property
    def title(self) -> str:
        """`[FIRING:2] HighErrorRate (shop)`: how many, which, and of which service."""
        of_state = [alert for alert in self.alerts if alert.state is self.state]
        names = _joined([alert.name for alert in of_state])
        services = _joined([alert.labels.get("service", "") for alert in of_state])
        count = f":{len(of_state)}" if self.state is State.FIRING else ""
        return f"[{self.state.upper()}{count}] {names}" + (f" ({services})" if services else "")


def notify(receiver: str, alerts: Sequence[Alert], now: float, *, momentary: bool = False) -> Notification:
    """One notification for one receiver. The same alerts at the same moment give the same id."""
    ordered = tuple(sorted(alerts, key=lambda alert: (alert.state is not State.FIRING, alert.name, alert.fingerprint)))
    told = "".join(f"{alert.fingerprint}{alert.state}{alert.active_at}" for alert in ordered)
    digest = hashlib.sha256(f"{receiver}\n{now}\n{told}".encode()).hexdigest()[:20]
    return Notification(id=digest, receiver=receiver, created_at=now, alerts=ordered, momentary=momentary)


def still_true(notification: Notification, kept: Mapping[str, Alert]) -> Notification | None:
    """The notification without what is no longer so, by the states that are kept; None where nothing is left.

    A try may come long after the one before. What has ended meanwhile is not told as firing, nor what has begun
    again as ended: whoever is told last is told the truth.
    """
    if notification.momentary:
        return notification
    alerts = tuple(alert for alert in notification.alerts if _is_true(alert, kept.get(alert.fingerprint)))
    return replace(notification, alerts=alerts) if alerts else None


def _is_true(told: Alert, kept: Alert | None) -> bool:
    fires = kept is not None and kept.state is State.FIRING
    if told.state is State.FIRING:
        return fires and kept is not None and kept.active_at == told.active_at
    return not fires


def next_attempt(notification: Notification, error: ReceiverError, now: float) -> float | None:
    """When to try again after this error, Unix seconds; None: not at all."""
    if isinstance(error, ReceiverRejectedError):
        return None
    if isinstance(error, ReceiverUncertainError) and notification.uncertain:
        return None
    asked = (error.retry_after if isinstance(error, ReceiverUnavailableError) else None) or 0.0
    due = now + max(min(asked, MAX_ASKED), min(2.0 ** min(notification.attempts, 30), MAX_DELAY))
    return due if due <= notification.created_at + GIVE_UP_AFTER else None


def _joined(words: Sequence[str]) -> str:
    return ", ".join(sorted({word for word in words if word}))
