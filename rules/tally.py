"""What a scan has found, added up: how often each type came, in which groups, and the first events of them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from msgspec.structs import replace

from rules.event import Event

GROUPS_LIMIT = 1000  #: groups that are told apart; the events of more are counted by their type alone
UNKNOWN_LIMIT = 100  #: names of exceptions that are told apart
OTHER = "other"


@dataclass(slots=True)
class GroupSeen:
    """The events of one group."""

    first: Event
    last: Event
    count: int = 1


@dataclass(slots=True)
class Tally:
    """Counts are of all events; of the events themselves only the first `limit` are kept (None: all)."""

    limit: int | None = None
    events: list[Event] = field(default_factory=list)
    summary: Counter[str] = field(default_factory=Counter)
    groups: dict[str, GroupSeen] = field(default_factory=dict)
    unknown: Counter[str] = field(default_factory=Counter)  #: exception -> tracebacks of no known type
    lines: int = 0
    bytes: int = 0

    def add(self, events: Iterable[Event], unknown: Counter[str]) -> None:
        """Events in the order of their places."""
        groups = self.groups
        for event in events:
            self.summary[event.type] += 1
            seen = groups.get(event.group)
            if seen:
                seen.count += 1
                seen.last = event
            elif len(groups) < GROUPS_LIMIT:
                groups[event.group] = GroupSeen(event, event)
            if self.limit is None or len(self.events) < self.limit:
                self.events.append(event)
        self._count_unknown(unknown)

    def _count_unknown(self, unknown: Counter[str]) -> None:
        for name, count in unknown.items():
            is_known = name in self.unknown or len(self.unknown) < UNKNOWN_LIMIT
            self.unknown[name if is_known else OTHER] += count

    def join(self, other: "Tally") -> None:
        """What another file holds."""
        self._take(other, 0)

    def follow(self, later: "Tally") -> None:
        """What comes right behind in the same file; its lines were counted from 1."""
        self._take(later, self.lines)

    def _take(self, later: "Tally", lines: int) -> None:
        room = None if self.limit is None else max(0, self.limit - len(self.events))
        self.events += [_moved(event, lines) for event in later.events[:room]]
        self.summary.update(later.summary)
        self._count_unknown(later.unknown)
        for group, seen in later.groups.items():
            known = self.groups.get(group)
            last = _moved(seen.last, lines)
            if known:
                known.count += seen.count
                known.last = last
            elif len(self.groups) < GROUPS_LIMIT:
                self.groups[group] = GroupSeen(_moved(seen.first, lines), last, seen.count)
        self.lines += later.lines
        self.bytes += later.bytes


def _moved(event: Event, lines: int) -> Event:
    return replace(event, line=event.line + lines) if lines else event
