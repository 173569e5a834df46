"""What is asked of stored records, and which lines answer it.

A line is first looked at as bytes: most lines of most queries are left out before any JSON is decoded. A block of lines
without the longest text that a matching line must have is not even split; lines that begin as `logging_core.record`
writes them tell their time and level by their place. What is left is decoded and asked everything again, so that a
query means the same for lines of any other form.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from rules.conditions import Condition
from rules.moment import sortable

#: How levels compare; what is none of these counts as INFO.
LEVELS = {
    "TRACE": 5,
    "DEBUG": 10,
    "INFO": 20,
    "NOTICE": 25,
    "WARN": 30,
    "WARNING": 30,
    "ERROR": 40,
    "CRITICAL": 50,
    "FATAL": 50,
}
_INFO = LEVELS["INFO"]
#: How our own lines begin: {"timestamp":"2026-02-19T10:30:00.123456+00:00","level":"
_BEGINNING, _BETWEEN = b'{"timestamp":"', b'+00:00","level":"'
_TIME, _ZONE, _LEVEL = len(_BEGINNING), len(_BEGINNING) + 26, len(_BEGINNING) + 26 + len(_BETWEEN)
_T, _DOT, _LETTER_T, _LETTER_DOT = _TIME + 10, _TIME + 19, ord("T"), ord(".")  # else it does not sort as ours do
_SECOND, _OURS = len("2026-02-19T10:30:00"), len("2026-02-19T10:30:00.123456+00:00")
#: Characters that every encoder of JSON writes as they are.
_PLAIN = re.compile(r"[A-Za-z0-9 _.:@=+,;*()-]+")
_EARLIEST, _LATEST = "", "~"


class Found(NamedTuple):
    """A record that answers."""

    when: str  #: its timestamp in UTC, of fixed width; empty where it has none that can be read
    line: bytes  #: as it is stored, without the newline
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Query:
    """What a record must be; what is not said is not asked."""

    service: str | None = None
    channel: str | None = None
    level: str | None = None  #: this and those above
    logger: str | None = None  #: this and those below it: `shop` is also `shop.api`
    since: datetime | None = None  #: with this moment
    until: datetime | None = None  #: with this moment
    trace: str | None = None
    where: tuple[Condition, ...] = ()
    text: str | None = None  #: in any of its texts


class Selection:
    """A query made ready. It counts the lines that it looked at and that are no records."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._least = LEVELS[query.level.upper()] if query.level else 0
        self._since = sortable(query.since) if query.since else _EARLIEST
        self._until = sortable(query.until) if query.until else _LATEST
        self._bounds = self._since.encode(), self._until.encode()
        self._is_dated = bool(query.since or query.until)
        self._levels: dict[bytes, bool] = {}  # a level as our lines have it -> whether it may answer
        self._needles = _needles(query)
        self._checks = tuple(_checks(query, self._least))
        self.foreign = 0

    def of(self, block: bytes) -> Iterator[Found]:
        """The records of a block of lines that answer, in its order."""
        for line in self._candidates(block):
            if line and (found := self.answer(line)):
                yield found

    def answer(self, line: bytes) -> Found | None:
        """The record in a line, if it answers."""
        fields = decode(line)
        if fields is None:
            self.foreign += bool(line.strip())
            return None
        if not all(check(fields) for check in self._checks):
            return None
        when = moment_of(fields)
        if self._is_dated and not (when and self._since <= when <= self._until):
            return None
        return Found(when, line, fields)

    def _candidates(self, block: bytes) -> Iterator[bytes]:
        if any(needle not in block for needle in self._needles):
            return
        (since, until), levels = self._bounds, self._levels
        for line in _lines_with(self._needles[0], block) if self._needles else block.split(b"\n"):
            if line[:_TIME] == _BEGINNING and line[_ZONE:_LEVEL] == _BETWEEN:
                if line[_T] == _LETTER_T and line[_DOT] == _LETTER_DOT and not since <= line[_TIME:_ZONE] <= until:
                    continue
                level = line[_LEVEL : line.find(b'"', _LEVEL)]
                if not (levels[level] if level in levels else self._learn(level)):
                    continue
            yield line

    def _learn(self, level: bytes) -> bool:
        """Whether lines of a level may answer; one with an escape in it is decoded to be sure."""
        may = b"\\" in level or len(level) > 32 or rank(level.decode("utf-8", "replace")) >= self._least
        if len(self._levels) < 1000:
            self._levels[level] = may
        return may


