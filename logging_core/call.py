"""A call of `UnifiedLogger`: what it is known by, and the standard library's record of it where one is needed."""

import logging
from collections.abc import Mapping
from types import CodeType
from typing import Any, NamedTuple

from logging_core.fields import SPECIAL

#: What no keyword field of a call can be as an attribute of its record.
_NEVER_ATTRIBUTES = SPECIAL - {"error", "extra", "exc_info", "stack_info"}
#: A `Call`, as the plain tuple that is made for each record.
CallKey = tuple[int, str, CodeType, int, str]


class Call(NamedTuple):
    """What a logger was called with, where the standard library has nothing to say about it."""

    level: int
    logger: str
    code: CodeType  #: of the function that calls
    instruction: int  #: in it: `frame.f_lasti`
    thread: str

    @property
    def line(self) -> int:
        """Of the source."""
        lines = (line for start, end, line in self.code.co_lines() if start <= self.instruction < end)
        return next(lines, None) or self.code.co_firstlineno


def as_record(call: Call, message: object, args: tuple[Any, ...], given: Mapping[str, Any]) -> logging.LogRecord:
    """A call as the standard library would have it; fields of reserved names are in its attribute `extra`."""
    code = call.code
    info, stack = given.get("exc_info"), given.get("stack_info")
    rest = info, code.co_name, stack
    try:
        record = logging.LogRecord(call.logger, call.level, code.co_filename, call.line, message, args, *rest)
    except Exception:  # noqa: BLE001  # it looks into a single argument, which may not stand that
        record = logging.LogRecord(call.logger, call.level, code.co_filename, call.line, message, (), *rest)
        record.args = args
    add_fields(record, given)
    return record


def add_fields(record: logging.LogRecord, given: Mapping[str, Any]) -> None:
    """Make keyword fields attributes of a record, as `extra=` does; it takes any name."""
    reserved = {name: value for name, value in given.items() if name in _NEVER_ATTRIBUTES}
    attributes = {name: value for name, value in given.items() if name not in SPECIAL or name in ("error", "extra")}
    if reserved:
        attributes["extra"] = {**reserved, **given["extra"]} if type(given.get("extra")) is dict else reserved
    record.__dict__.update(attributes)
