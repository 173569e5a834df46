from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest
from redis import Redis

from logging_core.streams.stream import Change, shard_key
from rules.bounds import LIMITS, MAX_SERVICES, Bounds
from rules.counters import Place, count_records
from rules.error_groups import NOWHERE, ErrorGroups
from rules.fingerprint import fingerprint, overflow
from rules.record import ErrorInfo, Record
from rules.series import BORN, CHANGED, IDLE_EXPIRY, SECOND, TOTAL, prune

ON_EVERY_REDIS = True  # see tests/conftest.py

Commit = Callable[[Sequence[Change]], None]

NOW = 1_800_000_000.75


def record(message: str = "hello", *, at: float = NOW, **fields: object) -> tuple[Record, Place]:
    stamp = datetime.fromtimestamp(at, UTC).isoformat()
    named = {"service": "shop", "logger": "api"} | fields
    return Record(timestamp=stamp, message=message, **named), Place("shop/app.log", 0)  # type: ignore[arg-type]


def count(batch: Sequence[tuple[Record, Place]]) -> list[Change]:
    places = {index: place for index, (_, place) in enumerate(batch)}
    return count_records([each for each, _ in batch], places, Bounds(), NOW)


@pytest.mark.parametrize("timestamp", ["", "never", "2027-13-01T00:00:00+00:00"])
def test_a_record_without_a_time_counts_now(redis: Redis, commit: Commit, timestamp: str) -> None:
    commit(count([(Record(service="shop", timestamp=timestamp), NOWHERE)]))
    assert redis.hkeys(shard_key(0, CHANGED)) == [b"1800000000"]


@pytest.mark.parametrize("timestamp", ["2027-01-15T07:59:50", "2027-01-15T07:59:50Z", "2027-01-15T15:59:50.5+08:00"])
def test_any_iso_time_will_do_and_without_an_offset_it_is_utc(redis: Redis, commit: Commit, timestamp: str) -> None:
    commit(count([(Record(service="shop", timestamp=timestamp), NOWHERE)]))
    assert redis.hkeys(shard_key(0, CHANGED)) == [b"1799999990"]


def totals(redis: Redis) -> dict[str, int]:
    return {text.decode(): int(value) for text, value in redis.hgetall(shard_key(0, TOTAL)).items()}


def test_every_record_is_counted_at_its_own_second(redis: Redis, commit: Commit) -> None:
    commit(count([record(), record(), record(at=NOW - 9)]))
    series = b'log_records_total{level="INFO",logger="api",service="shop"}'
    assert redis.hgetall(shard_key(0, TOTAL)) == {series: b"3"}
    assert redis.hgetall(shard_key(0, BORN)) == {series: b"1799999990"}
    assert redis.hgetall(shard_key(0, f"{SECOND}1800000000")) == {series: b"2"}
    assert redis.hgetall(shard_key(0, f"{SECOND}1799999991")) == {series: b"1"}
    assert redis.hgetall(shard_key(0, CHANGED)) == {b"1800000000": b"1", b"1799999991": b"1"}


@pytest.mark.parametrize(
    ("at", "second"), [(NOW + 500, 1_800_000_000), (NOW - 5000, 1_799_996_400), (0, 1_799_996_400)]
)
def test_a_record_from_outside_the_history_counts_at_its_border(
    redis: Redis, commit: Commit, at: float, second: int
) -> None:
    commit(count([record(at=at)]))
    assert redis.hkeys(shard_key(0, CHANGED)) == [str(second).encode()]


def test_errors_are_counted_by_group_and_kept_with_their_place(redis: Redis, commit: Commit) -> None:
    error = ErrorInfo(type="KeyError")
    batch = [record(f"no order {n}", level="ERROR", error=error, at=NOW - n)[0] for n in range(3)]
    commit(count([(each, Place("shop/app.log", n)) for n, each in enumerate(batch)]))
    group = ErrorGroups(redis).get(fingerprint(batch[0]).id)
    assert group
    assert (group.count, group.template, group.place) == (3, "no order <*>", Place("shop/app.log", 2))
    assert (group.first_seen, group.last_seen) == (NOW - 2, NOW)
    assert totals(redis) == {
        'log_records_total{level="ERROR",logger="api",service="shop"}': 3,
        f'log_errors_total{{error_type="KeyError",group="{group.id}",service="shop"}}': 3,
    }


