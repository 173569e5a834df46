"""All layouts, as one: which a line is in, and what it says."""

import re
from collections.abc import Sequence

from rules.layouts import json_lines, levelled, stamped, syslog
from rules.layouts.header import LIMIT, Header, Layout
from rules.layouts.times import Times
from rules.layouts.wrappers import Wrapped, peel, unwrap

#: The more special ones first: the first that a line begins like is the one that reads it.
_ALL: tuple[Layout, ...] = (
    *json_lines.LAYOUTS, *syslog.LAYOUTS, *stamped.LAYOUTS, *levelled.LAYOUTS,
)  # fmt: skip
_COLOUR = re.compile(rb"\x1b\[[0-9;?]{0,20}[A-Za-z]")
_BOM = b"\xef\xbb\xbf"


def _together(layouts: Sequence[Layout]) -> re.Pattern[bytes]:
    return re.compile(b"|".join(b"(?:%b)" % layout.start.pattern for layout in layouts))


_BY_FIRST = {first: [layout for layout in _ALL if first in layout.first] for layout in _ALL for first in layout.first}
_BEGINNINGS = {first: _together(layouts) for first, layouts in _BY_FIRST.items()}
#: Layouts whose message may be a line of any other layout.
_CARRIERS = frozenset({"syslog"})


def bare(line: bytes) -> bytes:
    """A line without colours and without the mark that a file may begin with."""
    if b"\x1b" in line:
        line = _COLOUR.sub(b"", line[:LIMIT]) + line[LIMIT:]
    return line[3:] if line[:1] == b"\xef" and line.startswith(_BOM) else line


class Layouts:
    """Reads the lines of one log."""

    def __init__(self, times: Times) -> None:
        self._times = times

    def header(self, line: bytes) -> Header | None:
        """What a line says if a record begins with it, else None. The line may end with its newline."""
        line = bare(line)
        for layout in _BY_FIRST.get(line[0] if line else 0, ()):
            if found := layout.start.match(line, 0, LIMIT):
                header = layout.read(found, self._times)
                return self._with_content(header) if header.layout in _CARRIERS else header
        return None

    def begins(self, line: bytes) -> bool:
        """Whether a record begins with a line: whether `header` says anything, but quicker."""
        line = bare(line)
        start = _BEGINNINGS.get(line[0]) if line else None
        return start is not None and start.match(line, 0, LIMIT) is not None

    def unwrap(self, line: bytes) -> Wrapped | None:
        """What is inside of a line that a container runtime has wrapped (Docker, CRI, compose, kubectl), or None."""
        return unwrap(bare(line), self._times)

    def peel(self, line: bytes) -> Wrapped | None:
        """What is inside of a line of syslog or the journal, for tracebacks of which each line is in one, or None."""
        return peel(bare(line), self._times)

    def _with_content(self, outer: Header) -> Header:
        """What a line inside of another one says, and where it says nothing, what the outer one does."""
        inner = self.header(outer.message.encode())
        if inner is None:
            return outer
        return Header(
            inner.timestamp or outer.timestamp,
            inner.level or outer.level,
            inner.logger or outer.logger,
            inner.message,
            inner.stack,
            outer.layout,
        )
