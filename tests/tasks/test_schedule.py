import os
import subprocess
import sys
import time

import pytest
from celery import Celery

from tasks import canary, heartbeat, schedule
from tasks.schedule import Scheduler
from tasks.settings import Settings
from tests.waiting import wait_until

BEAT = [sys.executable, "-m", "tasks", "beat"]


@pytest.fixture
def scheduler(redis):
    def build(**entries) -> Scheduler:
        app = Celery("schedule", broker="memory://", set_as_current=False)
        app.conf.update(schedule.configuration(Settings()) | {"beat_schedule": entries})
        return Scheduler(app, lazy=False)

    return build


def _entry(task: str) -> dict:
    return {"task": task, "schedule": 60.0}


def _scheduled(redis) -> set[str]:
    return {key.decode().removeprefix("tocsin:redbeat:") for key in redis.zrange("tocsin:redbeat::schedule", 0, -1)}


def test_every_entry_names_its_queue_and_expires():
    for entry in schedule.entries(Settings()).values():
        assert entry["options"]["queue"]
        assert entry["options"]["expires"] >= schedule.STALE


def test_the_paces_that_can_be_set_are_taken():
    settings = Settings(rules={"interval": 3.0}, scan={"interval": 7.0})
    paces = {name: entry["schedule"] for name, entry in schedule.entries(settings).items()}
    assert (paces["evaluate"], paces["scan"]) == (3.0, 7.0)


def test_an_entry_taken_out_of_the_code_is_gone_after_a_restart(redis, scheduler):
    scheduler(old=_entry("a"), kept=_entry("b"))
    assert _scheduled(redis) == {"old", "kept"}
    scheduler(kept=_entry("b"))
    assert _scheduled(redis) == {"kept"}


def test_an_entry_changed_in_the_code_is_changed_after_a_restart(redis, scheduler):
    scheduler(entry=_entry("before"))
    scheduler(entry=_entry("after"))
    assert b'"after"' in redis.hget("tocsin:redbeat:entry", "definition")


def test_after_a_beat_was_killed_the_next_one_takes_over(redis):
    with subprocess.Popen(BEAT, stderr=subprocess.DEVNULL) as first:
        _tick_after(redis, 0.0)
        first.kill()
    with subprocess.Popen(BEAT, stderr=subprocess.DEVNULL) as second:
        killed, *_ = redis.time()
        tick = _tick_after(redis, killed + 1)
        second.terminate()
    assert tick - killed < schedule.LOCK_TIMEOUT + 5  # the lock, a loop and the start of a process


def test_beat_sends_a_living_worker_its_canaries(redis):
    heart = heartbeat.Heart(heartbeat.Worker("scan@a", 1, ("scan",), 0.0), redis)
    environment = os.environ | {"TOCSIN__WATCHDOG__CANARY": "0.5"}
    with subprocess.Popen(BEAT, stderr=subprocess.DEVNULL, env=environment) as beat:
        wait_until(lambda: redis.zscore(canary.SENT_KEY, "scan@a"), what="a canary")
        first = redis.zscore(canary.SENT_KEY, "scan@a")
        wait_until(lambda: redis.zscore(canary.SENT_KEY, "scan@a") > first, what="the next one")
        beat.terminate()
    heart.stop()
    assert redis.llen("tocsin:celery:scan@a.dq2") >= 2


def _tick_after(redis, moment: float) -> float:
    deadline = time.monotonic() + 30
    while (tick := schedule.last_tick(redis) or 0.0) <= moment:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return tick
