"""A dict that describes what happened becomes a `logging.LogRecord`, so that it goes the way of all records.

`timestamp`, `level`, `message` and `error` become the record's own; the rest are its fields.
"""

import logging
import threading
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime
from types import FrameType
from typing import Any, NamedTuple

from logging_core.complaints import complain
from logging_core.forks import renew_in_child
from logging_core.sanitize import name_of
from logging_core.validation import Validator

#: What no field can be as an attribute of a record: its own parts, and what formatters leave on it.
_RESERVED = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"asctime", "taskName"}


class CallSite(NamedTuple):
    """Where in the application it happened."""

    path: str
    line: int
    function: str

    @classmethod
    def of(cls, frame: FrameType) -> "CallSite":
        """Where this frame is just now."""
        return cls(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)


def as_record(entry: Mapping[str, Any], logger: str, site: CallSite) -> logging.LogRecord:
    """The record that a logger of this name would make of the entry.

    The level is ERROR where there is an error and none is given, else INFO. A timestamp without an offset is UTC; one
    that is none, and a level of no known name, go under `extra` beside other fields of reserved names. Without a
    message the operation is the message.
    """
    fields = dict(entry)
    error = fields.get("error")
    failed = error is not None or fields.get("result") == "error"
    level = _take_level(fields, logging.ERROR if failed else logging.INFO)
    created = _take_time(fields)
    message = fields.pop("message", None)
    if message is None:
        message = fields.get("operation", logger)
    info = None
    if isinstance(error, BaseException):
        del fields["error"]
        info = (type(error), error, error.__traceback__)
    make = logging.getLogRecordFactory()
    record = make(logger, level, site.path, site.line, message, (), info, site.function)
    if created is not None:
        record.created = created
    _add(fields, record)
    return record


def _take_level(fields: dict[str, Any], default: int) -> int:
    level = fields.get("level")
    if isinstance(level, str):
        number = logging.getLevelNamesMapping().get(level.upper())
    else:
        number = level if type(level) is int and level >= 0 else None
    if number is None:
        return default
    del fields["level"]
    return number


def _take_time(fields: dict[str, Any]) -> float | None:
    """Seconds since the epoch."""
    given = fields.get("timestamp")
    try:
        if isinstance(given, str):
            given = datetime.fromisoformat(given)
        if isinstance(given, datetime):
            given = (given.replace(tzinfo=UTC) if given.tzinfo is None else given).timestamp()
        elif isinstance(given, date):
            given = datetime(given.year, given.month, given.day, tzinfo=UTC).timestamp()
        if isinstance(given, bool) or not isinstance(given, (int, float)):
            return None
        datetime.fromtimestamp(given, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    del fields["timestamp"]
    return float(given)


def _add(fields: dict[str, Any], record: logging.LogRecord) -> None:
    """Make them attributes, as `extra=` does; what the record itself needs goes into its attribute `extra`."""
    reserved = {name: fields.pop(name) for name in _RESERVED.intersection(fields)}
    if reserved and "extra" in fields:
        given = fields["extra"]
        reserved |= given if isinstance(given, dict) else {"extra": given}
    if reserved:
        fields["extra"] = reserved
    record.__dict__.update(fields)


class Intake:
    """Makes records of entries, and refuses those that a validator finds a mistake in. It never raises."""

    def __init__(self, logger: str, validator: Validator | None) -> None:
        self._logger = logger
        self._validator = validator
        self._begin()
        renew_in_child(self._begin)

    def _begin(self) -> None:
        self.counts: Counter[str] = Counter()  #: of this process; `invalid` and `error` are refused entries
        self._lock = threading.RLock()

    def record(self, entry: Mapping[str, Any], site: CallSite) -> logging.LogRecord | None:
        """The entry's record; None: it was refused, which is counted, and told once."""
        try:
            mistake = self._validator.mistake(entry) if self._validator else None
            if mistake is None:
                return as_record(entry, self._logger, site)
        except Exception as error:  # noqa: BLE001  # whatever the entry's parts raise
            self._refuse("error", f"{name_of(error)} while it was read")
        else:
            self._refuse("invalid", mistake)
        return None

    def count(self, what: str) -> int:
        """Count one; how many there are now."""
        with self._lock:
            self.counts[what] += 1
            return self.counts[what]

    def _refuse(self, reason: str, mistake: str) -> None:
        if self.count(reason) == 1:
            complain(f"an entry of the log {self._logger} was refused, further ones are only counted: {mistake[:200]}")
