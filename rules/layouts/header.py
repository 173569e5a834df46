"""What the layouts say of a line."""

import re
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

from rules.layouts.times import Times

#: Bytes of a line in which its prefix is looked for, and of which a text line's message is taken.
LIMIT: Final = 4096

#: Layouts that have one line a record.
ALONE: Final = frozenset({"json", "logfmt"})


class Header(NamedTuple):
    """What the first line of a record says."""

    timestamp: str  #: ISO 8601 in UTC with microseconds ("2026-02-19T10:30:00.123000+00:00"), or ""
    level: str  #: TRACE DEBUG INFO NOTICE WARNING ERROR CRITICAL, or "" where it is not said
    logger: str  #: or the program, or ""
    message: str  #: the rest of the line, without what was read from it and without colours
    stack: str = ""  #: the text of an exception that rides inside a JSON line
    layout: str = "text"  #: which layout it was


#: A header of all its six fields, in half the time that the class takes.
new_header: Final[Callable[[tuple[str, str, str, str, str, str]], Header]] = partial(tuple.__new__, Header)


class Layout(NamedTuple):
    """One way to write the beginning of a record."""

    first: bytes  #: the bytes one of which such a line begins with
    start: re.Pattern[bytes]  #: what it begins with; it has no named groups
    read: Callable[[re.Match[bytes], Times], Header]  #: of a line that begins so; the match holds the line


def shown(line: bytes, start: int) -> str:
    """The text of a message that begins at `start`."""
    return line[start:LIMIT].decode("utf-8", "backslashreplace").strip()
