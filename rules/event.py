"""An event: one failure in a log, recognised for what it is, with its evidence."""

import re
from typing import NamedTuple

import msgspec

from rules.patterns.model import Severity

MESSAGE_LIMIT = 500  #: characters
STACK_LIMIT = 16_384  #: bytes

_FRAME = re.compile(
    r'^[ |]*File "(?P<file>[^"\n]*)", line (?P<line>\d{1,9})(?!\d)(?:, in (?P<function>[^\n]*))?', re.MULTILINE
)


class Frame(NamedTuple):
    """One call of a traceback."""

    file: str
    line: int
    function: str


class Event(msgspec.Struct, frozen=True, gc=False):
    """One failure: a record of a log, with the traceback in it."""

    type: str
    severity: Severity
    timestamp: str  #: ISO 8601 with an offset; of the record before it where it has none of its own; else empty
    level: str  #: DEBUG, INFO, WARNING, ERROR or CRITICAL; empty where the record does not say
    logger: str
    message: str  #: one line, at most `MESSAGE_LIMIT` characters
    file: str
    line: int  #: of the record's first line; the first of a file is 1
    offset: int  #: of that line, bytes; of the unpacked text where the file is packed
    group: str  #: which failures are the same one; 12 hexadecimal digits
    exception: str = ""  #: the last line of the traceback: `MemoryError: CUDA out of memory`
    stack: str = ""  #: the text of the traceback, at most `STACK_LIMIT` bytes of it

    @property
    def frames(self) -> tuple[Frame, ...]:
        """The calls of all the tracebacks in it, in their order."""
        return tuple(
            Frame(found["file"], int(found["line"]), found["function"] or "") for found in _FRAME.finditer(self.stack)
        )
