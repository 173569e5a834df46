"""What the types of a pattern file would find in a log, line by line, and by which of their patterns."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

from rules.patterns.matching import LineMatcher
from rules.patterns.model import ErrorType

LONGEST_LINE = 1 << 20  #: bytes; of a longer line the parts are looked at one by one


class Found(NamedTuple):
    """A line that is of a type, or would be but for an exclusion."""

    line: int  #: from 1
    type: str
    pattern: str
    exclusion: str  #: that silences it; "" for none
    text: str


class Trial:
    """One run over a log."""

    def __init__(self, types: Sequence[ErrorType]) -> None:
        self._matcher = LineMatcher(types)
        self.types = Counter({each.type: 0 for each in types})  #: lines of each type
        self.silenced: Counter[str] = Counter()  #: lines that exclusions silenced, of each type
        self.lines = 0

    def run(self, log: BinaryIO) -> Iterator[Found]:
        """What is found, in the order of the lines; a line is counted for its type of the highest priority."""
        number, begins = 0, True
        while part := log.readline(LONGEST_LINE):
            number += begins
            begins = part.endswith(b"\n")
            self.lines = number
            hits = self._matcher.hits(part.rstrip(b"\n"))
            text = part.decode("utf-8", "backslashreplace").rstrip("\r\n")
            for hit in hits:
                if hit.is_silenced:
                    self.silenced[hit.type.type] += 1
                    yield Found(number, hit.type.type, hit.patterns[0], hit.exclusions[0], text)
            if heard := next((hit for hit in hits if not hit.is_silenced), None):
                self.types[heard.type.type] += 1
                yield Found(number, heard.type.type, heard.patterns[0], "", text)
