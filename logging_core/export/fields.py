"""What exporters read from a line: its time, its level, its ids."""

import logging
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from logging_core.background import Line

Fields = dict[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LAST = 2**63 - 1
_HEX = re.compile(r"[0-9a-f]+")
_LEVELS = ((50, "CRITICAL"), (40, "ERROR"), (30, "WARNING"), (20, "INFO"))


def fields_of(line: Line) -> Fields:
    """All fields of the record."""
    fields: Fields = orjson.loads(line.body)
    return fields


def nanoseconds(fields: Fields) -> int:
    """When the record was made, in nanoseconds since the epoch; as near as 63 bits come to it, where they cannot."""
    return min(max((datetime.fromisoformat(fields["timestamp"]) - _EPOCH) // _MICROSECOND * 1000, 0), _LAST)


def level_of(line: Line) -> int:
    """The record's level; none, where the record said something that is no number."""
    return line.level if isinstance(line.level, int) else logging.NOTSET


def level_name(line: Line) -> str:
    """The standard level that the record's reaches: there are five, however many an application defines."""
    level = level_of(line)
    return next((name for reached, name in _LEVELS if level >= reached), "DEBUG")


def trace_id(fields: Fields) -> str | None:
    """The trace id as W3C has it, 32 hex digits, if it can be read so: a UUID can."""
    return _hex(fields.get("trace_id"), 32)


def span_id(fields: Fields) -> str | None:
    """The span id as W3C has it, 16 hex digits, if it is one."""
    return _hex(fields.get("span_id"), 16)


def _hex(value: Any, digits: int) -> str | None:
    if not isinstance(value, str):
        return None
    plain = value.replace("-", "").lower()
    return plain if len(plain) == digits and _HEX.fullmatch(plain) and plain.strip("0") else None
