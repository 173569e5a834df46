"""A record as the workers see it: the decoded half of what `logging_core.record` encoded."""

from datetime import UTC, datetime
from typing import Any

import msgspec


class ErrorInfo(msgspec.Struct, gc=False):
    """The exception that a record carries."""

    type: str = ""
    message: str = ""
    stack: str = ""


class Record(msgspec.Struct, gc=False):
    """The fields that counting, grouping and alerting look at; all others stay in the bytes."""

    timestamp: str = ""  #: ISO 8601; see `seconds`
    level: str = "INFO"
    logger: str = ""
    message: str = ""
    service: str = ""
    error: ErrorInfo | None = None
    # Fields that an application sets as it likes: whoever looks at one looks at its type first.
    channel: Any = None
    alert: Any = True
    event: Any = None


class EventRecord(Record, gc=False):
    """A record of one of the events that are counted: see event_series.py. All its own fields may be of any type."""

    method: Any = None
    endpoint: Any = None
    status_code: Any = None
    duration_ms: Any = None
    provider: Any = None
    model: Any = None
    status: Any = None


def whole_second(timestamp: str) -> str:
    """A timestamp without its fraction, if it is of the form that we write; so that many records share one text."""
    return f"{timestamp[:19]}+00:00" if timestamp[26:] == "+00:00" else timestamp


def seconds(timestamp: str, default: float) -> float:
    """Unix seconds; a timestamp without an offset is UTC, and what is no timestamp is the default."""
    try:
        moment = datetime.fromisoformat(timestamp)
    except ValueError:
        return default
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
