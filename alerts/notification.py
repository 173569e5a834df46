"""A notification: what one receiver is told at once; its title, and when it is tried again."""

import hashlib
from collections.abc import Sequence

import msgspec

from alerts.errors import ReceiverError, ReceiverRejectedError, ReceiverUnavailableError
from alerts.model import Alert, State

GIVE_UP_AFTER = 86_400.0  #: seconds after which nobody wants to hear of it any more
MAX_DELAY = 300.0  #: seconds between two tries, unless the receiver asks for more


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts that one receiver is told of in one message."""

    id: str
    receiver: str  #: its name, such as `ops/slack/0`
    created_at: float  #: Unix seconds
    alerts: tuple[Alert, ...]  #: firing ones first
    attempts: int = 0  #: tries that failed

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


def notify(receiver: str, alerts: Sequence[Alert], now: float) -> Notification:
    """One notification for one receiver. The same alerts at the same moment give the same id."""
    ordered = tuple(sorted(alerts, key=lambda alert: (alert.state is not State.FIRING, alert.name, alert.fingerprint)))
    told = "".join(f"{alert.fingerprint}{alert.state}{alert.active_at}" for alert in ordered)
    digest = hashlib.sha256(f"{receiver}\n{now}\n{told}".encode()).hexdigest()[:20]
    return Notification(id=digest, receiver=receiver, created_at=now, alerts=ordered)


def next_attempt(notification: Notification, error: ReceiverError, now: float) -> float | None:
    """When to try again after this error, Unix seconds; None: not at all."""
    if isinstance(error, ReceiverRejectedError):
        return None
    asked = error.retry_after if isinstance(error, ReceiverUnavailableError) else None
    delay = asked if asked is not None else min(2.0 ** min(notification.attempts, 30), MAX_DELAY)
    due = now + delay
    return due if due <= notification.created_at + GIVE_UP_AFTER else None


def _joined(words: Sequence[str]) -> str:
    return ", ".join(sorted({word for word in words if word}))
