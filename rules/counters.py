"""Records -> what a commit counts: log-derived series and error groups, with bounded label values."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from logging_core.stream import Change
from rules import error_groups
from rules.error_groups import NOWHERE, Sighting
from rules.error_groups import Place as Place  # whoever counts records says where they are
from rules.fingerprint import OTHER, TEXT_LIMIT, Group, fingerprint, overflow
from rules.promql.values import NAME
from rules.record import Record, seconds, whole_second
from rules.series import HISTORY, growth, known, series_labels, series_text

if TYPE_CHECKING:
    from redis import Redis

RECORDS = "log_records_total"
ERRORS = "log_errors_total"
SCANNED = "scan_errors_total"

LEVELS = frozenset({"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"})  #: any other counts as `other`
ERROR_LEVELS = frozenset({"ERROR", "CRITICAL"})
MAX_SERVICES = 200
MAX_LOGGERS = 200  #: a service
MAX_GROUPS = 1000  #: a service


class Bounds:
    """Which label values have been seen. Those beyond a bound become `other`, so series stay few.

    One instance lives in each writer; it may admit more than was ever committed, never less.
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._services: set[str] = set()
        self._loggers: defaultdict[str, set[str]] = defaultdict(set)
        self._groups: defaultdict[str, set[str]] = defaultdict(set)
        for text in known:
            labels = series_labels(text)
            service = labels.get("service", "")
            if labels[NAME] == RECORDS:
                self._services.add(service)
                self._loggers[service].add(labels.get("logger", ""))
            elif labels[NAME] == ERRORS:
                self._groups[service].add(labels["group"])

    @classmethod
    def load(cls, redis: "Redis") -> "Bounds":
        """The values that Redis holds series of."""
        return cls(known(redis))

    def service(self, service: str) -> str:
        """The service's label."""
        return _admitted(service[:TEXT_LIMIT], self._services, MAX_SERVICES)

    def logger(self, service: str, logger: str) -> str:
        """The logger's label; `service` is a label already."""
        return _admitted(logger[:TEXT_LIMIT], self._loggers[service], MAX_LOGGERS)

    def group(self, group: Group, service: str) -> Group:
        """The group itself, or its service's overflow; `service` is a label already."""
        known = group.service == service and _admitted(group.id, self._groups[service], MAX_GROUPS) == group.id
        return group if known else overflow(service)


def count_records(records: Sequence[Record], places: Mapping[int, Place], bounds: Bounds, now: float) -> list[Change]:
    """The changes that count a batch, each record at its own second, within [now - HISTORY, now].

    `places` says of the errors among the records, by index, where their lines are.
    """
    counted = Counter([(each.service, each.logger, each.level, whole_second(each.timestamp)) for each in records])
    increments: Counter[tuple[str, int]] = Counter()
    for (service, logger, level, timestamp), count in counted.items():
        second = int(_counted_at(timestamp, now))
        increments[_records_series(bounds, service, logger, level), second] += count
    errors = [
        (each, places.get(index, NOWHERE), _counted_at(each.timestamp, now))
        for index, each in enumerate(records)
        if each.level in ERROR_LEVELS
    ]
    return _count_errors(errors, bounds, increments) + growth(increments)


def _counted_at(timestamp: str, now: float) -> float:
    return min(max(seconds(timestamp, now), now - HISTORY), now)


def count_scanned(source: str, error_type: str, count: int, now: float) -> list[Change]:
    """The changes that count what a scan found just now."""
    return growth({(series_text(SCANNED, {"source": source, "error_type": error_type}), int(now)): count})


def _records_series(bounds: Bounds, service: str, logger: str, level: str) -> str:
    service = bounds.service(service)
    logger = bounds.logger(service, logger)
    return series_text(RECORDS, {"service": service, "level": level if level in LEVELS else OTHER, "logger": logger})


def _count_errors(
    errors: Sequence[tuple[Record, Place, float]], bounds: Bounds, increments: Counter[tuple[str, int]]
) -> list[Change]:
    """The groups' changes; their series are added to `increments`."""
    sightings: dict[Group, Sighting] = {}
    for record, place, at in errors:
        group = bounds.group(fingerprint(record), bounds.service(record.service))
        if group in sightings:
            sightings[group].again(at, record.message, place)
        else:
            sightings[group] = Sighting(at, at, record.message, place)
        labels = {"service": group.service, "error_type": group.error_type, "group": group.id}
        increments[series_text(ERRORS, labels), int(at)] += 1
    return [change for group, seen in sightings.items() for change in error_groups.changes(group, seen)]


def _admitted(value: str, known: set[str], limit: int) -> str:
    if value not in known:
        if len(known) >= limit:
            return OTHER
        known.add(value)
    return value
