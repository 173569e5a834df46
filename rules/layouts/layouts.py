"""All layouts, as one: which a line is in, and what it says."""

import re
from functools import cache

from rules.layouts import json_lines, kernel, lettered, levelled, logfmt, servers, stamped, syslog
from rules.layouts.header import ALONE, LIMIT, Header, Layout
from rules.layouts.servers import continues_postgres, repeats_statement
from rules.layouts.stamped import usual
from rules.layouts.syslog import prefix
from rules.layouts.times import Times
from rules.layouts.wrappers import Wrapped, unwrap

#: The more special ones first: the first that a line begins like is the one that reads it.
_ALL: tuple[Layout, ...] = (
    *json_lines.LAYOUTS, *syslog.LAYOUTS, *servers.LAYOUTS, *lettered.LAYOUTS, *kernel.LAYOUTS, *logfmt.LAYOUTS,
    *stamped.LAYOUTS, *levelled.LAYOUTS, *servers.LAST,
)  # fmt: skip
_COLOUR = re.compile(rb"\x1b\[[0-9;?]{0,20}[A-Za-z]")
_BOM = b"\xef\xbb\xbf"
_MARK = _BOM[:1]
_ESCAPE = 0x1B  # a number, since `in` takes bytes for a number first, which costs an exception each time
#: Layouts whose message may be a line of any other layout.
_CARRIERS = frozenset({"syslog"})


@cache
def _beginning_with(first: int) -> tuple[Layout, ...]:
    return tuple(layout for layout in _ALL if first in layout.first)


def bare(line: bytes) -> bytes:
    """A line without colours and without the mark that a file may begin with."""
    return (_COLOUR.sub(b"", line[:LIMIT]) + line[LIMIT:]).removeprefix(_BOM)


class Layouts:
    """Reads the lines of one log."""

    def __init__(self, times: Times) -> None:
        self._times = times

    def header(self, line: bytes) -> Header | None:
        """What a line says if a record begins with it, else None. The line may end with its newline."""
        header = self._header(line)
        if header is None:
            return None
        if not header.level and repeats_statement(line, header.message):
            return header._replace(level="INFO")
        return self._with_content(header, line) if header.layout in _CARRIERS else header

    def begins(self, line: bytes) -> bool:
        """Whether a record begins with a line: whether `header` says anything, but quicker."""
        if _ESCAPE in line or line[:1] == _MARK:
            line = bare(line)
        if not line:
            return False
        first = line[0]
        if not any(layout.start.match(line) for layout in _beginning_with(first)):
            return False
        return not (first in b"0123456789" and continues_postgres(line))

    def unwrap(self, line: bytes) -> Wrapped | None:
        """What is inside of a line that a container runtime has wrapped (Docker, CRI, compose, kubectl), or None."""
        return unwrap(bare(line) if _ESCAPE in line else line, self._times)

    def _header(self, line: bytes) -> Header | None:
        if _ESCAPE in line or line[:1] == _MARK:
            line = bare(line)
        second = line[:19]
        if self._times.knows(second) and (quick := usual(line, 19, second, self._times)):
            return quick
        if not line or continues_postgres(line):
            return None
        for layout in _beginning_with(line[0]):
            if start := layout.start.match(line):
                return layout.read(start, self._times)
        return None

    def _with_content(self, outer: Header, line: bytes) -> Header:
        """What a line inside of another one says, and where it says nothing, what the outer one does."""
        inner = self._header(_content(outer, line))
        if inner is None:
            return outer
        return Header(
            inner.timestamp or outer.timestamp,
            inner.level or outer.level,
            inner.logger or outer.logger,
            inner.message,
            inner.stack,
            inner.layout if inner.layout in ALONE else outer.layout,
        )


def _content(outer: Header, line: bytes) -> bytes:
    """What the outer one says; all of it where it is JSON, which is nothing in part."""
    found = prefix(bare(line)) if outer.message.startswith("{") else None
    return bare(line)[found.end() :].removeprefix(_BOM) if found else outer.message.encode()
