"""How alerts and notifications are written in Redis: as JSON, with values as text, since JSON knows no infinity."""

from typing import Any, TypeVar

import msgspec

from alerts.model import Alert
from alerts.notification import Notification

T = TypeVar("T", Alert, Notification)

UnreadableError = msgspec.MsgspecError  #: what `decode` raises


def encode(what: Alert | Notification) -> bytes:
    """The JSON text; `decode` gives back what is equal, be its values infinite or not numbers."""
    written = msgspec.to_builtins(what)
    for alert in written["alerts"] if isinstance(what, Notification) else (written,):
        alert["value"] = repr(alert["value"])
    return msgspec.json.encode(written)


def decode(body: bytes, kind: type[T]) -> T:
    """What was encoded.

    Raises:
        UnreadableError: it was written by another version, or by nobody of ours.
    """
    decoded: Any = msgspec.json.decode(body, type=kind, strict=False)  # not strict: numbers may be texts
    return decoded  # type: ignore[no-any-return]
