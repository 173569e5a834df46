"""An alert: one label set for which one rule holds, or held until a moment ago."""

import hashlib
from collections.abc import Mapping
from enum import StrEnum

import msgspec


class State(StrEnum):
    """Where an alert stands."""

    INACTIVE = "inactive"  #: the condition does not hold; such an alert is not kept
    PENDING = "pending"  #: it holds, but for less than the rule's `for`
    FIRING = "firing"  #: it has held for as long as `for` asks
    RESOLVED = "resolved"  #: it fired, and holds no more


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert as it is kept in Redis. Moments are Unix seconds."""

    fingerprint: str
    labels: dict[str, str]  #: with alertname and the rule's labels
    annotations: dict[str, str]
    state: State
    active_at: float  #: when the condition began to hold
    fired_at: float | None = None
    resolved_at: float | None = None
    value: float
    evidence: str = ""  #: the place of the log line behind it (file:offset), and the line's message
    told: tuple[str, ...] = ()  #: receivers that have been sent its firing, and not yet its end

    @property
    def name(self) -> str:
        """The alert's name, as its rule gives it."""
        return self.labels.get("alertname", "")


def fingerprint(labels: Mapping[str, str]) -> str:
    """16 hex digits that stand for this label set."""
    text = "\xff".join(f"{name}\xfe{labels[name]}" for name in sorted(labels))
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]
