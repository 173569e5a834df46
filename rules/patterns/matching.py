"""Which patterns and exclusions match in a line, told one by one, for those who write them.

The scanner decides the same for whole records, and faster.
"""

from collections.abc import Sequence
from typing import NamedTuple

from rules.patterns.database import compiled
from rules.patterns.model import ErrorType, says_so


class Hit(NamedTuple):
    """A type in a line."""

    type: ErrorType
    patterns: tuple[str, ...]  #: of the type, those that match
    exclusions: tuple[str, ...]  #: of the type, those that match; any of them silences it

    @property
    def is_silenced(self) -> bool:
        """Whether an exclusion says that the line is not of the type."""
        return bool(self.exclusions)


class LineMatcher:
    """Finds the types of lines; made once, since the patterns are compiled."""

    def __init__(self, types: Sequence[ErrorType]) -> None:
        self._types = sorted(types, key=lambda each: (-each.priority, each.type))
        self._rules = [
            (each, pattern, excludes)
            for each in self._types
            for excludes, patterns in ((False, says_so(each)), (True, each.exclusions))
            for pattern in patterns
        ]
        self._database = compiled([pattern for _, pattern, _ in self._rules])

    def hits(self, line: bytes) -> list[Hit]:
        """The types of a line, the highest priority first, silenced ones among them."""
        matched: set[int] = set()
        self._database.scan(line, match_event_handler=lambda rule, *_: matched.add(rule))
        if not matched:
            return []
        rules = [self._rules[index] for index in sorted(matched)]
        return [
            Hit(each, patterns, tuple(pattern for of, pattern, excludes in rules if of is each and excludes))
            for each in self._types
            if (patterns := tuple(pattern for of, pattern, excludes in rules if of is each and not excludes))
        ]

    def types(self, text: str) -> list[ErrorType]:
        """The types of a text of several lines that no exclusion silenced, the highest priority first."""
        hits = [hit for line in text.encode().split(b"\n") for hit in self.hits(line)]
        found = {hit.type.type for hit in hits if not hit.is_silenced}
        return [each for each in self._types if each.type in found]
