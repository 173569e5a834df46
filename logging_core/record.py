"""A `logging.LogRecord` becomes one line of JSON: the hot path of every application that logs through us.

The fast path builds a dict and gives it to orjson. Whatever orjson refuses (or would change without a word, as it
does with NaN) goes through `logging_core.sanitize`, which changes as little as it can and lists what it changed under
the key `altered`: `{"altered": {"payload.price": "nan"}}`.
"""

import logging
import time
import traceback
from itertools import islice
from typing import Any

import orjson

from logging_core.sanitize import MAX_TEXT, Sanitizer, text_of

#: A line is at most this long, so that a batch always has room for one.
MAX_LINE = 128 * 1024

_STANDARD = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__)
_STANDARD_COUNT = len(_STANDARD)
#: What formatters of other handlers, and newer Pythons, leave on a record.
_RENDERED = frozenset({"message", "asctime", "taskName"})
#: Our own fields: an extra of the same name goes under `extra`, so that it is neither lost nor mistaken for ours.
_OURS = frozenset(
    {"timestamp", "level", "logger", "message", "module", "function", "line", "thread", "process", "service", "extra",
     "altered", "stack_info"}
)  # fmt: skip


class Encoder:
    """Encodes the records of one service."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._second = -1
        self._second_text = ""

    def encode(self, record: logging.LogRecord) -> bytes:
        """One JSON object and a newline, at most `MAX_LINE` bytes. Never raises for what a record may hold."""
        sanitizer = None
        try:
            fields = self._fields(record)
            line = orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)
            # orjson writes NaN and infinities as null; a line without a null hides none.
            if len(line) <= MAX_LINE and (b"null" not in line or not _hides_a_float(fields)):
                return line
        except Exception:  # noqa: BLE001  # whatever a caller's object raises, the record still arrives
            sanitizer = Sanitizer()
        return self._encode_changed(record, sanitizer or Sanitizer())

    def _fields(self, record: logging.LogRecord) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "timestamp": self._timestamp(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage() if record.args or type(record.msg) is not str else record.msg,
            "module": record.module,
            "function": record.funcName,
            "line": record.lineno,
            "thread": record.threadName,
            "process": record.process,
            "service": self._service,
        }
        if len(record.__dict__) > _STANDARD_COUNT:
            _add_extras(fields, record.__dict__)
        if record.exc_info:
            _add_exception(fields, record)
        if record.stack_info:
            fields["stack_info"] = record.stack_info
        return fields

    def _timestamp(self, created: float) -> str:
        """RFC 3339 in UTC with microseconds; the text of a second is made once."""
        second = int(created)
        text = self._second_text
        if second != self._second:
            text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second_text, self._second = text, second  # the text first: another thread may read in between
        return f"{text}.{int((created - second) * 1e6):06d}+00:00"

    def _encode_changed(self, record: logging.LogRecord, sanitizer: Sanitizer) -> bytes:
        """The slow path: every value is walked, and what had to be changed is listed."""
        safe = _replace_message(record, sanitizer)
        fields = {key: sanitizer.clean(value, key) for key, value in self._fields(safe).items()}
        line = _dump(fields, sanitizer.altered)
        for limit in (MAX_TEXT // 8, MAX_TEXT // 64, 64):
            if len(line) <= MAX_LINE:
                break
            shorter = Sanitizer(max_text=limit, max_items=limit)
            fields = {key: shorter.clean(value, key) for key, value in fields.items()}
            line = _dump(fields, shorter.altered | sanitizer.altered)
        return line


def _dump(fields: dict[str, Any], altered: dict[str, str]) -> bytes:
    if altered:  # the fifty changes nearest to the top tell enough
        fields = fields | {"altered": dict(sorted(altered.items(), key=lambda item: item[0].count("."))[:50])}
    return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)


def _add_extras(fields: dict[str, Any], attributes: dict[str, Any]) -> None:
    # What `extra=` adds comes behind the standard attributes; only an unusual record class mixes the two.
    extras = list(islice(attributes, _STANDARD_COUNT, None))
    if not _STANDARD.isdisjoint(extras):
        extras = [key for key in attributes if key not in _STANDARD]
    for key in extras:
        value = attributes[key]
        if key in _RENDERED:
            continue
        if key == "error":
            fields["error"] = _error_field(value)
        elif key in _OURS:
            fields.setdefault("extra", {})[key] = value
        else:
            fields[key] = value


def _error_field(value: Any) -> Any:
    """`error` is an object in every line: a text is its message, a `{code, message}` its type and message."""
    if isinstance(value, BaseException):
        return {"type": _type_name(type(value)), "message": text_of(value)}
    if isinstance(value, dict):
        error = dict(value)
        if "code" in error and "type" not in error:
            error["type"] = error.pop("code")
        return error
    return {"message": value if isinstance(value, str) else text_of(value)}


def _add_exception(fields: dict[str, Any], record: logging.LogRecord) -> None:
    info = record.exc_info
    if not isinstance(info, tuple) or info[0] is None:
        return
    kind, error, trace = info
    stack = record.exc_text or "".join(_format_exception(kind, error, trace))
    if "error" in fields:  # a real exception is never overwritten
        fields.setdefault("extra", {})["error"] = fields["error"]
    fields["error"] = {"type": _type_name(kind), "message": text_of(error), "stack": stack}


def _format_exception(kind: type[BaseException], error: BaseException | None, trace: Any) -> list[str]:
    try:
        return traceback.format_exception(kind, error, trace)
    except Exception:  # noqa: BLE001  # an exception whose own text raises
        return [f"{_type_name(kind)}: {text_of(error)}\n", *traceback.format_tb(trace)]


def _type_name(kind: type) -> str:
    module = kind.__module__
    return kind.__qualname__ if module in ("builtins", "__main__") else f"{module}.{kind.__qualname__}"


def _replace_message(record: logging.LogRecord, sanitizer: Sanitizer) -> logging.LogRecord:
    """A copy of the record whose message is plain text, however hostile its parts."""
    try:
        message = record.getMessage()
    except Exception as error:  # noqa: BLE001  # a message that does not fit its arguments, or a hostile __str__
        message = text_of(record.msg)
        if record.args:
            message += " " + text_of(record.args)
        sanitizer.altered["message"] = type(error).__name__
    safe = logging.LogRecord("", 0, "", 0, "", None, None)
    safe.__dict__.clear()
    safe.__dict__.update(record.__dict__)
    safe.msg, safe.args = message, None
    return safe


def _hides_a_float(value: Any, depth: int = 0) -> bool:
    """Whether orjson wrote a NaN or an infinity as null somewhere in here."""
    if isinstance(value, float):
        return value != value or value in (float("inf"), float("-inf"))
    if depth > 100:
        return False
    if isinstance(value, dict):
        return any(_hides_a_float(item, depth + 1) for item in value.values())
    if isinstance(value, (list, tuple)):
        return any(_hides_a_float(item, depth + 1) for item in value)
    return not (value is None or isinstance(value, (str, int)))
