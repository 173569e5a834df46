"""Records -> what a commit counts: log-derived series and error groups, with bounded label values."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from logging_core.streams.stream import Change
from rules import error_groups
from rules.bounds import Bounds
from rules.error_groups import NOWHERE, Sighting
from rules.error_groups import Place as Place  # whoever counts records says where they are
from rules.event_series import count_events
from rules.fingerprint import OTHER, Group, fingerprint
from rules.record import EventRecord, Record, whole_second
from rules.series import counted_at, growth, series_text

RECORDS = "log_records_total"
ERRORS = "log_errors_total"
QUIET_ERRORS = "log_quiet_errors_total"  #: of records that say `alert: false`: no rule on errors shall see them

LEVELS = frozenset({"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"})  #: any other counts as `other`
ERROR_LEVELS = frozenset({"ERROR", "CRITICAL"})


def count_records(records: Sequence[Record], places: Mapping[int, Place], bounds: Bounds, now: float) -> list[Change]:
    """The changes that count a batch, each record at its own second, within [now - HISTORY, now].

    `places` says of the errors among the records, by index, where their lines are.
    """
    counted = Counter([(each.service, each.logger, each.level, whole_second(each.timestamp)) for each in records])
    increments: Counter[tuple[str, int]] = Counter()
    for (service, logger, level, timestamp), count in counted.items():
        second = int(counted_at(timestamp, now))
        increments[_records_series(bounds, service, logger, level), second] += count
    changes = _count_errors(_errors(records, places, now), bounds, increments) if _has_errors(counted) else []
    # Looked at by their types alone, since records are many and most are none of these.
    events = count_events(records, bounds, now) if EventRecord in set(map(type, records)) else {}
    return changes + growth({**increments, **events})


def _has_errors(counted: Iterable[tuple[str, str, str, str]]) -> bool:
    return any(level in ERROR_LEVELS for _, _, level, _ in counted)


def _errors(records: Sequence[Record], places: Mapping[int, Place], now: float) -> list[tuple[Record, Place, float]]:
    return [
        (each, places.get(index, NOWHERE), counted_at(each.timestamp, now))
        for index, each in enumerate(records)
        if each.level in ERROR_LEVELS
    ]


def count_reported(error: Record, bounds: Bounds, now: float) -> list[Change]:
    """The changes that count an error of which there is no log record, now."""
    increments: Counter[tuple[str, int]] = Counter()
    return _count_errors([(error, NOWHERE, now)], bounds, increments) + growth(increments)


def _records_series(bounds: Bounds, service: str, logger: str, level: str) -> str:
    service = bounds.service(service)
    logger = bounds.value("logger", service, logger)
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
        increments[series_text(QUIET_ERRORS if record.alert is False else ERRORS, labels), int(at)] += 1
    return [change for group, seen in sightings.items() for change in error_groups.changes(group, seen)]
