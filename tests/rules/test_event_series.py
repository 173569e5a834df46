from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.utils import floatToGoString
from redis import Redis

from logging_core.streams.stream import Change, shard_key
from rules.bounds import LIMITS, Bounds
from rules.counters import count_records
from rules.event_series import BUCKETS, MAX_HISTOGRAMS, METHODS, count_events
from rules.matcher import Matcher, MatchOp
from rules.record import EventRecord, Record
from rules.series import SECOND, TOTAL, SeriesReader

ON_EVERY_REDIS = True  # see tests/conftest.py

Commit = Callable[[Sequence[Change]], None]

NOW = 1_800_000_000.75


def stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")


def request(at: float = NOW, **fields: Any) -> EventRecord:
    said = {"method": "GET", "endpoint": "order", "status_code": 200, "duration_ms": 12} | fields
    return EventRecord(timestamp=stamp(at), service="shop", **{"channel": "access", "event": "api_access"} | said)


def call(**fields: Any) -> EventRecord:
    said = {"provider": "claude", "model": "m1", "status": "ok"} | fields
    return EventRecord(timestamp=stamp(NOW), service="shop", event="ai_call", **said)


def counted(records: Sequence[Record], bounds: Bounds | None = None) -> dict[str, float]:
    """What each series grows by, its time aside."""
    totals: dict[str, float] = {}
    for (series, _), increment in count_events(records, bounds or Bounds(), NOW).items():
        totals[series] = totals.get(series, 0) + increment
    return totals


def requests(records: Sequence[Record]) -> dict[str, float]:
    return {series: total for series, total in counted(records).items() if series.startswith("http_requests_total")}


def test_requests_are_counted_by_route_and_status(redis: Redis, commit: Commit) -> None:
    batch = [request(), request(), request(status_code=500), request(NOW - 9, method="POST")]
    commit(count_records(batch, {}, Bounds(), NOW))
    totals = {
        text.decode(): float(total)
        for text, total in redis.hgetall(shard_key(0, TOTAL)).items()
        if text.startswith(b"http_requests_total")
    }
    assert totals == {
        'http_requests_total{endpoint="order",method="GET",service="shop",status="200"}': 2,
        'http_requests_total{endpoint="order",method="GET",service="shop",status="500"}': 1,
        'http_requests_total{endpoint="order",method="POST",service="shop",status="200"}': 1,
    }
    earlier = redis.hgetall(shard_key(0, f"{SECOND}1799999991"))
    assert earlier[b'http_requests_total{endpoint="order",method="POST",service="shop",status="200"}'] == b"1"


def test_the_histogram_is_what_prometheus_client_makes_of_the_same_durations(redis: Redis, commit: Commit) -> None:
    durations = [0, 4.9, 5, 5.1, 12.5, 99, 250, 1000, 1000.5, 9_999, 10_000, 60_000]
    theirs = Histogram("http_request_duration_seconds", "", ["endpoint"], registry=(registry := CollectorRegistry()))
    for duration in durations:
        theirs.labels("order").observe(duration / 1000)
    commit(count_records([request(duration_ms=each) for each in durations], {}, Bounds(), NOW))
    window = SeriesReader(redis).window(NOW, 300)
    for name in ("bucket", "sum", "count"):
        matcher = Matcher("__name__", MatchOp.EQUAL, f"http_request_duration_seconds_{name}")
        ours = {each.labels.get("le", ""): each.value for each in window.latest([matcher], NOW - 300, NOW)}
        samples = [each for metric in registry.collect() for each in metric.samples if each.name.endswith(name)]
        assert ours == pytest.approx({each.labels.get("le", ""): each.value for each in samples})


def test_the_buckets_are_those_of_prometheus_client() -> None:
    assert (*BUCKETS, float("inf")) == Histogram.DEFAULT_BUCKETS
    assert [str(bound) for bound in BUCKETS] == [floatToGoString(bound) for bound in BUCKETS]


@pytest.mark.parametrize(
    ("field", "value", "label"),
    [
        ("method", "PATCH", 'method="PATCH"'),
        ("method", "get", 'method="other"'),
        ("method", "BREW", 'method="other"'),
        ("method", None, 'method="other"'),
        ("endpoint", None, 'endpoint="unknown"'),
        ("endpoint", "", 'endpoint="unknown"'),
        ("endpoint", '"}\n', r'endpoint="\"}\n"'),
        ("endpoint", "x" * 5000, f'endpoint="{"x" * 200}"'),
        ("status_code", 418, 'status="418"'),
        ("status_code", 299, 'status="2xx"'),
        ("status_code", 599, 'status="5xx"'),
    ],
)
def test_labels_are_bounded(field: str, value: Any, label: str) -> None:
    (series,) = requests([request(**{field: value})])
    assert label in series


@pytest.mark.parametrize("value", ["200", 99, 600, -1, 10**400, 200.0, True, None, [200], {"code": 200}])
def test_a_status_of_another_kind_is_not_counted_and_the_duration_is(value: Any) -> None:
    found = counted([request(status_code=value)])
    assert {series.partition("{")[0].rpartition("_")[2] for series in found} == {"bucket", "sum", "count"}