def _checks(query: Query, least: int) -> Iterator[Callable[[dict[str, Any]], bool]]:
    """What a record is asked, all but its time."""
    for name, wanted in (("service", query.service), ("channel", query.channel), ("trace_id", query.trace)):
        if wanted is not None:
            yield lambda fields, name=name, wanted=wanted: fields.get(name) == wanted  # type: ignore[misc]
    if least:
        yield lambda fields: rank(fields.get("level")) >= least
    if (parent := query.logger) is not None:
        yield lambda fields: _is_below(fields.get("logger"), parent)
    for condition in query.where:
        yield condition.holds
    if (text := query.text) is not None:
        yield lambda fields: _has_text(fields, text)


def decode(line: bytes) -> dict[str, Any] | None:
    """The JSON object in a line; None where there is none."""
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError:
        try:
            fields = json.loads(line)  # which takes NaN and halves of surrogates, as others write them
        except (ValueError, RecursionError):
            return None
    return fields if isinstance(fields, dict) else None


def moment_of(fields: dict[str, Any]) -> str:
    """A record's time as it sorts; empty where it has none."""
    timestamp = fields.get("timestamp")
    if isinstance(timestamp, str) and len(timestamp) == _OURS and timestamp[-6:] == "+00:00":
        fraction = timestamp[_SECOND:-6]
        if fraction[0] == "." and fraction[1:].isdecimal() and _is_second(timestamp[:_SECOND]):
            return timestamp[:-6]
    try:
        return sortable(datetime.fromisoformat(timestamp)) if isinstance(timestamp, str) else ""
    except (ValueError, OverflowError):
        return ""


@lru_cache(maxsize=64)
def _is_second(text: str) -> bool:
    """Whether it is written as we write moments; a great many records have the same."""
    try:
        return datetime.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def rank(level: Any) -> int:
    """How high a level is, in the numbers of the standard library."""
    return LEVELS.get(level.upper(), _INFO) if isinstance(level, str) else _INFO


def _is_below(logger: Any, parent: str) -> bool:
    return isinstance(logger, str) and (logger == parent or logger.startswith(f"{parent}."))


def _has_text(value: Any, text: str) -> bool:
    found = [value]  # what is yet to be looked at: values may be nested deeper than functions may call themselves
    while found:
        value = found.pop()
        if isinstance(value, str):
            if text in value:
                return True
        elif isinstance(value, dict):
            found.extend(value.values())
        elif isinstance(value, list):
            found.extend(value)
    return False


def _needles(query: Query) -> list[bytes]:
    """Texts that each line that answers has in it, the rarest first, as far as one can tell."""
    exact = [query.service, query.channel, query.trace]
    exact += [each.value for each in query.where if each.operator == "=" and _is_only_text(each.value)]
    found = [f'"{value}"' if _PLAIN.fullmatch(value) else _plain_part(value) for value in exact if value]
    found += [_plain_part(value) for value in (query.text, query.logger) if value]
    return sorted({each.encode() for each in found if each}, key=len, reverse=True)


def _plain_part(value: str) -> str:
    return max(_PLAIN.findall(value), key=len, default="")


def _is_only_text(value: str) -> bool:
    """Whether only a text can equal it: not also a number, an object or a constant."""
    try:
        float(value)
    except ValueError:
        return value not in ("true", "false", "null") and not value.startswith(("{", "["))
    return False


def _lines_with(needle: bytes, block: bytes) -> Iterator[bytes]:
    """The lines of a block that have a text in them."""
    end = -1
    while (place := block.find(needle, end + 1)) >= 0:
        begin = block.rfind(b"\n", end + 1, place) + 1 or end + 1
        end = block.find(b"\n", place)
        if end < 0:
            yield block[begin:]
            return
        yield block[begin:end]
