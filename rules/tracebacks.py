"""How far a Python traceback goes, and which of its lines say what went wrong.

The shapes are those of CPython's `traceback` module: causes and contexts chained by a sentence between two empty
lines, groups whose lines stand behind `|` and `+`, notes and messages of several lines behind the exception.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

MARK = rb"Traceback \(most recent call last\):"  #: as a pattern
LINES_LIMIT = 60  #: of a message and its notes

#: A traceback of one exception, of one line; of those that go on in the next lines too.
USUAL = re.compile(rb"Traceback [^\n]*\n(?:[ \t][^\n]*\n)+([^\s][^\n]*)\n")
_INDENT = re.compile(rb"[ \t]{0,80}+(?=Traceback )")
#: The line of an exception, whatever the line before it: a name, and nothing or a colon behind it.
_SAYS = re.compile(rb"\s*+[^\s\d\[{<:][^\s:]*+(?::|\s*+\Z)")
_GROUP = re.compile(rb"[^\n]*\n(?:[ ]+[|+][^\n]*(?:\n|\Z))*")
_GROUP_SAYS = re.compile(rb"^[ ]+\| (?=[^ \n])(?!Traceback )[^\n]*", re.MULTILINE)
_CHAIN = re.compile(
    # The journal leaves out empty lines.
    rb"(?:[ \t]*+\r?\n)?[ \t]*+(?:The above exception was the direct cause of the following exception"
    rb"|During handling of the above exception, another exception occurred):\r?\n"
    rb"(?:[ \t]*+\r?\n)?(?=[ \t]*+(?:\+ Exception Group )?Traceback )"
)

Text = bytes | bytearray
Begins = Callable[[Text, int, int], bool]  #: whether the line from one place to another begins a record


class Span(NamedTuple):
    """A traceback, its causes with it."""

    end: int  #: behind its last line
    says: list[
        tuple[int, int]
    ]  #: (start, end) of what the exceptions say, their notes with it; the lines of code are not in it
    last: tuple[int, int]  #: the line of the last exception; empty where it is missing
    is_whole: bool  #: whether it has the line of its last exception


def span(text: Text, start: int, size: int, begins: Begins) -> Span:
    """The traceback that starts in the line at `start`."""
    usual = USUAL.match(text, start, size)  # most are one exception of one line
    if usual and begins(text, usual.end(), line_end(text, usual.end(), size)) and not _CHAIN.match(text, usual.end()):
        line = usual.span(1)
        return Span(usual.end(), [line], line, is_whole=True)
    says: list[tuple[int, int]] = []
    while True:
        first = text.find(b"\n", start, size) + 1 or size
        if text.find(b"+ Exception Group Traceback", start, first) >= 0:
            end = _matched(_GROUP, text, start, size)
            found = [match.span() for match in _GROUP_SAYS.finditer(text, first, end)]
            says += found
            last = found[0] if found else (end, end)
        else:
            blank = _INDENT.match(text, start, first)
            indent = blank[0] if blank else b""
            told = _matched(_calls(indent), text, start, size)
            end = _message_end(text, told, size, begins, indent)
            last = told, line_end(text, told, end)
            if end > told:
                says.append((told, end))
        chain = _CHAIN.match(text, end, size)
        if chain is None or last[0] == last[1]:
            return Span(end, says, last, last[0] < last[1])
        start = chain.end()


@lru_cache(80)
def _calls(indent: bytes) -> re.Pattern[bytes]:
    """The lines of code of a traceback that stands behind an indentation."""
    return re.compile(rb"[^\n]*\n(?:%b[ \t][^\n]*(?:\n|\Z))*" % indent)


def _matched(shape: re.Pattern[bytes], text: Text, start: int, size: int) -> int:
    match = shape.match(text, start, size)
    return match.end() if match else size


def _message_end(text: Text, start: int, size: int, begins: Begins, indent: bytes) -> int:
    """Behind the exception's line, the rest of its message and its notes."""
    end = start
    for number in range(LINES_LIMIT):
        if end >= size:
            return size
        stop = line_end(text, end, size)
        if stop - end <= 1 and not text[end:stop].strip():
            return end
        if not text.startswith(indent, end, stop):
            return end
        if number:
            if text.startswith(b"Traceback ", end + len(indent), stop) or begins(text, end, stop):
                return end
        elif begins(text, end, stop) and not _SAYS.match(text, end, stop):  # it was broken off
            return end
        end = min(stop + 1, size)
    return end


def line_end(text: Text, at: int, size: int) -> int:
    """Where the line at `at` ends, its line break apart."""
    end = text.find(b"\n", at, size)
    return size if end < 0 else end
