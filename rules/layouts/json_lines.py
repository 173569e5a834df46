"""Lines of JSON: ours, structlog, loguru, python-json-logger, ECS, Bunyan, pino, zap, zerolog, Google's, PostgreSQL's.

A line is decoded once, with the names that most of them use; only one that lacks time, level or message under these is
decoded again and asked for all other names, which may lead into objects: `log.level` is a key, or `level` in `log`.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from rules.layouts.header import LIMIT, Header, Layout, new_header, shown
from rules.layouts.levels import level_of, level_of_letter, level_of_number
from rules.layouts.times import Times

_TIMESTAMP = (
    "timestamp", "@timestamp", "time", "ts", "asctime", "datetime", "record.time.repr", "record.time.timestamp", "date",
    "created", "eventTime", "t.$date", "t", "@t", "timeMillis", "instant.epochSecond", "timestamp.seconds",
)  # fmt: skip
_LEVEL = (
    "level", "levelname", "log.level", "severity", "record.level.name", "level_name", "lvl", "loglevel", "log_level",
    "severityText", "severity_text", "error_severity", "levelno", "level.name", "s", "@l",
)  # fmt: skip
_LOGGER = (
    "logger", "name", "record.name", "logger_name", "log.logger", "loggerName", "logger.name", "channel", "component",
    "c",
)  # fmt: skip
_MESSAGE = (
    "message", "msg", "record.message", "event", "short_message", "text", "body", "textPayload", "jsonPayload.message",
    "@m", "@mt", "error.message", "err.message", "error", "detail",
)  # fmt: skip
_STACK = (
    "error.stack", "error.stack_trace", "exc_info", "exception", "exc_text", "stack_trace", "err.stack", "stacktrace",
    "stack", "traceback", "exception.stacktrace", "attributes.exception.stacktrace", "errorVerbose", "error", "@x",
)  # fmt: skip
NAME_LIMIT: Final = 200  #: characters of a logger's name, which a line may fill
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_TRACEBACK = "Traceback (most recent call last):"


class _Usual(msgspec.Struct, gc=False):
    timestamp: str = ""
    level: str = ""
    logger: str = ""
    message: str = ""
    event: Any = None  # structlog's message
    levelname: Any = None  # python-json-logger's level, ...
    asctime: Any = None
    name: Any = None
    error: Any = None
    exception: Any = None
    exc_info: Any = None
    exc_text: Any = None
    stack_trace: Any = None
    stack: Any = None
    traceback: Any = None

    @property
    def stacks(self) -> tuple[Any, ...]:
        """Where the text of an exception may be."""
        return (
            self.error, self.exception, self.exc_info, self.exc_text, self.stack_trace, self.stack, self.traceback,
        )  # fmt: skip


_NO_STACKS = _Usual().stacks
_decode_usual = msgspec.json.Decoder(_Usual).decode
_decode_all = msgspec.json.Decoder().decode
#: What can still be read of a line that was cut or is no JSON after all.
_SALVAGE = {
    name: re.compile(rb'"(?:%b)"\s*+:\s*+"((?:[^"\\]|\\.){0,2000}+)"' % keys)
    for name, keys in (
        ("timestamp", rb"timestamp|@timestamp|time|ts|asctime"),
        ("level", rb"level|levelname|log\.level|severity"),
        ("logger", rb"logger|name|logger_name|log\.logger"),
    )
}


def _read(match: re.Match[bytes], times: Times) -> Header:
    line = match.string
    try:
        usual = _decode_usual(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _unusual(line, times)
    timestamp, word = usual.timestamp or usual.asctime, usual.level or usual.levelname
    logger, message = usual.logger or usual.name or "", usual.message or usual.event
    if not (type(timestamp) is type(word) is type(logger) is type(message) is str and (level := level_of(word))):
        return _unusual(line, times)
    stacks = usual.stacks
    if stacks == _NO_STACKS:
        return _header(times.text(timestamp), level, logger, message, "")
    return _header(times.text(timestamp), level, logger, _with_reason(message, usual.error), _first_stack(stacks))


def _unusual(line: bytes, times: Times) -> Header:
    record = _decode(line)
    if record is None:
        return _salvaged(line, times)
    first = next(_values(record, _TIMESTAMP, (str, int, float)), "")
    timestamp = times.text(first) if isinstance(first, str) else times.number(first)
    pino = "msg" in record and "time" in record
    level = next(filter(None, (_level(value, pino=pino) for value in _values(record, _LEVEL, (str, int, float)))), "")
    logger = next(_values(record, _LOGGER, (str,)), "")
    message = next(filter(None, _values(record, _MESSAGE, (str,))), "")
    stack = _first_stack(_values(record, _STACK, (str, dict, list)))
    if (
        not stack and isinstance(text := record.get("text"), str) and text is not message
    ):  # loguru's rendering of it all
        stack = "".join(text.partition(_TRACEBACK)[1:])
    message = _with_reason(message, record.get("error")) or shown(line, 0)
    return _header(timestamp, level, logger, message, stack)


def _with_reason(message: str, error: Any) -> str:
    """The message, and behind it what zap and others tell of the error in a field of its own."""
    if not isinstance(error, str) or "\n" in error or error in message:
        return message
    return f"{message}: {error}"


def _header(timestamp: str, level: str, logger: str, message: str, stack: str) -> Header:
    """A traceback that is a part of the message is the stack."""
    if "\x1b" in message:
        message = _COLOUR.sub("", message)
    if not stack and _TRACEBACK in message:
        before, begin, rest = message.partition(_TRACEBACK)
        stack = begin + rest
        message = before.strip() or stack.rstrip().rpartition("\n")[2]
    if not (message.isascii() and stack.isascii()):  # JSON can hold halves of characters, which no file can
        message, stack = (text.encode("utf-8", "backslashreplace").decode() for text in (message, stack))
        logger = logger.encode("utf-8", "backslashreplace").decode()
    return new_header((timestamp, level, logger[:NAME_LIMIT], message, stack, "json"))


def _decode(line: bytes) -> dict[str, Any] | None:
    """A line as an object; None if it is none."""
    try:
        record = _decode_all(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        try:  # knows NaN, halves of characters and control characters
            record = json.loads(line.decode("utf-8", "replace"), strict=False)
        except (ValueError, RecursionError):
            return None
    return record if isinstance(record, dict) else None


def _values(record: dict[str, Any], names: tuple[str, ...], types: tuple[type, ...]) -> Iterator[Any]:
    """The values of those names that are there, each a key, or a way through objects."""
    for name in names:
        value = record.get(name)
        if value is None and "." in name:
            value = record
            for key in name.split("."):
                value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, types) and not isinstance(value, bool):
            yield value


def _level(value: str | float, *, pino: bool) -> str:
    if not isinstance(value, str):
        return level_of_number(value, pino=pino)
    return level_of(value) if len(value) > 1 else level_of_letter(value.encode("ascii", "replace"))


def _first_stack(values: Iterable[Any]) -> str:
    return next(filter(None, map(_stack_of, values)), "")


def _stack_of(value: Any) -> str:
    """The text of an exception, as text, in an object, or as structlog's list of them; "" if it is only a message."""
    if isinstance(value, dict):
        return next((text for key in ("stack", "stack_trace", "traceback") if (text := _stack_of(value.get(key)))), "")
    if isinstance(value, list):
        if value and all(isinstance(part, str) for part in value):
            return "".join(part if part.endswith("\n") else part + "\n" for part in value)
        return "\n\n".join(_rendered(each) for each in reversed(value) if isinstance(each, dict) and "exc_type" in each)
    return value if isinstance(value, str) and "\n" in value.strip() else ""


def _rendered(exception: dict[str, Any]) -> str:
    """One exception of structlog's `dict_tracebacks`, as Python would print it."""
    frames = exception.get("frames")
    lines = [
        f'  File "{frame.get("filename")}", line {frame.get("lineno")}, in {frame.get("name")}'
        for frame in (frames if isinstance(frames, list) else ())
        if isinstance(frame, dict)
    ]
    return "\n".join((_TRACEBACK, *lines, f"{exception.get('exc_type')}: {exception.get('exc_value')}"))


def _salvaged(line: bytes, times: Times) -> Header:
    """What can be read of a line that is cut off, or no JSON after all."""
    found = {
        name: match[1].decode("utf-8", "backslashreplace") if (match := pattern.search(line, 0, LIMIT)) else ""
        for name, pattern in _SALVAGE.items()
    }
    return Header(times.text(found["timestamp"]), level_of(found["level"]), found["logger"], shown(line, 0))


LAYOUTS: Final = (Layout(b"{", re.compile(rb'\{\s{0,80}+"'), _read),)
