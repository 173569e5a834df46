"""A window's text: its lines numbered, parts of it as they may be shown, its colours out of the way."""

import re

from logging_core.printable import printable
from rules.event import MESSAGE_LIMIT
from rules.tracebacks import Text

COLOURS_LIMIT = 64  #: different escape sequences in a window that are taken out one by one

_COLOUR = re.compile(rb"\x1b\[[0-9;:]*[mK]")
_ESCAPE = 0x1B  # a number, since `in` takes bytes for a number first, which costs an exception each time


class Lines:
    """The numbers of a window's lines, counted as far as they are asked for."""

    def __init__(self, text: Text, first: int, start: int) -> None:
        self._text = text
        self._start = start
        self._number = first
        self._counted = 0

    def number(self, place: int) -> int:
        """Of the line that starts at a place of the window."""
        back = place < self._counted  # as it is where streams are mixed
        part = self._text[place : self._counted] if back else self._text[self._counted : place]
        # Three times as fast as `count`, which looks at each byte alone (before Python 3.13).
        lines = len(part) - len(part.replace(b"\n", b""))
        self._number += -lines if back else lines
        self._counted = place
        return self._number

    def at(self, place: int) -> tuple[int, int]:
        """(line, offset) in the file."""
        return self.number(place), self._start + place


def shown(text: Text, start: int, end: int) -> str:
    """A line, or the beginning of it, as one that can be printed."""
    # A character is at most four bytes, so no more of a long line need be decoded.
    return printable(decoded(text, start, min(end, start + 4 * MESSAGE_LIMIT)).strip())[:MESSAGE_LIMIT]


def decoded(text: Text, start: int, end: int) -> str:
    """A part of the text, without colours; what is not UTF-8 is escaped."""
    return bare(text, start, end).decode("utf-8", "backslashreplace")


def bare(text: Text, start: int, end: int) -> Text:
    """A part of the text, without colours."""
    part = text[start:end]
    return _COLOUR.sub(b"", part) if _ESCAPE in part else part


def without_colours(text: Text, size: int) -> Text:
    """The text with NUL in place of terminal colours, so that words stand free and offsets stay."""
    if text.find(b"\x1b", 0, size) < 0:  # of one byte, since that is found at the speed of memory
        return text
    text = bytes(text[:size])
    different = set(_COLOUR.findall(text))
    if len(different) > COLOURS_LIMIT:
        return _COLOUR.sub(lambda found: bytes(len(found[0])), text)
    for colour in different:
        text = text.replace(colour, bytes(len(colour)))
    return text
