"""The guard lets one attempt on a target through at a time, and not again before the cooldown is over."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redis import ConnectionError as RedisConnectionError
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from recovery.guard import Allowed, Guard, Refused
from recovery.model import Cause, Refusal, Step

ON_EVERY_REDIS = True  # see tests/conftest.py

CAUSE = Cause("DiskSpace", "shop", "/var/log/app.log", 0)
STEP = Step("clean_cache", "thumbs", CAUSE)
SIBLING = Step("restart_service", "thumbs", CAUSE)
OTHER = Step("clean_cache", "tiles", CAUSE)


def admitted(guard: Guard, step: Step = STEP) -> str:
    decision = guard.admit(step)
    assert isinstance(decision, Allowed)
    return decision.attempt


def test_a_target_has_one_attempt_at_a_time(redis: Redis) -> None:
    guard = Guard(redis, cooldown=300)
    admitted(guard)
    assert guard.admit(STEP) == guard.admit(SIBLING) == Refused(Refusal.RUNNING)


def test_after_an_attempt_the_same_action_on_the_same_target_cools_down(redis: Redis) -> None:
    guard = Guard(redis, cooldown=300)
    guard.release(STEP, admitted(guard), acted=True)
    assert guard.admit(STEP) == Refused(Refusal.COOLDOWN)
    assert admitted(guard, SIBLING)
    assert admitted(guard, OTHER)


def test_after_the_cooldown_it_is_admitted_again(redis: Redis) -> None:
    guard = Guard(redis, cooldown=0.05)
    guard.release(STEP, admitted(guard), acted=True)
    deadline = time.monotonic() + 10
    while guard.admit(STEP) == Refused(Refusal.COOLDOWN):
        assert time.monotonic() < deadline
    assert guard.admit(STEP) == Refused(Refusal.RUNNING)


def test_without_a_cooldown_it_is_admitted_at_once(redis: Redis) -> None:
    guard = Guard(redis, cooldown=0)
    guard.release(STEP, admitted(guard), acted=True)
    assert admitted(guard)


def test_an_attempt_that_did_not_act_leaves_no_cooldown(redis: Redis) -> None:
    guard = Guard(redis, cooldown=300)
    guard.release(STEP, admitted(guard), acted=False)
    assert admitted(guard)


def test_an_attempt_does_not_release_what_belongs_to_another(redis: Redis) -> None:
    guard = Guard(redis, cooldown=300)
    admitted(guard)
    guard.release(STEP, "another", acted=False)
    assert guard.admit(STEP) == Refused(Refusal.RUNNING)


@pytest.mark.parametrize(("cooldown", "lease"), [(300, 600), (3600, 3600)])
def test_an_attempt_that_died_bars_the_next_one_for_a_cooldown_at_least_and_not_for_ever(
    redis: Redis, cooldown: float, lease: float
) -> None:
    admitted(Guard(redis, cooldown))
    assert redis.ttl("tocsin:{recovery}:running:thumbs") == pytest.approx(lease, abs=5)
    redis.delete("tocsin:{recovery}:running:thumbs")  # the lease has run out
    assert admitted(Guard(redis, cooldown))


def test_the_cooldown_begins_when_the_attempt_ends(redis: Redis) -> None:
    guard = Guard(redis, cooldown=300)
    attempt = admitted(guard)
    assert not redis.exists("tocsin:{recovery}:cooldown:clean_cache:thumbs")
    guard.release(STEP, attempt, acted=True)
    assert redis.ttl("tocsin:{recovery}:cooldown:clean_cache:thumbs") == pytest.approx(300, abs=5)


def test_of_many_at_once_one_is_admitted(redis: Redis) -> None:
    guard = Guard(redis, cooldown=300)
    with ThreadPoolExecutor(8) as pool:
        decisions = list(pool.map(guard.admit, [STEP] * 100))
    assert sum(isinstance(decision, Allowed) for decision in decisions) == 1


def test_where_redis_is_away_nothing_is_admitted(tmp_path: Path) -> None:
    with (
        Redis(unix_socket_path=str(tmp_path / "nobody"), retry=Retry(NoBackoff(), 0)) as nowhere,
        pytest.raises(RedisConnectionError),
    ):
        Guard(nowhere, cooldown=300).admit(STEP)