@pytest.mark.parametrize("value", ["12", -1, 10**400, 1e300, True, None, [1], {}])
def test_a_duration_of_another_kind_is_not_counted_and_the_request_is(value: Any) -> None:
    assert list(counted([request(duration_ms=value)]).values()) == [1]


@pytest.mark.parametrize("field", ["method", "endpoint"])
@pytest.mark.parametrize("value", [5, 1.5, True, ["GET"], {"a": 1}])
def test_a_request_whose_route_is_of_another_kind_is_not_counted(field: str, value: Any) -> None:
    assert counted([request(**{field: value})]) == {}


@pytest.mark.parametrize("channel", [None, "app", "audit", 5, ["access"]])
def test_a_request_is_counted_by_its_record_in_the_channel_alone(channel: Any) -> None:
    assert requests([request(), request(channel=channel)]) == requests([request()])


def test_calls_and_slow_queries_are_counted() -> None:
    slow = EventRecord(timestamp=stamp(NOW), service="shop", event="slow_query", duration_ms=[], endpoint={})
    found = counted([call(), call(), call(status="failed"), call(model=None), slow, slow])
    assert found == {
        'ai_calls_total{model="m1",provider="claude",service="shop",status="ok"}': 2,
        'ai_calls_total{model="m1",provider="claude",service="shop",status="failed"}': 1,
        'ai_calls_total{model="unknown",provider="claude",service="shop",status="ok"}': 1,
        'db_slow_queries_total{service="shop"}': 2,
    }


@pytest.mark.parametrize("field", ["provider", "model", "status"])
@pytest.mark.parametrize("value", [5, True, ["a"], {"a": 1}])
def test_a_call_with_a_field_of_another_kind_is_not_counted(field: str, value: Any) -> None:
    assert counted([call(**{field: value})]) == {}


@pytest.mark.parametrize("event", [None, "", "order", "API_ACCESS", 5, True, ["api_access"], {"api_access": 1}])
def test_any_other_event_is_none_of_ours(event: Any) -> None:
    record = request()
    record.event = event
    assert counted([record]) == {}


@pytest.mark.parametrize(
    ("label", "make"), [("endpoint", request), ("provider", call), ("model", call), ("status", call)]
)
def test_values_beyond_the_bound_become_other(label: str, make: Callable[..., Record]) -> None:
    found = counted([make(**{label: f"v{number}"}) for number in range(LIMITS[label] + 3)])
    totals = {series: total for series, total in found.items() if "_duration_" not in series}
    assert len(totals) == LIMITS[label] + 1
    assert [total for series, total in totals.items() if f'{label}="other"' in series] == [3]


def test_bounds_know_what_redis_knows(redis: Redis, commit: Commit) -> None:
    batch = [request(endpoint=f"e{number}") for number in range(LIMITS["endpoint"])]
    batch += [call(provider=f"p{number}") for number in range(LIMITS["provider"])]
    commit(count_records(batch, {}, Bounds(), NOW))
    bounds = Bounds.load(redis)
    assert bounds.value("endpoint", "shop", "e7") == "e7"
    assert bounds.value("endpoint", "shop", "new") == "other"
    assert bounds.value("provider", "shop", "p7") == "p7"
    assert bounds.value("provider", "shop", "new") == "other"
    assert bounds.value("status", "shop", "ok") == "ok"


def test_a_large_batch_gives_few_changes() -> None:
    batch = [request(NOW - number % 2, duration_ms=number) for number in range(10_000)]
    assert len(count_records(batch, {}, Bounds(), NOW)) < 120


def test_the_backlog_of_an_hour_and_of_many_routes_makes_no_commit_long() -> None:
    batch = [request(NOW - number % 3600, endpoint=f"e{number % 5}") for number in range(16_000)]
    batch += [request(endpoint=f"e{number}", method=method) for number in range(2000) for method in sorted(METHODS)]
    for number, each in enumerate(batch):
        each.service = f"s{number % 32}"
    found = count_events(batch, Bounds(), NOW)
    assert sum("_duration_seconds_count" in series for series, _ in found) <= MAX_HISTOGRAMS * 2
    assert all(NOW - 3600 <= second <= NOW for _, second in found)
    assert sum(total for (series, _), total in found.items() if series.startswith("http_requests")) == len(batch)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)
FIELDS = ("method", "endpoint", "status_code", "duration_ms", "provider", "model", "status", "alert", "channel")


@given(
    st.lists(
        st.builds(
            lambda event, fields: EventRecord(service="shop", event=event, **fields),
            st.sampled_from(["api_access", "slow_query", "ai_call"]) | anything,
            st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, anything)),
        ),
        max_size=5,
    )
)
def test_whatever_the_fields_hold_counting_never_fails(batch: list[Record]) -> None:
    assert len(count_records(batch, {}, Bounds(), NOW)) < 1000
