from collections.abc import Callable, Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis

from logging_core.streams.stream import Change, shard_key
from rules.matcher import Matcher, MatchOp
from rules.promql.functions import increase, rate
from rules.promql.values import NAME, Run
from rules.series import (
    BORN,
    CHANGED,
    GROWN,
    IDLE_EXPIRY,
    SECOND,
    TOTAL,
    Counter,
    SeriesReader,
    Window,
    growth,
    prune,
    series_labels,
    series_text,
)

ON_EVERY_REDIS = True  # see tests/conftest.py

Commit = Callable[[Sequence[Change]], None]

NOW = 1_800_000_000
A = [Matcher(NAME, MatchOp.EQUAL, "a_total")]
X = 'a_total{x="1"}'


@settings(deadline=None)  # the machine may be busy
@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), st.text(st.characters(exclude_categories=["Cs"]), min_size=1)))
def test_the_text_of_a_series_gives_its_labels_back(labels: dict[str, str]) -> None:
    assert series_labels(series_text("m", labels)) == {NAME: "m"} | labels


def test_the_text_of_a_series_is_canonical() -> None:
    assert series_text("m", {"b": 'x"\\\n', "a": "1", "empty": ""}) == r'm{a="1",b="x\"\\\n"}'


def counter(born: int, growths: Iterable[tuple[int, int]]) -> Counter:
    made = Counter("a_total{}")
    made.born = born
    for second, increment in growths:
        made.total += increment
        made.grew(second, increment)
    return made


def dense(born: int, growths: list[tuple[int, int]], start: float, end: float) -> Run | None:
    """The definition: a sample at each second since birth, the sum of all growth so far."""
    samples = [
        (second, sum(increment for at, increment in growths if at <= second))
        for second in range(born, NOW + 1)
        if start < second <= end
    ]
    return Run({NAME: "a_total"}, len(samples), *samples[0], *samples[-1]) if samples else None


@settings(deadline=None)
@given(
    growths=st.dictionaries(st.integers(NOW - 30, NOW), st.integers(1, 5), min_size=1).flatmap(
        lambda found: st.permutations(list(found.items()))
    ),
    offset=st.integers(0, 20),
    fraction=st.sampled_from([0.0, 0.25, 0.9]),
    width=st.integers(1, 40),
)
def test_a_sparse_counter_reads_as_the_dense_one(
    growths: list[tuple[int, int]], offset: int, fraction: float, width: int
) -> None:
    born = min(second for second, _ in growths) - 1
    end = NOW + fraction - offset
    start = end - width
    runs = list(Window({"a_total": [counter(born, growths)]}, NOW + fraction).runs(A, start, end))
    expected = dense(born, growths, start, end)
    assert runs == ([expected] if expected else [])
    if expected:
        assert increase(runs[0], start, end) == increase(expected, start, end)
        assert rate(runs[0], start, end) == rate(expected, start, end)


def read(reader: SeriesReader, now: float, at: float | None = None) -> dict[str, float]:
    at = now if at is None else at
    window = reader.window(now, 600)
    return {sample.labels["x"]: sample.value for sample in window.latest(A, at - 300, at)}


def test_a_counter_begins_with_an_explicit_zero(redis: Redis, commit: Commit) -> None:
    commit(growth({(X, NOW): 3}))
    reader = SeriesReader(redis)
    assert read(reader, NOW) == {"1": 3}
    assert read(reader, NOW, at=NOW - 1) == {"1": 0}
    assert read(reader, NOW, at=NOW - 2) == {}


def test_a_reader_sees_what_was_committed_since(redis: Redis, commit: Commit) -> None:
    reader = SeriesReader(redis)
    assert read(reader, NOW) == {}
    commit(growth({(X, NOW): 3}))
    assert read(reader, NOW) == {"1": 3}
    commit(growth({(X, NOW): 1, ('a_total{x="2"}', NOW - 5): 1}))
    assert read(reader, NOW) == {"1": 4, "2": 1}
    commit(growth({(X, NOW - 10): 6}))
    assert read(reader, NOW) == {"1": 10, "2": 1}
    assert read(reader, NOW, at=NOW - 10) == {"1": 6}
    assert read(reader, NOW, at=NOW - 11) == {"1": 0}


