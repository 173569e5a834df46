"""A step is taken once, behind the guard, and only a second measurement says that it helped."""

import os
from itertools import count
from pathlib import Path

import pytest
import redis as redis_py
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from recovery.actions.clean_cache import CleanCache
from recovery.executor import Executor
from recovery.guard import Guard
from recovery.journal import STARTED, Journal
from recovery.model import Cause, Measurement, Outcome, Refusal, Result, Step

STEP = Step("clean_cache", "thumbs", Cause("DiskSpace", "shop", "/var/log/app.log", 42))
NOW = 1_771_497_000


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir()
    for number in range(10):
        path = folder / str(number)
        path.write_bytes(b"x" * 100)
        os.utime(path, (NOW - 100 + number, NOW - 100 + number))
    return folder


def executor(redis: Redis, folder: Path, max_bytes: int, min_age: float = 0) -> Executor:
    actions = {STEP.id: CleanCache("thumbs", folder, max_bytes, min_age)}
    return Executor(Guard(redis, 300), Journal(redis), actions, count(NOW).__next__)


def test_a_full_folder_is_healed_and_the_journal_says_how(redis: Redis, cache: Path) -> None:
    result = executor(redis, cache, max_bytes=450).take(STEP)
    assert isinstance(result, Result)
    assert result.before is not None
    assert result.after is not None
    assert (result.outcome, result.before.used, result.after.used) == (Outcome.HEALED, 1000, 400)
    assert sorted(path.name for path in cache.iterdir()) == ["6", "7", "8", "9"]
    (entry,) = Journal(redis).entries(10)
    assert (entry.step, entry.result, entry.started, entry.duration) == (STEP, result, NOW, 1)


def test_an_action_that_did_not_help_is_not_healed(redis: Redis, cache: Path) -> None:
    result = executor(redis, cache, max_bytes=450, min_age=97).take(STEP)
    assert isinstance(result, Result)
    assert (result.outcome, result.detail) == (
        Outcome.NOT_HEALED,
        "removed 4 files of 400 bytes; 0 could not be removed",
    )


def test_a_folder_within_its_limit_is_left_alone_and_does_not_cool_down(redis: Redis, cache: Path) -> None:
    taker = executor(redis, cache, max_bytes=1000)
    for _ in range(2):
        result = taker.take(STEP)
        assert isinstance(result, Result)
        assert result.outcome is Outcome.NOT_NEEDED
    assert len(list(cache.iterdir())) == 10


def test_a_failure_is_an_outcome_and_cools_down(redis: Redis, tmp_path: Path) -> None:
    taker = executor(redis, tmp_path / "missing", max_bytes=0)
    result = taker.take(STEP)
    assert isinstance(result, Result)
    assert result.outcome is Outcome.FAILED
    assert "No such file or directory" in result.detail
    assert taker.take(STEP) is Refusal.COOLDOWN


class Broken:
    """An action with a bug."""

    name = "clean_cache"
    target = "thumbs"

    def measure(self) -> Measurement:
        raise KeyError("free")

    def is_healthy(self, measured: Measurement) -> bool:
        return False

    def act(self, now: float) -> str:
        return "nothing"


def test_an_action_with_a_bug_fails_and_frees_its_target(redis: Redis) -> None:
    taker = Executor(Guard(redis, 300), Journal(redis), {STEP.id: Broken()}, count(NOW).__next__)
    assert taker.take(STEP) == Result(Outcome.FAILED, detail="KeyError: 'free'")
    assert taker.take(STEP) is Refusal.COOLDOWN
    assert not redis.exists("tocsin:{recovery}:running:thumbs")


class Killed(BaseException):
    """The process ends here."""


class Fatal(CleanCache):
    """An action in which the process dies."""

    def act(self, now: float) -> str:
        raise Killed


def test_an_attempt_whose_process_died_is_not_decided_and_the_next_one_notes_it(redis: Redis, cache: Path) -> None:
    fatal = Executor(Guard(redis, 300), Journal(redis), {STEP.id: Fatal("thumbs", cache, 450, 0)}, count(NOW).__next__)
    with pytest.raises(Killed):
        fatal.take(STEP)
    taker = executor(redis, cache, max_bytes=450)
    assert taker.take(STEP) is None
    assert Journal(redis).entries(10) == []
    redis.delete("tocsin:{recovery}:running:thumbs")  # its lease has run out
    result = taker.take(STEP)
    assert isinstance(result, Result)
    assert result.outcome is Outcome.HEALED
    healed, interrupted = Journal(redis).entries(10)
    assert (healed.result, interrupted.result.outcome) == (result, Outcome.INTERRUPTED)
    assert (interrupted.step, interrupted.started) == (STEP, NOW)
    assert interrupted.attempt != healed.attempt
    assert Journal(redis).outcomes() == {Outcome.INTERRUPTED: 1, Outcome.HEALED: 1}
    assert not redis.exists(STARTED)


def test_a_redis_that_is_away_after_the_action_is_told_when_it_is_back(
    redis: Redis, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taker = executor(redis, cache, max_bytes=450)
    failures = iter([True] * 3)
    pipeline, act = Redis.pipeline, CleanCache.act

    def away(*args: object, **options: bool) -> object:
        if next(failures, False):
            raise redis_py.ConnectionError("away")
        return pipeline(redis, **options)

    def acting(self: CleanCache, now: float) -> str:
        monkeypatch.setattr(Redis, "pipeline", away)
        return act(self, now)

    monkeypatch.setattr(CleanCache, "act", acting)
    result = taker.take(STEP)
    (entry,) = Journal(redis).entries(10)
    assert entry.result == result
    assert next(failures, None) is None
    assert taker.take(STEP) is Refusal.COOLDOWN


def test_a_redis_that_stays_away_leaves_the_attempt_as_begun(
    redis: Redis, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recovery.journal.RETRIES", 1)
    taker = executor(redis, cache, max_bytes=450)
    with monkeypatch.context() as broken:
        nowhere = redis_py.Redis(port=1, retry=Retry(NoBackoff(), 0))
        broken.setattr(Journal, "_append", lambda *_args, **_options: nowhere.ping())
        with pytest.raises(redis_py.ConnectionError):
            taker.take(STEP)
    assert redis.hexists(STARTED, STEP.id)
    assert taker.take(STEP) is None


def test_a_step_repeated_ten_thousand_times_acts_once(redis: Redis, cache: Path) -> None:
    taker = executor(redis, cache, max_bytes=450)
    results = [taker.take(STEP) for _ in range(10_000)]
    assert results[1:] == [Refusal.COOLDOWN] * 9_999
    assert len(Journal(redis).entries(10)) == 1
    assert Journal(redis).refusals() == {"cooldown:clean_cache:thumbs": 9_999}


@pytest.mark.parametrize(
    ("action", "target"),
    [("clean_cache", "tiles"), ("clean_cache", "/etc"), ("clean_cache", "../thumbs"), ("rm", "thumbs")],
)
def test_what_is_not_configured_is_not_allowed(redis: Redis, cache: Path, action: str, target: str) -> None:
    assert executor(redis, cache, max_bytes=0).take(Step(action, target, STEP.cause)) is Refusal.NOT_ALLOWED
    assert len(list(cache.iterdir())) == 10
