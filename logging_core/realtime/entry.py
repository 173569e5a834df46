"""A dict that describes what happened, as a call of a logger: so it is encoded, and hidden in, as every record is.

`timestamp`, `level`, `message` and `error` become the record's own; the rest are its fields.
"""

import logging
import threading
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime
from threading import current_thread
from types import CodeType
from typing import Any, NamedTuple

from logging_core.call import Call, CallKey, add_fields
from logging_core.complaints import complain
from logging_core.forks import renew_in_child
from logging_core.realtime.validation import Validator
from logging_core.record import Encoder
from logging_core.sanitize import name_of

_OPTIONS = frozenset({"exc_info", "stack_info"})  #: of a logger's call, and names as any other in an entry
_OURS_AND_OPTIONAL = ("timestamp", "level", "error")  # None is none: it would be kept beside the record's own, as text


class Entry(NamedTuple):
    """What a logger would have been called with."""

    call: CallKey
    message: object
    fields: dict[str, Any]
    created: float | None  #: seconds since the epoch; None: now

    def encoded(self, encoder: Encoder) -> bytes:
        """The line."""
        return encoder.encode_call(self.call, self.message, (), self.fields, self.created)

    def record(self, logger: logging.Logger) -> logging.LogRecord:
        """The record that the standard library's logger makes of it."""
        call = Call(*self.call)
        path, function, info = call.code.co_filename, call.code.co_name, self.fields.get("exc_info")
        record = logger.makeRecord(call.logger, call.level, path, call.line, self.message, (), info, function)
        if self.created is not None:
            record.created = self.created
            record.msecs = self.created % 1 * 1000
        add_fields(record, self.fields)
        return record


def read(given: Mapping[str, Any], logger: str, code: CodeType, instruction: int) -> Entry:
    """What a logger of this name would have been called with, there.

    The level is ERROR where there is an error and none is given, else INFO. A timestamp without an offset is UTC; one
    that is none, and a level of no known name, go under `extra` beside other fields of reserved names. Without a
    message the operation is the message. None for one of these is as good as nothing.
    """
    fields = dict(given)
    if not _OPTIONS.isdisjoint(fields):
        fields["extra"] = {name: fields.pop(name) for name in _OPTIONS.intersection(fields)} | _extra(fields)
    for name in _OURS_AND_OPTIONAL:
        if fields.get(name, name) is None:
            del fields[name]
    error = fields.get("error")
    failed = error is not None or fields.get("result") == "error"
    level = _take_level(fields, logging.ERROR if failed else logging.INFO)
    created = _take_time(fields) if "timestamp" in fields else None
    message = fields.pop("message", None)
    if message is None:
        message = fields.get("operation", logger)
    if isinstance(error, BaseException):
        del fields["error"]
        fields["exc_info"] = (type(error), error, error.__traceback__)
    return Entry((level, logger, code, instruction, current_thread().name), message, fields, created)


def _extra(fields: dict[str, Any]) -> dict[str, Any]:
    extra = fields.get("extra", {})
    return extra if isinstance(extra, dict) else {"extra": extra}


def _take_level(fields: dict[str, Any], default: int) -> int:
    if "level" not in fields:
        return default
    level = fields["level"]
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
    given = fields["timestamp"]
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


class Intake:
    """Reads entries, and refuses those that a validator finds a mistake in. It never raises."""

    def __init__(self, logger: str, validator: Validator | None) -> None:
        self._logger = logger
        self._validator = validator
        self._begin()
        renew_in_child(self._begin)

    def _begin(self) -> None:
        self.counts: Counter[str] = Counter()  #: of this process; `invalid` and `error` are refused entries
        self._lock = threading.RLock()

    def read(self, given: Mapping[str, Any], code: CodeType, instruction: int) -> Entry | None:
        """The entry; None: it was refused, which is counted, and told once."""
        try:
            mistake = self._validator.mistake(given) if self._validator else None
            if mistake is None:
                return read(given, self._logger, code, instruction)
        except Exception as error:  # noqa: BLE001  # whatever its parts raise
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