def test_a_reader_asks_only_for_the_seconds_that_changed(redis: Redis, commit: Commit) -> None:
    commit(growth({(X, NOW - 2): 1, (X, NOW - 1): 1}))
    reader = SeriesReader(redis)
    reader.window(NOW, 600)
    commit(growth({(X, NOW): 1}))
    redis.delete(shard_key(0, f"{SECOND}{NOW - 1}"))
    assert read(reader, NOW, at=NOW - 2) == {"1": 1}


def test_growth_before_the_history_is_in_the_total(redis: Redis, commit: Commit) -> None:
    commit(growth({(X, NOW - 1000): 5, (X, NOW): 1}))
    assert read(SeriesReader(redis), NOW, at=NOW - 1) == {"1": 5}
    old = SeriesReader(redis)
    redis.delete(shard_key(0, CHANGED))
    assert read(old, NOW + 10_000) == {"1": 6}


def test_history_that_passes_leaves_the_values_as_they_are(redis: Redis, commit: Commit) -> None:
    reader = SeriesReader(redis)
    for second in range(10):
        commit(growth({(X, NOW + second): 1}))
        reader.window(NOW + second, 5)
    assert [sample.value for sample in reader.window(NOW + 9, 5).latest(A, 0, NOW + 7)] == [8]


def test_a_redis_that_came_back_empty_is_read_anew(redis: Redis, commit: Commit) -> None:
    commit(growth({(X, NOW): 3}))
    commit(growth({(X, NOW): 3}))
    reader = SeriesReader(redis)
    assert read(reader, NOW) == {"1": 6}
    redis.delete(*redis.scan_iter("tocsin:{0}:series:*"))
    commit(growth({('a_total{x="2"}', NOW): 1}))
    assert read(reader, NOW) == {"2": 1}


def test_other_labels_are_matched(redis: Redis, commit: Commit) -> None:
    commit(growth({(X, NOW): 1, ('a_total{x="2"}', NOW): 1, ('b_total{x="2"}', NOW): 1}))
    window = SeriesReader(redis).window(NOW, 600)
    matchers = [*A, Matcher("x", MatchOp.NOT_EQUAL, "1")]
    assert [sample.labels for sample in window.latest(matchers, 0, NOW)] == [{NAME: "a_total", "x": "2"}]


def test_seconds_beyond_the_history_are_pruned(redis: Redis, commit: Commit) -> None:
    commit(growth({(X, NOW - 3600): 1, (X, NOW): 1}))
    assert prune(redis, NOW) == 1
    assert redis.hkeys(shard_key(0, CHANGED)) == [str(NOW).encode()]


def test_a_series_that_has_not_grown_for_a_week_is_forgotten_everywhere(redis: Redis, commit: Commit) -> None:
    other = 'a_total{x="2"}'
    commit(growth({(X, NOW - 100): 1, (X, NOW): 1}))
    commit(growth({(X, NOW - 50): 1, (other, NOW + 1): 1}))
    reader = SeriesReader(redis)
    later = NOW + IDLE_EXPIRY
    assert read(reader, later - 1) == {"1": 3, "2": 1}
    prune(redis, later - 1)
    assert read(reader, later - 1) == {"1": 3, "2": 1}
    prune(redis, later)
    assert read(reader, later) == read(SeriesReader(redis), later) == {"2": 1}
    assert [redis.hkeys(shard_key(0, name)) for name in (TOTAL, BORN, GROWN)] == [[other.encode()]] * 3


def test_a_series_that_was_forgotten_begins_anew(redis: Redis, commit: Commit) -> None:
    commit(growth({(X, NOW): 5}))
    reader = SeriesReader(redis)
    reader.window(NOW, 600)
    later = NOW + IDLE_EXPIRY
    prune(redis, later)
    commit(growth({(X, later): 1}))
    assert read(reader, later) == {"1": 1}
    assert read(reader, later, at=later - 2) == {}


def test_many_idle_series_are_forgotten_in_one_go(redis: Redis, commit: Commit) -> None:
    commit(growth({(f'a_total{{x="{number}"}}', NOW): 1 for number in range(2500)}))
    prune(redis, NOW + IDLE_EXPIRY)
    assert not redis.exists(*(shard_key(0, name) for name in (TOTAL, BORN, GROWN)))


def test_a_second_expires(redis: Redis, commit: Commit) -> None:
    commit(growth({(X, NOW): 1}))
    assert redis.ttl(shard_key(0, f"{SECOND}{NOW}")) == pytest.approx(3900, abs=5)
