"""The scanner: the failures in a log, one event for each, whatever the layout of its lines."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from logging_core.printable import printable
from rules.compiled import CompiledTypes, Match
from rules.event import MESSAGE_LIMIT, STACK_LIMIT, Event
from rules.fingerprint import group_id
from rules.layouts import QUIET, Header, Layouts, Times
from rules.patterns import ErrorType
from rules.records import LOOK, Record, Records, is_alone
from rules.tracebacks import USUAL, Span, Text, line_end, span
from rules.window_text import Lines, bare, decoded, shown, without_colours
from rules.wrapped import LIMITS, MixedStreams, Streams, Unwrapped

_TRACEBACK = "Traceback (most recent call last):"
_DIGITS = dict.fromkeys(range(ord("1"), ord("9") + 1), "0")
_REMEMBERED = 4096  #: texts whose group is remembered


@dataclass(slots=True)
class Found:
    """What one window held."""

    consumed: int  #: bytes: what comes next is looked at again, together with what follows it
    events: list[Event] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)  #: exception -> tracebacks that are of no type


class Scanner:
    """Finds the failures of some types; made once in a process, since their patterns are compiled."""

    def __init__(self, types: Iterable[ErrorType]) -> None:
        self.compiled = CompiledTypes(types)
        self._groups: dict[tuple[str, str, str], str] = {}

    def events(self, text: bytes, name: str = "") -> list[Event]:
        """The failures in a whole text."""
        return FileScan(self, name, Layouts(Times())).window(text, len(text), 0, final=True).events

    def group(self, service: str, type_: str, text: str) -> str:
        """The group of a failure; it is worked out once for all texts that differ in digits alone."""
        key = service, type_, text.translate(_DIGITS)
        known = self._groups.get(key)
        if known is None:
            if len(self._groups) >= _REMEMBERED:
                self._groups.clear()
            known = self._groups[key] = group_id(service, type_, text)
        return known


class FileScan:
    """The scan of one file, window after window.

    Args:
        name: what events call the file.
        layouts: how its lines are read.
        line: the number of the first window's first line.
        service: whose failures they are, for their groups.
    """

    def __init__(self, scanner: Scanner, name: str, layouts: Layouts, *, line: int = 1, service: str = "") -> None:
        self._scanner = scanner
        self._compiled = scanner.compiled
        self._name = name
        self._layouts = layouts
        self._records = Records(layouts)
        self._service = service
        self._remembered: dict[tuple[str, bytes], tuple[str, str] | None] = {}
        self._end = self._floor = 0  # offsets of where the last window was consumed to, and of records that were found
        self._used: set[int] = set()  # offsets of lines behind that end that are of such records
        self.line = line  #: number of the next window's first line

    def window(self, text: Text, size: int, start: int, *, final: bool) -> Found:
        """The failures in the first `size` bytes of a text that begins at offset `start` of the file.

        Unless it is `final`, the last record is left for the next window, since it may go on.
        """
        is_wrapped = self._is_wrapped(text, size)
        whole = size if final else text.rfind(b"\n", 0, size) + 1
        end = whole if final else self._records.last(text, whole, is_wrapped=is_wrapped)
        may_go_on = 0 < end == whole and not final
        if end == 0:  # one record, or one line, is all there is
            end = whole or size
        found = Found(end)
        lines = Lines(text, self.line, start)
        looked_at = max(end, whole) if is_wrapped else end  # records of mixed streams may go on behind the end
        matches = self._compiled.matches(memoryview(without_colours(text, size))[:looked_at])
        if start != self._end:
            self._floor, self._used = 0, set()
        used = {offset - start for offset in self._used}
        streams = MixedStreams(text, whole or size, self._layouts, is_wrapped=is_wrapped)
        floor = self._scan(text, matches, found, lines, streams, used, start, may_go_on=may_go_on, final=final)
        self._end, self._floor = start + found.consumed, start + floor
        self._used = {start + place for place in used if place >= found.consumed}
        self.line = lines.number(found.consumed)
        return found

    def _is_wrapped(self, text: Text, size: int) -> bool:
        """Whether there are lines of a container in it; a few of them tell, since other lines are few beside them."""
        starts = {text.rfind(b"\n", 0, size * eighth // 8) + 1 for eighth in range(8)}
        lines = (bytes(text[start : min(line_end(text, start, size), start + LOOK)]) for start in starts)
        return any(map(self._layouts.unwrap, lines))

    def _scan(
        self,
        text: Text,
        matches: list[Match],
        found: Found,
        lines: Lines,
        streams: MixedStreams,
        used: set[int],
        start: int,
        *,
        may_go_on: bool,
        final: bool,
    ) -> int:
        """Where what is not of a record yet begins; `used` are the lines behind that are."""
        size, mark = found.consumed, self._compiled.mark
        floor = max(0, self._floor - start)
        for index, (at, number) in enumerate(matches):
            if at < floor:
                continue
            is_mark = number == mark
            if is_mark and not used and (usual := self._usual(text, at, floor, size, matches, index, lines)):
                floor = usual[0]
                found.events.append(usual[1])
                continue
            mixed = streams.of(at, is_mark=is_mark)
            first = text.rfind(b"\n", 0, at) + 1 if mixed or used else 0
            if used and first in used:
                continue
            apart = mixed and self._apart(text, first, mixed, used, is_container=mixed == streams.containers)
            if apart:
                stream, record, of_stream = apart
                place = stream.place(record.start)
                if place >= size:
                    continue
                if stream.is_open and record.end == len(stream.text) and not final and place > size // 2:
                    found.consumed = place
                    return floor
                used.add(first)
                used.update(stream.within(record.start, record.end))
                after = bisect_left(of_stream, (record.start,))
                event = self._event(stream.text, record, of_stream, after, place, lines, stream.timestamp)
            elif at >= size or (mixed and first in used):
                continue
            else:
                record = self._records.around(text, at, floor, size, is_mark=is_mark)
                if may_go_on and record.end == size and record.start > 0:
                    found.consumed = record.start
                    return floor
                floor = record.end
                event = self._event(text, record, matches, index, record.start, lines)
            if isinstance(event, str):
                found.unknown[event] += 1
            elif event:
                found.events.append(event)
        return floor

    def _usual(
        self, text: Text, at: int, floor: int, size: int, matches: list[Match], index: int, lines: Lines
    ) -> tuple[int, Event] | None:
        """What most failures are, read quickly: a header, and below it a traceback with one exception of one line.

        None where it may be anything else, or is no event.
        """
        usual = USUAL.match(text, at, size) if at else None
        if usual is None or not text.startswith(self._records.beginning, usual.end(), size):
            return None
        start = (text.rfind(b"\n", floor, at - 1) + 1) or floor
        header = self._layouts.header(bytes(text[start : at - 1]))
        if header is None or header.level in QUIET or is_alone(header):
            return None
        told, end = usual.span(1)
        best = mark = self._compiled.mark
        for following in range(index + 1, len(matches)):
            place, number = matches[following]
            if place >= end:
                break
            if place >= told and number < best:
                best = number
        if best == mark:
            return None
        type_ = self._compiled.type_of(best)
        said = self._said(type_, bytes(text[told : min(end, told + 4 * MESSAGE_LIMIT)]))
        if said is None:
            return None
        exception, group = said
        message = printable(header.message[:MESSAGE_LIMIT] or exception)
        line, offset = lines.at(start)
        return end + 1, Event(
            type_.type, type_.severity, header.timestamp, header.level, header.logger, message,
            self._name, line, offset, group, exception, decoded(text, at, end + 1)[:STACK_LIMIT],
        )  # fmt: skip

    def _said(self, type_: ErrorType, line: bytes) -> tuple[str, str] | None:
        """The line of an exception as text, and its group; None where it is excluded. Many say the same."""
        key = type_.type, line
        if key not in self._remembered:
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            exception = shown(line, 0, len(line))
            is_excluded = self._compiled.excludes(type_, line)
            group = "" if is_excluded else self._scanner.group(self._service, type_.type, exception)
            self._remembered[key] = None if is_excluded else (exception, group)
        return self._remembered[key]

    def _apart(
        self, text: Text, first: int, streams: Streams, used: set[int], *, is_container: bool
    ) -> tuple[Unwrapped, Record, list[Match]] | None:
        """The stream of the line at `first`, the record in it, and the matches; `first` is used where it has none."""
        for limit in LIMITS:
            stream = streams.around(first, used, limit)
            if stream is None:
                break
            matches = self._compiled.matches(stream.text)
            index = bisect_left(matches, (stream.at,))
            if index == len(matches):
                used.add(first)
                break
            at, number = matches[index]
            if is_container:
                is_mark = number == self._compiled.mark
                record = self._records.around(stream.text, at, 0, len(stream.text), is_mark=is_mark)
            else:
                record = self._lines_with_prefix(text, first, stream)
            if record.end < len(stream.text) or not stream.has_more or limit == LIMITS[-1]:
                return stream, record, matches
        return None

    def _lines_with_prefix(self, text: Text, first: int, stream: Unwrapped) -> Record:
        """A traceback each line of which is a record by itself; so the line of the exception is its last one."""
        traceback = span(stream.text, stream.at, len(stream.text), lambda *_: True)
        header = self._layouts.header(bytes(text[first : line_end(text, first, first + LOOK)]))
        is_quiet = header is not None and header.level in QUIET
        header = header._replace(message="") if header else None
        return Record(stream.at, traceback.end, header, "", (stream.at, traceback), is_quiet)

    def _event(
        self,
        text: Text,
        record: Record,
        matches: list[Match],
        index: int,
        place: int,
        lines: Lines,
        timestamp: str = "",
    ) -> Event | str | None:
        """The event that a record is; the exception of a traceback that is of no type; None for anything else."""
        header, exception, stack = record.header, "", ""
        if header and (header.stack or header.message.startswith(_TRACEBACK)) and is_alone(header):
            if record.is_quiet:
                return None
            type_, exception, stack = self._inside(header)
        else:
            type_, told = self._type(text, record, matches, index)
            if type_ is None and record.is_quiet:
                return None
            if record.traceback:
                start, traceback = record.traceback
                exception = shown(text, *traceback.last)
                stack = decoded(text, start, min(traceback.end, start + STACK_LIMIT))
            elif type_ and header and told > line_end(text, record.start, record.end):
                exception = shown(text, text.rfind(b"\n", 0, told) + 1, line_end(text, told, record.end))
        if type_ is None:
            return exception.partition(":")[0][:100] or None
        message = ""
        if header and not header.message.startswith(_TRACEBACK):
            message = header.message[:MESSAGE_LIMIT]
        elif not header and not exception:
            message = shown(text, record.start, line_end(text, record.start, record.end))
        message = printable(message or exception)
        line, offset = lines.at(place)
        return Event(
            type_.type,
            type_.severity,
            (header.timestamp if header else record.since) or timestamp,
            header.level if header else "",
            header.logger if header else "",
            message,
            self._name,
            line,
            offset,
            self._scanner.group(self._service, type_.type, exception or message),
            exception,
            stack,
        )

    def _type(self, text: Text, record: Record, matches: list[Match], index: int) -> tuple[ErrorType | None, int]:
        """The type of a record, and where the match that decided stands; lines of code in a traceback say nothing.

        In a record that says it is no failure, only patterns for any level count.
        """
        end, mark = record.end, self._compiled.mark
        start_of_code, traceback = record.traceback or (end, None)
        told = sorted(
            (number, at)
            for at, number in matches[index : bisect_left(matches, (end,), index)]
            if number != mark
            and not (record.is_quiet and not self._compiled.is_at_any_level(number))
            and not (traceback and start_of_code <= at and _is_code(at, traceback))
        )
        excluded: set[tuple[str, int]] = set()
        line = stop = -1
        for number, at in told:
            type_ = self._compiled.type_of(number)
            if not line <= at <= stop:
                line, stop = text.rfind(b"\n", 0, at) + 1, line_end(text, at, end)
            if (type_.type, line) in excluded:
                continue
            if not self._compiled.excludes(type_, bare(text, max(line, at - LOOK), min(stop, at + LOOK))):
                return type_, at
            excluded.add((type_.type, line))
        return None, 0

    def _inside(self, header: Header) -> tuple[ErrorType | None, str, str]:
        """(type, last exception, traceback) of a record that carries its traceback in a field."""
        text = f"{header.message}\n{header.stack}\n".encode("utf-8", "backslashreplace")
        start = max(text.find(_TRACEBACK.encode()), 0)
        start = text.rfind(b"\n", 0, start) + 1
        traceback = span(text, start, len(text), lambda *_: False)
        record = Record(0, len(text), None, "", (start, traceback))
        type_, _ = self._type(text, record, self._compiled.matches(text), 0)
        stack = decoded(text, start, min(traceback.end, start + STACK_LIMIT))
        return type_, shown(text, *traceback.last), stack


def _is_code(at: int, traceback: Span) -> bool:
    index = bisect_right(traceback.says, (at, traceback.end)) - 1  # the last one that starts at or before it
    return at < traceback.end and (index < 0 or at >= traceback.says[index][1])
