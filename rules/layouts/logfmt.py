"""Lines of `key=value`, as logrus, go-kit, Heroku and structlog's LogfmtRenderer write them."""

import re
from typing import Final

from rules.layouts.header import LIMIT, Header, Layout, shown
from rules.layouts.levels import level_of
from rules.layouts.times import Times

#: Only such a pair says that all of the line is of pairs.
_START = re.compile(
    rb'(?:time|timestamp|ts|t|datetime)=(?:"?\d{4}-\d\d-\d\d|\d{10})'
    rb'|(?:level|lvl|severity|at)="?[A-Za-z]{1,12}"?(?: |$)'
)
_PAIR = re.compile(rb'([\w.@-]++)=(?:"((?:[^"\\]|\\.)*+)"|([^\s"]*+))')
_ESCAPE = re.compile(rb'\\([nrt"\\])')
_ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}


def _read(match: re.Match[bytes], times: Times) -> Header:
    line = match.string
    fields: dict[str, str] = {}
    for key, quoted, plain in _PAIR.findall(line, 0, LIMIT):
        value = _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), quoted) if b"\\" in quoted else quoted
        fields.setdefault(key.decode(), (value or plain).decode("utf-8", "backslashreplace"))
    message = _first(fields, "msg", "message", "event")
    reason = _first(fields, "error", "err")
    if reason and reason not in message and "\n" not in reason:
        message = f"{message}: {reason}" if message else reason
    stack = _first(fields, "exception", "exc_info", "stack", "stacktrace", "traceback", "error.stack", "error")
    return Header(
        times.text(_first(fields, "time", "timestamp", "ts", "t", "datetime")),
        level_of(_first(fields, "level", "lvl", "severity", "at")),
        _first(fields, "logger", "name", "component"),
        message or shown(line, 0),
        stack if "\n" in stack else "",
        "logfmt",
    )


def _first(fields: dict[str, str], *keys: str) -> str:
    return next((fields[key] for key in keys if fields.get(key)), "")


LAYOUTS: Final = (Layout(b"tdlsa", _START, _read),)
