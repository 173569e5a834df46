"""The events of a text, until the scanner of records stands in this place."""

from functools import cache

from rules.event import Event
from rules.patterns import load_patterns
from rules.scanner import Chunk, Scanner


def recognise(text: bytes, start: int, *, final: bool) -> tuple[list[Event], int]:
    """The events in whole lines, and how many bytes of them are done with."""
    length = len(text) if final else text.rfind(b"\n") + 1
    found = _scanner().events("", Chunk(memoryview(text)[:length], start, start + length, cut=False))
    events = [Event(each.type, each.severity, "", "", "", each.line, "", 0, each.offset, "") for each in found]
    return events, length


@cache
def _scanner() -> Scanner:
    return Scanner(load_patterns())
