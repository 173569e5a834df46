"""The recover task takes what is due, on the configured folders, once."""

import os
import time
from pathlib import Path

import pytest
from redis import Redis

from alerts.notification import Notification
from alerts.stored import decode
from logging_core.streams.stream import shard_key
from recovery import due
from recovery.guard import Guard
from recovery.journal import Journal
from recovery.model import Cause, Outcome, Plan, Step
from tasks import dispatch, settings
from tasks.recover import recover
from tasks.settings import AlertSettings, CacheFolder, RecoverySettings, Settings

CAUSE = Cause("DiskSpace", "shop", "/var/log/app.log", 42)
STEP = Step("clean_cache", "thumbs", CAUSE)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir()
    allowed = CacheFolder(name="thumbs", path=folder, max_bytes=1000, min_age=60)
    chosen = Settings(recovery=RecoverySettings(cache_folders=[allowed]))
    monkeypatch.setattr(settings, "load", lambda: chosen)
    return folder


def fill(folder: Path, files: int = 20) -> None:
    long_ago = time.time() - 3600
    for number in range(files):
        (folder / str(number)).write_bytes(b"x" * 100)
        os.utime(folder / str(number), (long_ago, long_ago))


def queue(redis: Redis, target: str) -> None:
    for change in due.changes(Plan(CAUSE, (Step("clean_cache", target, CAUSE),))):
        redis.hsetnx(shard_key(0, change.key), change.field, change.value)


def test_a_full_folder_is_cleaned_and_the_step_struck_off(redis: Redis, cache: Path) -> None:
    fill(cache)
    queue(redis, "thumbs")
    recover()
    assert sum(path.stat().st_size for path in cache.iterdir()) == 1000
    (entry,) = Journal(redis).entries(10)
    assert (entry.step.cause, entry.result.outcome) == (CAUSE, Outcome.HEALED)
    assert due.is_empty(redis)


def test_a_step_whose_attempt_was_killed_stays_due_until_it_is_decided(redis: Redis, cache: Path) -> None:
    fill(cache)
    queue(redis, "thumbs")
    Guard(redis, 300).admit(STEP)  # an attempt that was killed
    recover()
    assert not due.is_empty(redis)
    assert Journal(redis).refusals() == {}
    redis.delete("tocsin:{recovery}:running:thumbs")  # its lease has run out
    recover()
    assert Journal(redis).outcomes() == {Outcome.HEALED: 1}
    assert due.is_empty(redis)


def test_within_the_cooldown_it_is_not_cleaned_again(redis: Redis, cache: Path) -> None:
    for _ in range(2):
        fill(cache)
        queue(redis, "thumbs")
        recover()
    assert len(list(cache.iterdir())) == 20
    assert Journal(redis).refusals() == {"cooldown:clean_cache:thumbs": 1}
    assert due.is_empty(redis)


def test_a_folder_that_is_no_longer_configured_is_left_alone(redis: Redis, cache: Path) -> None:
    fill(cache)
    queue(redis, "tiles")
    recover()
    assert len(list(cache.iterdir())) == 20
    assert Journal(redis).refusals() == {"not_allowed:clean_cache:tiles": 1}
    assert due.is_empty(redis)


@pytest.mark.parametrize("young", [True, False])
def test_what_was_not_healed_is_told_to_people(redis: Redis, cache: Path, monkeypatch, slack, young) -> None:
    told = AlertSettings(slack_webhook_url=slack.url)
    chosen = settings.load().model_copy(update={"alerts": told})
    monkeypatch.setattr(settings, "load", lambda: chosen)
    dispatch.routed_receivers.cache_clear()
    if young:
        (cache / "big").write_bytes(b"x" * 5000)
    else:
        cache.rename(cache.with_name("gone"))
    queue(redis, "thumbs")
    recover()
    dispatch.routed_receivers.cache_clear()
    (body,) = (redis.get(key) for key in redis.scan_iter("tocsin:{alerts}:notification:*"))
    (alert,) = decode(body, Notification).alerts
    assert (alert.name, alert.labels["target"], alert.labels["outcome"]) == (
        "RecoveryFailed",
        "thumbs",
        "not_healed" if young else "failed",
    )
    assert due.is_empty(redis)
