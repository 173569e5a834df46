"""What a scan recognised -> what its step counts: series, and error groups with bounded label values."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from logging_core.redaction import default_redactor
from logging_core.streams.stream import Change
from rules import error_groups
from rules.bounds import Bounds
from rules.error_groups import Place, Sighting
from rules.event import Event
from rules.fingerprint import Group, fingerprint
from rules.record import ErrorInfo, Record, whole_second
from rules.series import counted_at, growth, series_text

if TYPE_CHECKING:
    from redis import Redis

SCANNED = "scan_errors_total"
MOST = 1000  #: pairs of series and second in a step; beyond them several seconds count as one
_STEPS = (1, 10, 60, 600, 3600)  # seconds


def load_bounds(redis: "Redis", sources: Iterable[str]) -> Bounds:
    """The bounds of the groups of some sources, as far as Redis holds groups of theirs."""
    bounds = Bounds()
    known = set(sources)
    for group_id, service in error_groups.services(redis).items():
        if service in known:
            bounds.value("group", service, group_id)
    return bounds


class ScanCounters:
    """What is counted of the events of one file, since it was last committed."""

    def __init__(self, source: str, file: str, bounds: Bounds | None, now: float) -> None:
        """Begin with nothing.

        Args:
            source: whose file it is; as a service's name it stands in the groups.
            file: its path, printable.
            bounds: of the groups; None where these errors are in groups already.
            now: Unix seconds. Each event counts at its own second, within [now - HISTORY, now].
        """
        self._source = source
        self._file = file
        self._bounds = bounds
        self._now = now
        self._redacted = default_redactor().text
        self._counted: Counter[tuple[str, str]] = Counter()  # (error type, timestamp)
        self._groups: dict[Group, Sighting] = {}
        self.counts: Counter[str] = Counter()  #: of each error type
        self.first: dict[str, Event] = {}  #: of each error type

    def add(self, events: Iterable[Event]) -> None:
        """Count some more."""
        for each in events:
            self.first.setdefault(each.type, each)
            self.counts[each.type] += 1
            self._counted[each.type, whole_second(each.timestamp)] += 1
            if self._bounds is not None:
                self._group(each, self._bounds)

    def changes(self) -> list[Change]:
        """The changes that count all this."""
        moments = self._moments()
        increments: Counter[tuple[str, int]] = Counter()
        for (error_type, second), count in self._counted.items():
            series = series_text(SCANNED, {"source": self._source, "error_type": error_type})
            increments[series, moments[second]] += count
        groups = [change for group, seen in self._groups.items() for change in error_groups.changes(group, seen)]
        return groups + growth(increments)

    def _group(self, event: Event, bounds: Bounds) -> None:
        message = self._redacted(event.message)  # groups are shown and sent to people, and this log may not be ours
        told = self._redacted(event.exception) if event.exception else message
        record = Record(message=told, service=self._source, error=ErrorInfo(event.type))
        group = bounds.group(fingerprint(record), self._source)
        at, place = counted_at(event.timestamp, self._now), Place(self._file, event.offset)
        if group in self._groups:
            self._groups[group].again(at, message, place)
        else:
            self._groups[group] = Sighting(at, at, message, place)

    def _moments(self) -> Mapping[str, int]:
        """The second at which each counts: of a backlog several as one, the last of them, lest a step take long."""
        now = self._now
        exact = {second: int(counted_at(second, now)) for _, second in self._counted}
        moments = exact
        for step in _STEPS:
            moments = {second: min(at + -at % step, int(now)) for second, at in exact.items()}
            if len(set(moments.values())) * len(self.counts) <= MOST:
                break
        return moments