@pytest.mark.parametrize(("level", "errors"), [("INFO", 0), ("WARNING", 0), ("ERROR", 1), ("CRITICAL", 1)])
def test_errors_are_the_records_of_level_error_and_above(level: str, errors: int) -> None:
    changes = count([record(level=level)])
    assert sum(change.key == TOTAL and change.field.startswith("log_errors_total") for change in changes) == errors


def test_an_error_that_shall_raise_no_alert_is_in_its_group_and_in_no_series_that_rules_on_errors_read(
    redis: Redis, commit: Commit
) -> None:
    commit(count([record("no order 1", level="ERROR"), record("no order 2", level="ERROR", alert=False)]))
    (group,) = ErrorGroups(redis).top(5)
    assert group.count == 2
    labels = f'{{error_type="ERROR",group="{group.id}",service="shop"}}'
    assert totals(redis) == {
        'log_records_total{level="ERROR",logger="api",service="shop"}': 2,
        f"log_errors_total{labels}": 1,
        f"log_quiet_errors_total{labels}": 1,
    }


@pytest.mark.parametrize("alert", [True, None, 0, "", "false", [], {}])
def test_only_false_keeps_an_error_quiet(alert: object) -> None:
    changes = count([record(level="ERROR", alert=alert)])
    assert sum(change.key == TOTAL and change.field.startswith("log_errors_total") for change in changes) == 1


def test_a_level_that_nobody_knows_counts_as_other(redis: Redis, commit: Commit) -> None:
    commit(count([record(level="CHATTY")]))
    assert totals(redis) == {'log_records_total{level="other",logger="api",service="shop"}': 1}


def test_further_services_and_loggers_become_other(redis: Redis, commit: Commit) -> None:
    batch = [record(service=f"s{n}") for n in range(MAX_SERVICES + 3)]
    batch += [record(service="s0", logger=f"l{n}") for n in range(LIMITS["logger"] + 3)]
    commit(count(batch))
    counted = totals(redis)
    assert counted['log_records_total{level="INFO",logger="api",service="other"}'] == 3
    assert counted['log_records_total{level="INFO",logger="other",service="s0"}'] == 4


def test_further_groups_become_the_services_overflow(redis: Redis, commit: Commit) -> None:
    batch = [record("e", level="ERROR", error=ErrorInfo(type=f"E{n}")) for n in range(LIMITS["group"] + 3)]
    commit(count(batch))
    group = ErrorGroups(redis).get(overflow("shop").id)
    assert group
    assert (group.count, group.error_type) == (3, "other")


def test_bounds_know_what_redis_knows(redis: Redis, commit: Commit) -> None:
    commit(count([record(service=f"s{n}") for n in range(MAX_SERVICES)]))
    bounds = Bounds.load(redis)
    assert bounds.service("s7") == "s7"
    assert bounds.service("new") == "other"
    assert bounds.value("logger", "s7", "api") == "api"


def test_what_is_forgotten_makes_room_for_new_groups(redis: Redis, commit: Commit) -> None:
    batch = [record("e", level="ERROR", error=ErrorInfo(type=f"E{n}")) for n in range(LIMITS["group"])]
    commit(count(batch))
    new = fingerprint(record("on fire", level="CRITICAL")[0])
    assert Bounds.load(redis).group(new, "shop") == overflow("shop")
    prune(redis, NOW + IDLE_EXPIRY)
    assert Bounds.load(redis).group(new, "shop") == new


def test_a_large_batch_gives_few_changes() -> None:
    assert len(count([record(f"user {n}") for n in range(10_000)])) == 5
