"""The alert state machine: Prometheus' own (`AlertingRule.Eval` in `rules/alerting.go`), as a table and functions."""

from collections.abc import Container, Mapping
from enum import StrEnum
from typing import NamedTuple

from msgspec.structs import replace

from alerts.model import Alert, State, fingerprint
from rules.engine import Reading

RESOLVED_RETENTION = 900.0  #: seconds for which a resolved alert is kept


class Condition(StrEnum):
    """What a round found out about an alert."""

    CLEAR = "clear"  #: the rule's condition does not hold
    STALE = "stale"  #: nor has it for as long as resolved alerts are kept
    TRUE = "true"  #: it holds, for less than `for`
    HELD = "held"  #: it has held for as long as `for` asks


TRANSITIONS = {
    (State.INACTIVE, Condition.CLEAR): State.INACTIVE,
    (State.INACTIVE, Condition.TRUE): State.PENDING,
    (State.INACTIVE, Condition.HELD): State.FIRING,
    (State.PENDING, Condition.CLEAR): State.INACTIVE,
    (State.PENDING, Condition.TRUE): State.PENDING,
    (State.PENDING, Condition.HELD): State.FIRING,
    (State.FIRING, Condition.CLEAR): State.RESOLVED,
    (State.FIRING, Condition.TRUE): State.FIRING,  # `for` was made longer meanwhile
    (State.FIRING, Condition.HELD): State.FIRING,
    (State.RESOLVED, Condition.CLEAR): State.RESOLVED,
    (State.RESOLVED, Condition.STALE): State.INACTIVE,
    (State.RESOLVED, Condition.TRUE): State.PENDING,
    (State.RESOLVED, Condition.HELD): State.FIRING,
}


class Held(NamedTuple):
    """A reading, and the rule's `for` in seconds."""

    reading: Reading
    hold: float


def transition(alert: Alert | None, reading: Reading | None, hold: float, now: float) -> Alert | None:
    """The alert after this reading; None where nothing is to be kept.

    Args:
        alert: What was kept; None for an inactive alert.
        reading: What the rule says now; None where its condition does not hold.
        hold: The rule's `for`, seconds.
        now: The moment of evaluation, Unix seconds.
    """
    old = alert.state if alert else State.INACTIVE
    new = TRANSITIONS[old, _condition(alert, reading, hold, now)]
    if new is State.INACTIVE:
        return None
    if reading is None:
        assert alert is not None  # noqa: S101 - the table keeps an inactive alert inactive while its condition is clear
        return alert if old is new else replace(alert, state=new, resolved_at=now)
    if alert is None or old is State.RESOLVED:
        alert = _begin(reading, now)
    fired_at = now if new is State.FIRING and alert.fired_at is None else alert.fired_at
    return replace(alert, state=new, annotations=reading.annotations, value=reading.value, fired_at=fired_at)


def advance(
    alerts: Mapping[str, Alert], readings: Mapping[str, Held], unknown: Container[str], now: float
) -> dict[str, Alert]:
    """All alerts after a round, by fingerprint. Alerts named in `unknown` stay: their rules could not be evaluated."""
    after: dict[str, Alert] = {}
    for key in alerts.keys() | readings.keys():
        alert = alerts.get(key)
        reading, hold = readings.get(key, (None, 0.0))
        if reading is None and alert is not None and alert.name in unknown:
            after[key] = alert
        elif new := transition(alert, reading, hold, now):
            after[key] = new
    return after


def next_moment(alerts: Mapping[str, Alert], readings: Mapping[str, Held]) -> float | None:
    """When the first pending alert will have held long enough, Unix seconds; None where nothing is pending."""
    pending = (key for key, alert in alerts.items() if alert.state is State.PENDING and key in readings)
    return min((alerts[key].active_at + readings[key].hold for key in pending), default=None)


def _condition(alert: Alert | None, reading: Reading | None, hold: float, now: float) -> Condition:
    if reading is None:
        ended = alert.resolved_at if alert else None
        return Condition.STALE if ended is not None and now - ended > RESOLVED_RETENTION else Condition.CLEAR
    running = alert is not None and alert.state is not State.RESOLVED
    active_at = alert.active_at if alert is not None and running else now
    return Condition.HELD if now - active_at >= hold else Condition.TRUE


def _begin(reading: Reading, now: float) -> Alert:
    return Alert(
        fingerprint=fingerprint(reading.labels),
        labels=reading.labels,
        annotations=reading.annotations,
        state=State.PENDING,
        active_at=now,
        value=reading.value,
    )
