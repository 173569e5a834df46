"""What can be saved of a record whose parts fight back: objects without a text, exceptions that raise, no time."""

import logging
from datetime import UTC, datetime
from typing import Any

from logging_core.fields import OURS, add_exception, error_field
from logging_core.sanitize import Sanitizer, name_of, text_of


def safe_copy(record: logging.LogRecord, sanitizer: Sanitizer) -> logging.LogRecord:
    """A copy of the record, without its exception, of plain parts alone, however hostile the record's are."""
    safe = logging.makeLogRecord({})
    standard = dict(safe.__dict__)
    plain = safe.__dict__
    for key, value in record.__dict__.items():
        name = sanitizer.name(key)
        if name in plain and name not in standard:
            sanitizer.altered[name] = "a name that came twice"
        if name == "error":
            plain[name] = _plain_error(value, sanitizer)
        elif name not in ("msg", "args", "exc_info", "exc_text", "created"):
            plain[name] = sanitizer.clean(value, f"extra.{name}" if name in OURS - {"extra"} else name)
    try:
        safe.msg = record.getMessage()
    except Exception as error:  # noqa: BLE001  # a message that does not fit its arguments, or a hostile __str__
        parts = [record.__dict__.get(name) for name in ("msg", "args")]
        safe.msg = " ".join(text_of(part) for part in parts if (part is not None and type(part) is not tuple) or part)
        sanitizer.altered["message"] = name_of(error)
    if type(safe.levelno) is not int:
        safe.levelno = logging.NOTSET  # the level's name is what is written then
    try:
        safe.created = datetime.fromtimestamp(record.created, UTC).timestamp()
    except Exception as error:  # noqa: BLE001  # no number, or none that is a time
        safe.created = standard["created"]
        sanitizer.altered["timestamp"] = name_of(error)
    return safe


def _plain_error(value: Any, sanitizer: Sanitizer) -> Any:
    try:
        value = error_field(value)
    except Exception:  # noqa: BLE001, S110  # even to be asked what it is may be too much for a lazy proxy
        pass
    return sanitizer.clean(value, "error")


def add_exception_of(record: logging.LogRecord, fields: dict[str, Any], sanitizer: Sanitizer) -> None:
    """The record's exception, or what passes for one."""
    try:
        if record.exc_info:
            add_exception(fields, record.exc_info, record.exc_text)
    except Exception as error:  # noqa: BLE001  # `exc_info` that is none, or one whose parts fight back
        sanitizer.altered["error"] = name_of(error)
        fields["error"] = {"message": text_of(record.__dict__.get("exc_info"))}
