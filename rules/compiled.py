"""Error types compiled into one database that finds all their patterns in one pass."""

from collections.abc import Iterable
from threading import Lock
from typing import TYPE_CHECKING, cast

from rules.patterns import ErrorType, says_so
from rules.patterns.database import compiled
from rules.tracebacks import MARK

if TYPE_CHECKING:
    import hyperscan

Match = tuple[int, int]  #: where it starts, and the number of its pattern


class CompiledTypes:
    """Patterns are numbered so that of several the smallest number is the one that counts.

    First those of the types, the highest priority first; then the mark of a traceback (`mark`). Exclusions are looked
    for in a line of which a pattern has spoken, and so they cost other lines nothing.
    """

    def __init__(self, types: Iterable[ErrorType]) -> None:
        self.types = sorted(types, key=lambda each: (-each.priority, each.type))
        self._type_of = [each for each in self.types for _ in says_so(each)]
        self.mark = len(self._type_of)
        loud = [pattern in each.at_any_level for each in self.types for pattern in says_so(each)]
        self._at_any_level = frozenset(number for number, is_loud in enumerate(loud) if is_loud)
        self._database = compiled([*(pattern for each in self.types for pattern in says_so(each)), MARK.decode()])
        self._exclusions: dict[str, hyperscan.Database] = {}  # of the types that were asked for
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

    def excludes(self, type_: ErrorType, line: bytes | bytearray) -> bool:
        """Whether an exclusion says that a line is not of a type."""
        if not type_.exclusions:
            return False
        found: list[int] = []
        with self._lock:
            database = self._exclusions.get(type_.type)
            if database is None:
                database = self._exclusions[type_.type] = compiled(type_.exclusions)
            database.scan(cast("bytes", line), match_event_handler=lambda number, *_: found.append(number))
        return bool(found)
