"""Error types compiled into one database that finds all their patterns in one pass."""

from collections.abc import Iterable
from threading import Lock
from typing import cast

from rules.patterns import ErrorType, says_so
from rules.patterns.database import compiled
from rules.tracebacks import MARK

Match = tuple[int, int]  #: where it starts, and the number of its pattern


class CompiledTypes:
    """Patterns are numbered so that of several the smallest number is the one that counts.

    First those of the types, the highest priority first; then the mark of a traceback (`mark`); then the exclusions.
    """

    def __init__(self, types: Iterable[ErrorType]) -> None:
        self.types = sorted(types, key=lambda each: (-each.priority, each.type))
        self._type_of = [each for each in self.types for _ in says_so(each)]
        self.mark = len(self._type_of)
        loud = [pattern in each.at_any_level for each in self.types for pattern in says_so(each)]
        self._at_any_level = frozenset(number for number, is_loud in enumerate(loud) if is_loud)
        self._excluded = [each for each in self.types for _ in each.exclusions]
        expressions = [
            *(pattern for each in self.types for pattern in says_so(each)),
            MARK.decode(),
            *(pattern for each in self.types for pattern in each.exclusions),
        ]
        self._database = compiled(expressions)
        self._lock = Lock()  # what a scan needs of memory is there once

    def matches(self, text: bytes | bytearray | memoryview) -> list[Match]:
        """All matches, in the order of their starts; Hyperscan reports them in the order of their ends."""
        found: list[Match] = []
        append = found.append

        def report(number: int, start: int, _end: int, _flags: int, _context: object) -> None:
            append((start, number))

        with self._lock:
            self._database.scan(cast("bytes", text), match_event_handler=report)
        found.sort()
        return found

    def type_of(self, number: int) -> ErrorType:
        """The type that a pattern is of."""
        return self._type_of[number]

    def is_at_any_level(self, number: int) -> bool:
        """Whether a pattern speaks of a failure even in a record that says it is none."""
        return number in self._at_any_level

    def not_excluded(self, numbers: Iterable[int]) -> list[int]:
        """Of what matched in one line, the patterns of the types that no exclusion takes out."""
        numbers = list(numbers)
        out = {self._excluded[number - self.mark - 1].type for number in numbers if number > self.mark}
        return [number for number in numbers if number < self.mark and self._type_of[number].type not in out]
