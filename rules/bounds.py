"""Which label values have been seen. Those beyond a bound become `other`, so series stay few."""

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rules.fingerprint import OTHER, TEXT_LIMIT, Group, overflow
from rules.series import known, series_labels

if TYPE_CHECKING:
    from redis import Redis

MAX_SERVICES = 200
#: Of a service, by label.
LIMITS = {"logger": 200, "group": 1000, "endpoint": 200, "provider": 10, "model": 50, "status": 10}
#: The same values as in `_count`, and most of all series.
_REDUNDANT = ("http_request_duration_seconds_bucket{", "http_request_duration_seconds_sum{")


class Bounds:
    """The values that were seen. Each writer has its own; it may admit more than was ever committed, never less.

    A `status` is that of calls: those of requests are numbers, and bounded by what they are.
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._services: set[str] = set()
        self._values: defaultdict[tuple[str, str], set[str]] = defaultdict(set)  # (label, service) -> values
        for text in known:
            if not text.startswith(_REDUNDANT):
                self._learn(series_labels(text))

    @classmethod
    def load(cls, redis: "Redis") -> "Bounds":
        """The values that Redis holds series of."""
        return cls(known(redis))

    def service(self, service: str) -> str:
        """The service's label."""
        return _admitted(service[:TEXT_LIMIT], self._services, MAX_SERVICES)

    def value(self, label: str, service: str, value: str) -> str:
        """The value of one of the labels in `LIMITS`; `service` is a label already."""
        return _admitted(value[:TEXT_LIMIT], self._values[label, service], LIMITS[label])

    def group(self, group: Group, service: str) -> Group:
        """The group itself, or its service's overflow; `service` is a label already."""
        known = group.service == service and self.value("group", service, group.id) == group.id
        return group if known else overflow(service)

    def _learn(self, labels: dict[str, str]) -> None:
        service = labels.get("service", "")
        if service:
            self._services.add(service)
        for label in labels.keys() & LIMITS.keys():
            if label != "status" or "provider" in labels:
                self._values[label, service].add(labels[label])


def _admitted(value: str, known: set[str], limit: int) -> str:
    if value not in known:
        if len(known) >= limit:
            return OTHER
        known.add(value)
    return value
