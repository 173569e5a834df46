from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
import redis as redis_py
from redis import Redis

from logging_core.streams.stream import Change, shard_key
from rules.bounds import LIMITS, Bounds
from rules.counters import count_records
from rules.error_aggregator import ErrorAggregator
from rules.error_groups import NOWHERE
from rules.record import ErrorInfo, Record
from rules.series import TOTAL

ON_EVERY_REDIS = True  # see tests/conftest.py

Commit = Callable[[Sequence[Change]], None]


def test_the_most_frequent_messages_of_a_type_come_first(redis: Redis) -> None:
    errors = ErrorAggregator(redis)
    for error_type, message, times in (("KeyError", "no cart", 1), ("KeyError", "no user", 3), ("OSError", "away", 2)):
        for _ in range(times):
            errors.record_error(error_type, message)
    assert errors.get_top_errors("KeyError") == [("no user", 3), ("no cart", 1)]
    assert errors.get_top_errors("KeyError", limit=1) == [("no user", 3)]
    assert errors.get_top_errors("OSError") == [("away", 2)]
    assert errors.get_top_errors("ValueError") == []


def test_messages_that_differ_in_numbers_are_one(redis: Redis) -> None:
    errors = ErrorAggregator(redis)
    for number in range(5):
        errors.record_error("KeyError", f"no order {number}")
    assert errors.get_top_errors("KeyError") == [("no order 4", 5)]


def test_what_was_logged_is_counted_too_and_what_came_over_an_hour_ago_is_not(
    redis: Redis, commit: Commit, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = ErrorAggregator(redis)
    now = errors._now()
    stamp = datetime.fromtimestamp(now, UTC).isoformat()
    logged = [
        Record(
            timestamp=stamp, level="ERROR", message="no cart", service="shop", error=ErrorInfo("KeyError"), alert=alert
        )
        for alert in (True, False)
    ]
    commit(count_records(logged, {0: NOWHERE, 1: NOWHERE}, Bounds(), now))
    assert errors.get_top_errors("KeyError") == [("no cart", 2)]
    monkeypatch.setattr(errors, "_now", lambda: now + 3700)
    assert errors.get_top_errors("KeyError") == []
    errors.record_error("KeyError", "no user")
    assert errors.get_top_errors("KeyError") == [("no user", 1)]


def test_what_is_recorded_is_in_no_series_that_a_rule_reads(redis: Redis) -> None:
    ErrorAggregator(redis).record_error("KeyError", "no cart")
    names = {text.decode().partition("{")[0] for text in redis.hkeys(shard_key(0, TOTAL))}
    assert names == {"log_quiet_errors_total"}


def test_so_many_messages_are_kept_apart_and_no_more(redis: Redis) -> None:
    errors = ErrorAggregator(redis)
    bounds = errors._bounds_at(errors._now())
    for number in range(LIMITS["group"]):
        bounds.value("group", "application", f"g{number}")
    errors.record_error("KeyError", "one too many")
    errors.record_error("OSError", "and another")
    assert errors.get_top_errors("KeyError") == []
    assert errors.get_top_errors("other") == [("and another", 2)]


def test_a_client_that_answers_with_texts_is_refused(redis_server: str) -> None:
    client = redis_py.Redis.from_url(redis_server, decode_responses=True)
    with pytest.raises(ValueError, match="without decode_responses=True"):
        ErrorAggregator(client)


@pytest.mark.parametrize("said", [None, 5, "half \ud800", b"bytes", ""])
def test_whatever_is_recorded_raises_nothing(redis: Redis, said: Any) -> None:
    errors = ErrorAggregator(redis)
    errors.record_error(said, said)
    if said != "":
        assert [count for _, count in errors.get_top_errors(said)] == [1]
