"""Requests, slow queries and calls of AI services, as applications log them -> the series that exporters make of them.

    event       series
    api_access  http_requests_total{service,method,endpoint,status}
                http_request_duration_seconds_bucket{service,method,endpoint,le}, _sum, _count
    slow_query  db_slow_queries_total{service}
    ai_call     ai_calls_total{service,provider,model,status}

A request counts by its record in the channel `access`: what an application logs of it beside that is no second one.
Anybody in an application can log such a record: a field of another type than it should have is not counted. What is
missing counts as `unknown`, what is one too many as `other`.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus

from rules.bounds import Bounds
from rules.fingerprint import OTHER
from rules.record import EventRecord, Record, whole_second
from rules.series import counted_at, series_text

REQUESTS = "http_requests_total"
DURATIONS = "http_request_duration_seconds"
SLOW_QUERIES = "db_slow_queries_total"
CALLS = "ai_calls_total"
API_ACCESS, SLOW_QUERY, AI_CALL = "api_access", "slow_query", "ai_call"
ACCESS = "access"  #: a channel
EVENTS = frozenset({API_ACCESS, SLOW_QUERY, AI_CALL})

METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
STATUSES = frozenset(int(status) for status in HTTPStatus)  #: any other counts as `5xx` or its like
UNKNOWN = "unknown"
#: Upper bounds in seconds, those of prometheus-client; the last bucket is infinite.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
MAX_DURATION = 86_400_000  #: milliseconds; whatever is longer was no request
#: In one commit: of so many routes each has its own histogram, and so many histograms are written, of all seconds.
MAX_ROUTES, MAX_HISTOGRAMS = 300, 600
_STEPS = (1, 10, 60, 600, 3600)  # seconds that count as one, where there would be too many histograms

Increments = Mapping[tuple[str, int], float]
_Route = tuple[str, str, str]  # service, method, endpoint: labels


def count_events(records: Iterable[Record], bounds: Bounds, now: float) -> Increments:
    """What the series grow by: (series, Unix second) -> increment, each record at its own second."""
    increments: defaultdict[tuple[str, int], float] = defaultdict(float)
    events = [each for each in records if type(each) is EventRecord]
    if events:
        requests = [each for each in events if each.event == API_ACCESS and each.channel == ACCESS]
        _count_requests(requests, bounds, now, increments)
        _count_slow_queries([each for each in events if each.event == SLOW_QUERY], bounds, now, increments)
        _count_calls([each for each in events if each.event == AI_CALL], bounds, now, increments)
    return increments


def _count_requests(
    records: Sequence[EventRecord], bounds: Bounds, now: float, increments: defaultdict[tuple[str, int], float]
) -> None:
    requests: Counter[tuple[_Route, str, str]] = Counter()  # route, status, timestamp
    durations: defaultdict[tuple[_Route, str], list[float]] = defaultdict(list)  # in milliseconds
    routes: dict[tuple[str, str, str], _Route] = {}
    for each in records:
        method, endpoint = _text(each.method), _text(each.endpoint)
        if method is None or endpoint is None:
            continue
        said = each.service, method, endpoint
        route = routes.get(said)
        if route is None:
            route = routes[said] = _route(bounds, *said, crowded=len(routes) >= MAX_ROUTES)
        second = whole_second(each.timestamp)
        if type(each.status_code) is int and 100 <= each.status_code <= 599:
            status = str(each.status_code) if each.status_code in STATUSES else f"{each.status_code // 100}xx"
            requests[route, status, second] += 1
        if type(each.duration_ms) in (int, float) and 0 <= each.duration_ms <= MAX_DURATION:
            durations[route, second].append(each.duration_ms)
    timestamps = {second for _, _, second in requests} | {second for _, second in durations}
    seconds = _seconds(timestamps, len(set(routes.values())), now)
    for (route, status, second), count in requests.items():
        labels = _labels(route) | {"status": status}
        increments[series_text(REQUESTS, labels), seconds[second]] += count
    together: defaultdict[tuple[_Route, int], list[float]] = defaultdict(list)
    for (route, second), found in durations.items():
        together[route, seconds[second]] += found
    for (route, moment), found in together.items():
        for series, increment in _histogram(_labels(route), found).items():
            increments[series, moment] += increment


def _route(bounds: Bounds, service: str, method: str, endpoint: str, *, crowded: bool) -> _Route:
    service = bounds.service(service)
    endpoint = OTHER if crowded else bounds.value("endpoint", service, endpoint)
    return service, method if method in METHODS else OTHER, endpoint


def _labels(route: _Route) -> dict[str, str]:
    return dict(zip(("service", "method", "endpoint"), route, strict=True))


def _histogram(labels: dict[str, str], milliseconds: list[float]) -> dict[str, float]:
    """What each series of a histogram grows by; a bucket holds those below it too."""
    durations = sorted(each / 1000 for each in milliseconds)
    buckets = {str(bound): bisect_right(durations, bound) for bound in BUCKETS} | {"+Inf": len(durations)}
    return {
        **{series_text(f"{DURATIONS}_bucket", labels | {"le": bound}): count for bound, count in buckets.items()},
        series_text(f"{DURATIONS}_sum", labels): sum(durations),
        series_text(f"{DURATIONS}_count", labels): len(durations),
    }


def _seconds(timestamps: Iterable[str], routes: int, now: float) -> dict[str, int]:
    """The second at which each counts: after an outage several as one, the last of them, lest a commit take long."""
    exact = {timestamp: int(counted_at(timestamp, now)) for timestamp in timestamps}
    for step in _STEPS:
        found = {timestamp: min(second + -second % step, int(now)) for timestamp, second in exact.items()}
        if len(set(found.values())) * routes <= MAX_HISTOGRAMS:
            break
    return found


def _count_slow_queries(
    records: Sequence[EventRecord], bounds: Bounds, now: float, increments: defaultdict[tuple[str, int], float]
) -> None:
    counted = Counter((each.service, whole_second(each.timestamp)) for each in records)
    for (service, second), count in counted.items():
        series = series_text(SLOW_QUERIES, {"service": bounds.service(service)})
        increments[series, int(counted_at(second, now))] += count


def _count_calls(
    records: Sequence[EventRecord], bounds: Bounds, now: float, increments: defaultdict[tuple[str, int], float]
) -> None:
    counted: Counter[tuple[str, str, str, str, str]] = Counter()
    for each in records:
        provider, model, status = _text(each.provider), _text(each.model), _text(each.status)
        if provider is not None and model is not None and status is not None:
            counted[each.service, provider, model, status, whole_second(each.timestamp)] += 1
    for (service, provider, model, status, second), count in counted.items():
        service = bounds.service(service)
        said = {"provider": provider, "model": model, "status": status}
        labels = {label: bounds.value(label, service, value) for label, value in said.items()}
        increments[series_text(CALLS, labels | {"service": service}), int(counted_at(second, now))] += count


def _text(value: object) -> str | None:
    """A label's value; None: it has not the type of one."""
    if value is None or value == "":
        return UNKNOWN
    return value if type(value) is str else None
