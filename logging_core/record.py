"""A `logging.LogRecord` becomes one line of JSON: the hot path of every application that logs through us.

The fast path joins three parts: the time, of which all but the microseconds is kept for as long as the second lasts;
what all records of a call site share, encoded once; and the message and the extra fields, which go through orjson.
Whatever orjson refuses, would change without a word (as it does with NaN) or would die of goes through
`logging_core.sanitize`, which changes as little as it can and lists what it changed under the key `altered`:
`{"altered": {"payload.price": "nan"}}`.
"""

import logging
import traceback
from datetime import UTC, date, datetime, timezone
from itertools import islice
from math import isfinite
from operator import itemgetter
from typing import Any
from uuid import UUID

import orjson

from logging_core.sanitize import MAX_DEPTH, MAX_TEXT, Sanitizer, name_of, text_of

#: A line is at most this long, so that a batch always has room for one.
MAX_LINE = 128 * 1024

_STANDARD = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__)
*_, _LAST_STANDARD = logging.LogRecord("", 0, "", 0, "", (), None).__dict__
_BEFORE_EXTRAS = len(_STANDARD) - 1
#: What formatters of other handlers, and newer Pythons, leave on a record.
_RENDERED = frozenset({"message", "asctime", "taskName"})
#: Our own fields: an extra of the same name goes under `extra`, so that it is neither lost nor mistaken for ours.
_OURS = frozenset(
    {"timestamp", "level", "logger", "function", "line", "thread", "service", "extra", "altered", "error"}
)  # fmt: skip
#: What is left of a record that nothing else could make short enough.
_LEAST = ("timestamp", "level", "logger", "message", "module", "function", "line", "thread", "process", "service")
_SPECIAL = _STANDARD | _RENDERED | _OURS
#: Whatever an application calls them (colours, translations), rules and files know them by these names.
_LEVELS = {10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR", 50: "CRITICAL"}
#: All that the constant part is made of: a record that a filter has altered, or a renamed thread, has one of its own.
_site_of = itemgetter("levelno", "levelname", "name", "module", "funcName", "lineno", "threadName", "process")
#: So many call sites (times threads) are kept ready, of so many bytes each; then all are prepared anew.
_MAX_SITES, _MAX_CONSTANT = 1024, 4096
#: What orjson either writes as it is or refuses.
_SCALARS = frozenset({str, int, bool, type(None)})
_dumps, _NEWLINE = orjson.dumps, orjson.OPT_APPEND_NEWLINE


class _Constants(dict[tuple[Any, ...], bytes]):
    """What all records of a call site share, as JSON: prepared with the first of them."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def fields(self, site: tuple[Any, ...]) -> dict[str, Any]:
        """The same as a dict."""
        number, level, logger, module, function, line, thread, process = site
        return {
            "level": _LEVELS.get(number) or level,
            "logger": logger,
            "module": module,
            "function": function,
            "line": line,
            "thread": thread,
            "process": process,
            "service": self._service,
        }

    def __missing__(self, site: tuple[Any, ...]) -> bytes:
        """Prepare it.

        Raises:
            TypeError, ValueError: JSON cannot hold it as it is, or it is too long to keep.
        """
        fields = self.fields(site)
        if not _is_sound(fields):
            raise TypeError
        constant = b"," + _dumps(fields)[1:-1] + b","
        if len(constant) > _MAX_CONSTANT:
            raise ValueError
        if len(self) >= _MAX_SITES:
            self.clear()
        self[site] = constant
        return constant


class Encoder:
    """Encodes the records of one service."""

    def __init__(self, service: str) -> None:
        self._constants = _Constants(service)
        self._clock: tuple[int | None, bytes] = (None, b"")  # a second since the epoch, and how lines begin in it

    def encode(self, record: logging.LogRecord) -> bytes:
        """One JSON object and a newline, at most `MAX_LINE` bytes. Never raises for what a record may hold.

        A line takes no more memory than it is long, unlike what orjson makes: that sits in a far larger block.
        """
        try:
            attributes = record.__dict__
            constant = self._constants[_site_of(attributes)]
            second, microseconds = divmod(round(attributes["created"] * 1e6), 1_000_000)
            known, beginning = self._clock
            if second != known:
                beginning = self._tick(second)
            varying = _dumps(_varying(record, attributes), None, _NEWLINE)
            line = b"".join((beginning % microseconds, constant, varying[1:]))
            if len(line) <= MAX_LINE:
                return line
        except Exception:  # noqa: BLE001, S110  # whatever a caller's object raises, the record still arrives
            pass
        return self._encode_changed(record)

    def _tick(self, second: int) -> bytes:
        """How lines begin in this second, a place for the microseconds left in it."""
        moment = datetime.fromtimestamp(second, UTC).replace(tzinfo=None)
        beginning = b'{"timestamp":"%b.%%06d+00:00"' % moment.isoformat().encode()
        self._clock = (second, beginning)  # in one step: threads share it
        return beginning

    def _encode_changed(self, record: logging.LogRecord) -> bytes:
        """The slow path: every value is walked, and what had to be changed is listed."""
        sanitizer = Sanitizer()
        safe = _safe_copy(record, sanitizer)
        attributes = safe.__dict__
        timestamp = datetime.fromtimestamp(safe.created, UTC).isoformat(timespec="microseconds")
        fields = {"timestamp": timestamp} | self._constants.fields(_site_of(attributes)) | _varying(safe, attributes)
        _add_exception_of(record, fields, sanitizer)
        altered = sanitizer.altered
        for limit in (MAX_TEXT, MAX_TEXT // 8, MAX_TEXT // 64, 64):
            shorter = Sanitizer(max_text=limit, max_items=limit)
            fields = {key: shorter.clean(value, key) for key, value in fields.items()}
            altered = shorter.altered | altered
            line = _dump(fields, altered)
            if len(line) <= MAX_LINE:
                break
        if len(line) > MAX_LINE:  # a great many small values
            line = _dump({key: fields[key] for key in _LEAST}, {"*": "cut to the standard fields"})
        return bytes(memoryview(line))


def _varying(record: logging.LogRecord, attributes: dict[str, Any]) -> dict[str, Any]:
    """The message, the extra fields and the exception.

    Raises:
        TypeError: an extra field is not sound, or not where it should be.
    """
    message = attributes["msg"]
    fields = {"message": message if type(message) is str and not attributes["args"] else record.getMessage()}
    # What `extra=` adds comes behind the standard attributes, unless somebody has deleted one of them.
    keys = islice(attributes, _BEFORE_EXTRAS, None)
    if next(keys, None) != _LAST_STANDARD:
        raise TypeError
    for key in keys:
        value = attributes[key]
        if type(value) not in _SCALARS and not _is_sound(value):
            raise TypeError
        if key in _SPECIAL:
            _add_special(fields, attributes, key)
        else:
            fields[key] = value
    if attributes["exc_info"]:
        _add_exception(fields, record)
    if attributes["stack_info"]:
        fields["stack_info"] = text_of(attributes["stack_info"])
    return fields


def _dump(fields: dict[str, Any], altered: dict[str, str]) -> bytes:
    if altered:  # the fifty changes nearest to the top tell enough
        fields = fields | {"altered": dict(sorted(altered.items(), key=lambda item: item[0].count("."))[:50])}
    return _dumps(fields, None, _NEWLINE)


def _add_special(fields: dict[str, Any], attributes: dict[str, Any], key: str) -> None:
    """An extra whose name means something already."""
    if key == "error":
        fields["error"] = _error_field(attributes[key])
    elif key in _STANDARD:  # an unusual record class put its own attributes before these
        fields |= {name: value for name, value in attributes.items() if name not in _STANDARD | _SPECIAL}
    elif key not in _RENDERED:
        fields.setdefault("extra", {})[key] = attributes[key]


def _error_field(value: Any) -> Any:
    """`error` is an object in every line: a text is its message, a `{code, message}` its type and message."""
    if isinstance(value, BaseException):
        return {"type": _type_name(type(value)), "message": text_of(value)}
    if not isinstance(value, dict):
        return {"message": value if isinstance(value, str) else text_of(value)}
    error = dict(value)
    if "code" in error and "type" not in error:
        error["type"] = error.pop("code")
    for key in ("type", "message", "stack"):
        if not isinstance(error.get(key, ""), str):
            error[key] = text_of(error[key])
    return error


def _add_exception(fields: dict[str, Any], record: logging.LogRecord) -> None:
    info: Any = record.exc_info
    kind, error, trace = (type(info), info, info.__traceback__) if isinstance(info, BaseException) else info
    if kind is None:
        return
    if not isinstance(kind, type):
        raise TypeError(kind)
    stack = text_of(record.exc_text) if record.exc_text else "".join(_format_exception(kind, error, trace))
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


def _safe_copy(record: logging.LogRecord, sanitizer: Sanitizer) -> logging.LogRecord:
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
            plain[name] = sanitizer.clean(value, f"extra.{name}" if name in _OURS else name)
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
        value = _error_field(value)
    except Exception:  # noqa: BLE001, S110  # even to be asked what it is may be too much for a lazy proxy
        pass
    return sanitizer.clean(value, "error")


def _add_exception_of(record: logging.LogRecord, fields: dict[str, Any], sanitizer: Sanitizer) -> None:
    """The record's exception, or what passes for one."""
    try:
        if record.exc_info:
            _add_exception(fields, record)
    except Exception as error:  # noqa: BLE001  # `exc_info` that is none, or one whose parts fight back
        sanitizer.altered["error"] = name_of(error)
        fields["error"] = {"message": text_of(record.__dict__.get("exc_info"))}


def _is_sound(value: Any, depth: int = 0) -> bool:
    """Whether orjson survives it (3.13: SIGSEGV), and writes it as it is or refuses it.

    It follows tuples without end, and asks enums, dataclasses and time zones for what they hold as if none could raise.
    It writes NaN and infinities as null.
    """
    kind = type(value)
    if kind is float:
        return isfinite(value)
    if kind is dict:
        value = value.values()
    elif kind is datetime:
        return value.tzinfo is None or type(value.tzinfo) is timezone
    elif kind is not list and kind is not tuple:
        return kind in _SCALARS or kind is UUID or kind is date
    for item in value:
        if type(item) not in _SCALARS and (depth >= MAX_DEPTH or not _is_sound(item, depth + 1)):
            return False
    return True
