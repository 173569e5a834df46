"""How far the record around a line goes: its header above, its continuation and its traceback below."""

from typing import NamedTuple

from rules.layouts import ALONE, QUIET, Header, Layouts
from rules.tracebacks import Span, Text, line_end, span

LOOK = 65_536  #: bytes of a line that are looked at
ABOVE = 20  #: lines in which a header is looked for
MIXED = 2 * ABOVE  #: lines in which the last records of streams that are mixed are looked for
BELOW = 200  #: lines that a record goes on for, its traceback apart

_DIGITS = frozenset(b"%d" % digit for digit in range(10)) | {b"["}


class Record(NamedTuple):
    """Whole lines of a text."""

    start: int
    end: int
    header: Header | None
    since: str  #: the time of the header before it, where it has none itself; else empty
    traceback: tuple[int, Span] | None  #: where it starts, and how far it goes
    is_quiet: bool = False  #: whether it says itself that it is no failure


class Records:
    """The records of one file."""

    def __init__(self, layouts: Layouts) -> None:
        self._layouts = layouts
        self.beginning: bytes | tuple[()] = ()  #: of the last header, where it is that of a time: others begin like it

    def around(self, text: Text, at: int, floor: int, size: int, *, is_mark: bool) -> Record:
        """The record that the match at `at` belongs to; nothing before `floor` does. `is_mark`: a traceback begins."""
        start = max(text.rfind(b"\n", floor, at) + 1, floor)
        if is_mark and at == start:
            start_above, header, since = self._above(text, start, floor)
            if header and header.level in QUIET:
                start_above, since, header = start, header.timestamp, None
            found = self._traceback(text, start, size)
            return Record(start_above, found.end, header, since, (start, found))
        end = line_end(text, at, size)
        header = self._layouts.header(bytes(text[start : min(end, start + LOOK)]))
        if header is None:
            start_above, header, since = self._above(text, start, floor)
            if header and header.level in QUIET:
                if not is_mark and text[start : start + 1] in (b" ", b"\t"):
                    return Record(start, min(end + 1, size), header, "", None, is_quiet=True)
                start_above, since, header = start, header.timestamp, None
            stop, traceback = self._below(text, start, size, is_headed=header is not None)
            return Record(start_above, stop, header, since, traceback)
        quiet = header.level in QUIET
        if is_alone(header):
            return Record(start, min(end + 1, size), header, "", None, quiet)
        if is_mark:
            found = self._traceback(text, start, size)
            return Record(start, found.end, header, "", (start, found), quiet)
        if quiet:
            return Record(start, min(end + 1, size), header, "", None, quiet)
        stop, traceback = self._below(text, min(end + 1, size), size, is_headed=True)
        return Record(start, stop, header, "", traceback)

    def begins(self, text: Text, start: int, end: int) -> bool:
        """Whether the line from `start` to `end` begins a record."""
        return text.startswith(self.beginning, start, end) or self._layouts.begins(
            bytes(text[start : min(end, start + LOOK)])
        )

    def last(self, text: Text, size: int, *, is_wrapped: bool) -> int:
        """Where the last record of these whole lines starts, or their end where no line near it begins one.

        Of streams that are mixed, where the first of their last records starts.
        """
        end = last = size
        begun: set[bytes] = set()  # streams whose last record is known
        for number in range(ABOVE * 10):
            if end <= 1 or size - end > LOOK or (begun and number >= MIXED):
                break
            start = text.rfind(b"\n", 0, end - 1) + 1
            line = bytes(text[start : min(end - 1, start + LOOK)])
            key = b""
            if is_wrapped and (inside := self._layouts.unwrap(line)):
                line, key = inside.content, inside.key
            if key not in begun and self._layouts.begins(line):
                last = start
                if not is_wrapped:
                    break
                begun.add(key)
            end = start
        return last

    def _above(self, text: Text, start: int, floor: int) -> tuple[int, Header | None, str]:
        """(start of the record, its header, the time of a header that is not its own)."""
        line = start
        for _ in range(ABOVE):
            if line <= floor:
                break
            end = line - 1
            line = max(text.rfind(b"\n", floor, end) + 1, floor)
            above = bytes(text[line : min(end, line + LOOK)])
            if not above or above.isspace():
                break
            header = self._layouts.header(above)
            if header is None:
                continue
            if is_alone(header):
                return start, None, header.timestamp
            if above[:1] in _DIGITS:
                self.beginning = above[:4]
            return line, header, ""
        return start, None, ""

    def _below(self, text: Text, start: int, size: int, *, is_headed: bool) -> tuple[int, tuple[int, Span] | None]:
        """(end of the record, its traceback); without a header only indented lines go on with it."""
        line = start
        for number in range(BELOW):
            if line >= size:
                break
            end = line_end(text, line, size)
            if text.find(b"Traceback (most recent call last):", line, min(end, line + 60)) >= 0:
                found = self._traceback(text, line, size)
                return found.end, (line, found)
            is_indented = text[line : line + 1] in (b" ", b"\t")
            if line != start or is_headed:
                if end - line <= 1 and not text[line:end].strip():
                    break
                if not is_indented and ((not is_headed and number) or self.begins(text, line, end)):
                    break
            line = min(end + 1, size)
        return line, None

    def _traceback(self, text: Text, start: int, size: int) -> Span:
        return span(text, start, size, self.begins)


def is_alone(header: Header) -> bool:
    """Whether the layout has one line a record, so that what follows is not of it."""
    return header.layout in ALONE
