"""The shipped rules over requests and calls, on series that were derived from records."""

from collections.abc import Callable, Sequence

import pytest
from redis import Redis

from logging_core.streams.stream import Change
from rules.bounds import Bounds
from rules.counters import count_records
from rules.engine import Reading, evaluate
from rules.loader import SHIPPED, load_rules
from rules.record import EventRecord
from rules.series import SeriesReader
from tests.rules.test_event_series import NOW, call, request

Commit = Callable[[Sequence[Change]], None]

RULES = {rule.name: rule for group in load_rules([SHIPPED / "requests.yml"]) for rule in group.rules}


def read(redis: Redis, commit: Commit, name: str, records: Sequence[EventRecord]) -> list[Reading]:
    commit(count_records(records, {}, Bounds(), NOW))
    return evaluate(RULES[name], SeriesReader(redis).window(NOW, 300), NOW)


@pytest.mark.parametrize(("errors", "alerts"), [(13, 0), (17, 1)])
def test_so_many_errors_a_second_are_a_high_rate(redis: Redis, commit: Commit, errors: int, alerts: int) -> None:
    batch = [request(NOW - number * 15, status_code=503) for number in range(errors)]
    batch += [request(NOW - number % 300) for number in range(5000)]
    found = read(redis, commit, "HighErrorRate", batch)
    assert [reading.labels["endpoint"] for reading in found] == ["order"] * alerts
    assert all(reading.annotations["summary"] == "shop: GET order keeps answering 503" for reading in found)


@pytest.mark.parametrize(("errors", "others", "alerts"), [(4, 0, 0), (6, 200, 0), (6, 60, 1), (20, 5000, 0)])
def test_more_than_a_twentieth_of_the_requests_are_a_high_ratio(
    redis: Redis, commit: Commit, errors: int, others: int, alerts: int
) -> None:
    batch = [request(NOW - 200 + number, status_code=500, endpoint=f"e{number}") for number in range(errors)]
    batch += [request(NOW - 200 + number % 150) for number in range(others)]
    assert len(read(redis, commit, "HighErrorRatio", batch)) == alerts


@pytest.mark.parametrize(("status", "alerts"), [("failed", 1), ("ok", 0)])
def test_calls_that_keep_failing(redis: Redis, commit: Commit, status: str, alerts: int) -> None:
    found = read(redis, commit, "AICallFailure", [call(status=status) for _ in range(40)])
    assert [reading.annotations["summary"] for reading in found] == ["shop: calls of claude m1 keep failing"] * alerts
