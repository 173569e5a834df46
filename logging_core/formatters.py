"""Our records for the application's own handlers: a formatter on python-json-logger."""

import logging
import sys
from datetime import UTC, datetime
from typing import Any

import orjson
from pythonjsonlogger.json import JsonEncoder, JsonFormatter

from logging_core import context
from logging_core.redaction import Redactor, chosen
from logging_core.sanitize import Sanitizer, text_of

__all__ = ["CustomJsonFormatter", "JsonFormatter"]

#: The fields of a record, unless a format names others.
FIELDS = ("timestamp", "level", "logger", "message", "module", "function", "line", "thread", "process")
_ATTRIBUTES = {"level": "levelname", "logger": "name", "function": "funcName", "line": "lineno", "thread": "threadName"}


class CustomJsonFormatter(JsonFormatter):
    """One JSON object for a record, with the names that our files have.

    Above the fields that the format names it has the extra fields, those of the context (`LoggingContext`), an
    exception as `error` {type, message, stack}, and inside of a request of Flask's `request` {method, path, ip,
    user_agent}, `user_id` and `request_id`. Secrets are hidden. What JSON cannot hold is changed as little as possible,
    and listed under `altered`.

    Args:
        fmt: as of python-json-logger, such as `%(timestamp)s %(level)s %(name)s %(message)s`; by default `FIELDS`.
        redact: whether secrets are hidden, or who hides them.
        options: of python-json-logger's JsonFormatter. An encoder of the application's own is given values as they are.
    """

    def __init__(self, fmt: Any = None, *args: Any, redact: bool | Redactor = True, **options: Any) -> None:
        super().__init__(FIELDS if fmt is None else fmt, *args, **options)
        self._redactor = chosen(redact)

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        """Fill in all fields of a record."""
        super().add_fields(log_data, record, message_dict)
        log_data["timestamp"] = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds")
        log_data["level"] = record.levelname
        for name, attribute in _ATTRIBUTES.items():
            if name in log_data:
                log_data[name] = getattr(record, attribute, None)
        stack = log_data.pop("exc_info", None)
        if stack is not None:
            log_data["error"] = _error(record, stack)
        spans = context.span_source() if context.span_source is not None else None
        for name, value in {**_request_fields(), **context.fields(), **(spans or {})}.items():
            if log_data.get(name) is None:  # a field that the format names is there, with nothing in it
                log_data[name] = value

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """Make every value one that JSON can hold, unless the application has said how."""
        if self.json_default is not None or self.json_encoder is not JsonEncoder:
            return log_data
        sanitizer = Sanitizer()
        plain = {sanitizer.name(name): sanitizer.clean(value, str(name)) for name, value in log_data.items()}
        if self._redactor is not None and self._redactor.suspects(plain, orjson.dumps(plain)):
            plain = self._redactor.clean(plain)
        return plain | {"altered": sanitizer.altered} if sanitizer.altered else plain


def _error(record: logging.LogRecord, stack: Any) -> dict[str, Any]:
    info = record.exc_info
    if not isinstance(info, tuple) or info[0] is None:
        return {"stack": stack}
    return {"type": info[0].__qualname__, "message": text_of(info[1]), "stack": stack}


def _request_fields() -> dict[str, Any]:
    """What Flask knows of the request we are in, if it is in use and we are."""
    flask = sys.modules.get("flask")
    if flask is None or not flask.has_request_context():
        return {}
    request, kept = flask.request, flask.g
    agent = request.headers.get("User-Agent", "")
    described = {"method": request.method, "path": request.path, "ip": request.remote_addr, "user_agent": agent}
    own = {"user_id": kept.get("current_user_id"), "request_id": kept.get("request_id")}
    return {"request": described} | {name: value for name, value in own.items() if value is not None}
