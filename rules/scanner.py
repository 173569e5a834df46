"""The scanner: a log file in chunks of whole lines, and the errors that a chunk holds."""

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import hyperscan
import msgspec

from rules.patterns import FLAGS, ErrorType, Severity

CHUNK = 1 << 20  #: bytes of the buffer that a chunk is read into; of a longer line only so much is looked at
LINE_SHOWN = 500  #: characters of a line that an event carries
QUIET_LEVELS = frozenset({"TRACE", "DEBUG", "INFO", "NOTICE"})  #: a JSON line of these levels is no error


class Chunk(NamedTuple):
    """A part of a file: the whole lines in it, and where reading goes on."""

    lines: memoryview  #: into the buffer: good until the next read
    start: int  #: the file offset of `lines`
    end: int  #: the file offset to read from next
    cut: bool  #: whether `end` is inside a line that was too long, whose rest is to be skipped


class Event(NamedTuple):
    """A line that is an error of a known type."""

    type: str
    severity: Severity
    source: str
    offset: int  #: of the line in its file, bytes
    line: str  #: at most `LINE_SHOWN` characters


class _Match(NamedTuple):
    start: int
    end: int
    rule: int


class _Rule(NamedTuple):
    rank: int  #: of its type; 0 is the highest priority
    excludes: bool


class _JsonLine(msgspec.Struct):
    level: str = ""


def read_chunk(fd: int, offset: int, *, cut: bool, buffer: bytearray) -> Chunk | None:
    """The whole lines at `offset`, or None where there is none yet; `cut` as the chunk before had it."""
    size = os.preadv(fd, [buffer], offset)
    begin = buffer.find(b"\n", 0, size) + 1 if cut else 0
    last = buffer.rfind(b"\n", begin, size) + 1
    text = memoryview(buffer)
    if last:
        return Chunk(text[begin:last], offset + begin, offset + last, cut=False)
    if begin:
        return Chunk(text[:0], offset + begin, offset + begin, cut=False)
    if cut and size:
        return Chunk(text[:0], offset + size, offset + size, cut=True)
    if size == len(buffer):
        return Chunk(text, offset, offset + size, cut=True)
    return None


class Scanner:
    """Finds the errors of some types in chunks; made once in a process, since its patterns are compiled."""

    def __init__(self, types: Sequence[ErrorType]) -> None:
        self._types = sorted(types, key=lambda each: (-each.priority, each.type))
        self._rules: list[_Rule] = []
        expressions: list[bytes] = []
        for rank, each in enumerate(self._types):
            for excludes, patterns in ((False, each.patterns), (True, each.exclusions)):
                expressions += [pattern.encode() for pattern in patterns]
                self._rules += [_Rule(rank, excludes)] * len(patterns)
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        count = len(expressions)
        self._database.compile(expressions=expressions, ids=list(range(count)), elements=count, flags=[FLAGS] * count)

    def events(self, source: str, chunk: Chunk) -> Iterator[Event]:
        """The errors in a chunk, one a line at most, in the order of the lines."""
        text = bytes(chunk.lines)
        for start, end, rules in self._matched_lines(text):
            found, line = self._decide(rules), text[start:end]
            if found and not _is_quiet(line):
                yield Event(found.type, found.severity, source, chunk.start + start, _shown(line))

    def _matched_lines(self, text: bytes) -> Iterator[tuple[int, int, set[_Rule]]]:
        """(start, end, rules that matched) of each line; a match that goes beyond its line is none."""
        start = end = -1
        rules: set[_Rule] = set()
        for match in self._matches(text):
            if match.start > end:
                if rules:
                    yield start, end, rules
                start = text.rfind(b"\n", 0, match.start) + 1
                end = text.find(b"\n", start) % (len(text) + 1)  # -1, the end of the text, becomes its length
                rules = set()
            if match.end <= end:
                rules.add(self._rules[match.rule])
        if rules:
            yield start, end, rules

    def _matches(self, text: bytes) -> list[_Match]:
        """All matches in the order of their starts; Hyperscan reports them in the order of their ends."""
        found: list[_Match] = []

        def report(rule: int, start: int, end: int, _flags: int, _context: object) -> None:
            found.append(_Match(start, end, rule))

        self._database.scan(text, match_event_handler=report)
        found.sort()
        return found

    def _decide(self, rules: set[_Rule]) -> ErrorType | None:
        """The type of highest priority that matched and was not excluded."""
        excluded = {rule.rank for rule in rules if rule.excludes}
        ranks = {rule.rank for rule in rules} - excluded
        return self._types[min(ranks)] if ranks else None


def _is_quiet(line: bytes) -> bool:
    if not line.startswith(b"{"):
        return False
    try:
        return msgspec.json.decode(line, type=_JsonLine).level.upper() in QUIET_LEVELS
    except msgspec.DecodeError:
        return False


def _shown(line: bytes) -> str:
    # A character is at most four bytes, so no more of a long line need be decoded.
    return line[: 4 * LINE_SHOWN].decode("utf-8", "backslashreplace").rstrip("\r")[:LINE_SHOWN]
