"""A `logging.LogRecord` becomes one line of JSON: the hot path of every application that logs through us.

The fast path joins three parts: the time, of which all but the microseconds is kept for as long as the second lasts;
what all records of a call site share, encoded once; and the message and the extra fields, which go through orjson.
Whatever orjson refuses (or would change without a word, as it does with NaN) goes through `logging_core.sanitize`,
which changes as little as it can and lists what it changed under the key `altered`: `{"altered": {"payload.price":
"nan"}}`.
"""

import logging
import traceback
from datetime import UTC, datetime
from itertools import islice
from operator import itemgetter
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
        constant = b"," + _dumps(fields)[1:-1] + b","
        if len(constant) > _MAX_CONSTANT or _hides_a_float(fields):
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
            varying = _varying(record, attributes)
            rest = _dumps(varying, None, _NEWLINE)
            line = b"".join((beginning % microseconds, constant, rest[1:]))
            # orjson writes NaN and infinities as null; a line without a null hides none.
            if len(line) <= MAX_LINE and (rest.find(b"null") < 0 or not _hides_a_float(varying)):
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
        parts = {"timestamp": timestamp} | self._constants.fields(_site_of(attributes)) | _varying(safe, attributes)
        fields = {key: sanitizer.clean(value, key) for key, value in parts.items()}
        line = _dump(fields, sanitizer.altered)
        for limit in (MAX_TEXT // 8, MAX_TEXT // 64, 64):
            if len(line) <= MAX_LINE:
                break
            shorter = Sanitizer(max_text=limit, max_items=limit)
            fields = {key: shorter.clean(value, key) for key, value in fields.items()}
            line = _dump(fields, shorter.altered | sanitizer.altered)
        if len(line) > MAX_LINE:  # a great many small values
            line = _dump({key: fields[key] for key in _LEAST}, {"*": "cut to the standard fields"})
        return bytes(memoryview(line))


def _varying(record: logging.LogRecord, attributes: dict[str, Any]) -> dict[str, Any]:
    """The message, the extra fields and the exception."""
    message = attributes["msg"]
    fields = {"message": message if type(message) is str and not attributes["args"] else record.getMessage()}
    # What `extra=` adds comes behind the standard attributes.
    for key in islice(attributes, _STANDARD_COUNT, None):
        if key in _SPECIAL:
            _add_special(fields, attributes, key)
        else:
            fields[key] = attributes[key]
    if attributes["exc_info"]:
        _add_exception(fields, record)
    if attributes["stack_info"]:
        fields["stack_info"] = attributes["stack_info"]
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


def _safe_copy(record: logging.LogRecord, sanitizer: Sanitizer) -> logging.LogRecord:
    """A copy of the record whose message is plain text and whose time is one, however hostile its parts."""
    safe = logging.makeLogRecord({})
    standard = dict(safe.__dict__)
    safe.__dict__.clear()
    safe.__dict__.update(standard | record.__dict__)
    try:
        safe.msg = record.getMessage()
    except Exception as error:  # noqa: BLE001  # a message that does not fit its arguments, or a hostile __str__
        safe.msg = " ".join(text_of(part) for part in (record.msg, record.args) if part is not None and part != ())
        sanitizer.altered["message"] = type(error).__name__
    safe.args = None
    try:
        datetime.fromtimestamp(safe.created, UTC)
    except (TypeError, ValueError, OverflowError, OSError) as error:
        safe.created = standard["created"]
        sanitizer.altered["timestamp"] = type(error).__name__
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
