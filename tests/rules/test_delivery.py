"""What the account grows by is counted once, and rules read it."""

import time
from collections.abc import Iterator
from copy import copy

import pytest
from redis import Redis

from logging_core.streams.stream import Keys, append, shard_key
from rules.delivery import COUNTED, LATE, LOOK_EVERY, DeliverySeries, count_stall, stalls
from rules.engine import evaluate
from rules.loader import load_rules
from rules.series import TOTAL, SeriesReader

ON_EVERY_REDIS = True
NOW = 1_800_000_000.5
REFUSED = b'tocsin_records_refused_total{reason="buffer_full"}'
SHIPPED = {rule.name: rule for group in load_rules() for rule in group.rules}


@pytest.fixture
def times() -> Iterator[float]:
    """Moments, each late enough to look again."""
    return (NOW + number * LOOK_EVERY for number in range(100))


def report(redis: Redis, **numbers: int) -> None:
    append(redis, "p" * 32, "shop", report={name.replace("__", ":"): number for name, number in numbers.items()})


def firing(redis: Redis, now: float) -> dict[str, str]:
    """The delivery rules that fire, and what they say."""
    window = SeriesReader(redis).window(now, 300)
    readings = [each for rule in SHIPPED.values() for each in evaluate(rule, window, now)]
    return {each.labels["alertname"]: each.annotations["summary"] for each in readings}


def test_what_was_refused_is_counted_once_and_told(redis: Redis, times: Iterator[float]) -> None:
    series = DeliverySeries(redis)
    series.update(next(times))
    assert firing(redis, NOW) == {}
    report(redis, refused__buffer_full=3)
    series.update(next(times))
    series.update(next(times))
    assert redis.hget(shard_key(0, TOTAL), REFUSED) == b"3"
    report(redis, refused__buffer_full=5)
    series.update(now := next(times))
    assert redis.hget(shard_key(0, TOTAL), REFUSED) == b"5"
    assert firing(redis, now)["RecordsRefused"].startswith("Log records are refused (buffer_full): ")


def test_another_process_goes_on_where_the_last_one_was(redis: Redis, times: Iterator[float]) -> None:
    report(redis, refused__buffer_full=3)
    DeliverySeries(redis).update(next(times))
    DeliverySeries(redis).update(next(times))
    assert redis.hget(shard_key(0, TOTAL), REFUSED) == b"3"


def test_two_that_look_at_once_count_once(redis: Redis, times: Iterator[float], monkeypatch) -> None:
    report(redis, refused__buffer_full=3)
    real, slow, quick = redis.hgetall, DeliverySeries(redis), DeliverySeries(copy(redis))

    def overtaken(key: str) -> object:
        found = real(key)
        quick.update(next(times))
        return found

    with monkeypatch.context() as patched:
        patched.setattr(redis, "hgetall", lambda key: overtaken(key) if key == COUNTED else real(key))
        slow.update(next(times))
    assert redis.hget(shard_key(0, TOTAL), REFUSED) == b"3"
    quick._redis.close()


def test_the_account_is_not_looked_at_more_than_once_a_second(redis: Redis) -> None:
    series = DeliverySeries(redis)
    series.update(NOW)
    report(redis, refused__buffer_full=3)
    series.update(NOW + LOOK_EVERY / 2)
    assert not redis.hexists(shard_key(0, TOTAL), REFUSED)


def test_what_is_missing_or_lost_or_dropped_is_told_apart(redis: Redis, times: Iterator[float]) -> None:
    report(redis, accepted=10, appended=10, committed=9, dropped__missing=2, dropped__drop_oldest=1)
    DeliverySeries(redis).update(now := next(times))
    assert set(firing(redis, now)) == {"RecordsMissing", "RecordsDropped", "RecordsLost"}


def test_a_number_that_goes_back_and_comes_again_is_no_growth(redis: Redis, times: Iterator[float]) -> None:
    series = DeliverySeries(redis)
    for number in (3, 1, 3):
        report(redis, refused__buffer_full=number)
        series.update(next(times))
    assert redis.hget(shard_key(0, TOTAL), REFUSED) == b"3"


@pytest.mark.parametrize(
    ("reason", "alert"), [("disk_full", "LogDiskFull"), ("slow", "WriterStalled"), ("hung", "WriterStalled")]
)
def test_a_stall_is_told_at_once_and_for_a_minute(redis: Redis, reason: str, alert: str) -> None:
    count_stall(redis, reason, NOW)
    count_stall(redis, reason, NOW + 1)
    assert stalls(redis) == {reason: 2}
    assert set(firing(redis, NOW)) == {alert}
    assert set(firing(redis, NOW + 59)) == {alert}
    assert firing(redis, NOW + 62) == {}


def test_what_nobody_takes_out_of_the_stream_is_told(redis: Redis, times: Iterator[float]) -> None:
    append(redis, "p" * 32, "shop", count=1, body=b"{}\n", report={"accepted": 1})
    series = DeliverySeries(redis)
    series.update(next(times))
    assert stalls(redis) == {}
    redis.delete(Keys().stream)
    redis.xadd(Keys().stream, {"body": b"{}\n"}, id=f"{int((time.time() - LATE - 1) * 1000)}-0")
    series.update(now := next(times))
    assert stalls(redis) == {"late": 1}
    assert set(firing(redis, now)) == {"WriterStalled"}


def test_a_stall_is_counted_at_the_memory_limit(redis: Redis) -> None:
    redis.config_set("maxmemory", 1)
    try:
        count_stall(redis, "disk_full", NOW)
    finally:
        redis.config_set("maxmemory", 0)
    assert stalls(redis) == {"disk_full": 1}


def test_what_is_lost_found_and_lost_again_is_told_each_time(redis: Redis, times: Iterator[float]) -> None:
    series, lost = DeliverySeries(redis), b"tocsin_records_lost{}"
    report(redis, accepted=0)
    for waiting, told in ((-3, b"3"), (0, b"3"), (-2, b"5")):
        redis.hset(Keys().shard, "records", waiting)  # less than there is: so much is nowhere
        series.update(next(times))
        assert redis.hget(shard_key(0, TOTAL), lost) == told
