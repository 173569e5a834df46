"""The decision by tables; then real workers, made deaf in real ways, beside one that is well."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from pydantic import ValidationError
from redis import Redis

from tasks import canary, heartbeat, watchdog, wiring
from tasks.app import app
from tasks.settings import WatchdogSettings
from tasks.watchdog import Seen, Vigil, is_deaf, look
from tests.stack import PATIENCE, Stack, living
from tests.waiting import wait_until

WORKER = [sys.executable, "-P", "-m", "tasks", "worker", "--without-gossip", "--without-mingle", "-Q", "notify"]
SHORT = {"TOCSIN__WATCHDOG__CANARY": "0.5", "TOCSIN__WATCHDOG__PATIENCE": "3"}
QUIET = Seen(answered=True, beat_sends=True, slot_free=True, arrived=0.0)


@pytest.mark.parametrize(
    ("seen", "now", "since"),
    [
        (QUIET, 101.0, 90.0),
        (QUIET._replace(arrived=99.0), 101.0, 99.0),
        (QUIET._replace(arrived=80.0), 101.0, 90.0),
        (QUIET._replace(answered=False), 101.0, 101.0),
        (QUIET._replace(beat_sends=False), 101.0, 101.0),
        (QUIET._replace(slot_free=False), 101.0, 101.0),
        (QUIET, 100.0 + watchdog.BLINK, 90.0),
        (QUIET, 100.1 + watchdog.BLINK, 100.1 + watchdog.BLINK),  # it stood still itself
    ],
)
def test_the_vigil_begins_anew_at_whatever_excuses_that_no_canary_came(seen, now, since):
    assert look(Vigil(since=90.0, looked=100.0), seen, now) == Vigil(since=since, looked=now)


@pytest.mark.parametrize(("since", "deaf"), [(55.0, True), (55.1, False), (100.0, False)])
def test_a_worker_is_deaf_after_the_whole_of_the_patience(since, deaf):
    assert is_deaf(Vigil(since=since, looked=100.0), patience=45.0) is deaf


def _looks(until: int, *, canary_at: int = -1, redis_away_at: int = -1) -> int | None:
    """The second of the exit, of a worker that is looked at every second."""
    vigil = Vigil(since=0.0, looked=0.0)
    for second in range(1, until):
        arrived = float(canary_at) if second >= canary_at else 0.0
        vigil = look(vigil, QUIET._replace(arrived=arrived, answered=second != redis_away_at), float(second))
        if is_deaf(vigil, patience=45.0):
            return second
    return None


@pytest.mark.parametrize(
    ("happened", "exit_at"),
    [({}, 45), ({"canary_at": 20}, 65), ({"redis_away_at": 30}, 75), ({"canary_at": 20, "redis_away_at": 44}, 89)],
)
def test_one_canary_or_one_failed_ping_starts_the_patience_over(happened, exit_at):
    assert _looks(200, **happened) == exit_at


def test_a_patience_of_fewer_than_three_canaries_is_refused():
    with pytest.raises(ValidationError, match="at least three times canary"):
        WatchdogSettings(canary=5, patience=14)


@contextmanager
def _worker(name: str, folder: Path, *options: str) -> Iterator[psutil.Popen]:
    command = [*WORKER, "-c", "2", "-n", f"{name}@test", *options]
    with (folder / f"{name}.log").open("wb") as log:
        worker = psutil.Popen(command, env=os.environ | SHORT, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield worker
    finally:
        for process in (*worker.children(recursive=True), worker) if worker.is_running() else ():
            process.kill()
        worker.wait()


def _release_until(redis: Redis, condition: Callable[[], object], *, what: str) -> None:
    """Plays beat."""
    released = 0.0

    def held() -> object:
        nonlocal released
        if wiring.now() - released > 0.5:
            released = wiring.now()
            canary.release(app, redis, released)
        return condition()

    wait_until(held, within=PATIENCE, what=what)


def _arrivals(redis: Redis) -> dict[str, float]:
    return canary.last_arrivals(redis, ["well@test", "wedged@test"])


def _alive(redis: Redis) -> set[str]:
    return {worker.name for worker in heartbeat.workers(redis)}


def test_a_worker_that_no_longer_consumes_ends_itself_and_one_that_is_well_does_not(redis, tmp_path):
    with (
        _worker("well", tmp_path) as well,
        _worker("wedged", tmp_path, "--include", "tests.tasks.injected.deaf") as wedged,
    ):
        wait_until(lambda: _alive(redis) == {"well@test", "wedged@test"}, what="both workers")
        children = wedged.children()
        _release_until(redis, lambda: wedged.poll() is not None, what="the deaf worker to end")
        assert wedged.returncode == 1
        wait_until(lambda: not living(children), what="its pool processes to end")
        assert "no canary for 3 s" in (tmp_path / "wedged.log").read_text()
        assert well.poll() is None
        assert _arrivals(redis).keys() == {"well@test"}
        assert redis.hgetall(watchdog.EXITS_KEY) == {b"wedged": b"1"}
        assert {queue for worker in heartbeat.workers(redis) for queue in worker.queues} == {"notify"}


def test_a_worker_whose_pool_stands_still_ends_itself(redis, tmp_path):
    with _worker("wedged", tmp_path) as wedged:
        _release_until(redis, lambda: _arrivals(redis), what="a canary to arrive")
        children = wedged.children()
        for child in children:
            child.suspend()
        _release_until(redis, lambda: wedged.poll() is not None, what="the worker to end")
        assert wedged.returncode == 1
        wait_until(lambda: not living(children), what="its pool processes to end")


def test_where_beat_is_silent_a_deaf_worker_waits_and_a_polite_request_ends_it(redis, tmp_path):
    with _worker("wedged", tmp_path, "--include", "tests.tasks.injected.deaf") as wedged:
        wait_until(lambda: _alive(redis), what="the worker")
        redis.zadd(canary.SENT_KEY, {"wedged@test": wiring.now() - 2})
        begun = wiring.now()
        wait_until(lambda: wiring.now() > begun + 5, what="longer than its patience")
        assert wedged.poll() is None
        wedged.send_signal(signal.SIGTERM)
        assert wedged.wait(timeout=PATIENCE) == 0


def _stop_pool(worker: psutil.Process, *, seconds: float) -> None:
    """Its pool stands still for so long, or until it ends; then, if it lives, the pool goes on for a moment."""
    children = worker.children()
    for child in children:
        child.suspend()
    psutil.wait_procs([worker], timeout=seconds)
    if living([worker]):
        for child in children:
            with suppress(psutil.NoSuchProcess):  # it ends just now
                child.resume()
        psutil.wait_procs([worker], timeout=0.5)


@pytest.mark.stack
@pytest.mark.timeout(240)
def test_the_supervisor_starts_a_wedged_worker_again(tmp_path):
    # A beat that a busy machine keeps waiting for three canaries is an excuse, so these are not too quick.
    (tmp_path / "tocsin.yml").write_text("watchdog: {canary: 2, patience: 6}\n")
    stack = Stack(tmp_path)
    try:
        stack.read_until("ready in")
        wedged = stack.main_process("ingest")
        while living([wedged]):  # a pool that is stopped with all its processes at work is not called deaf
            _stop_pool(wedged, seconds=15)
        assert stack.read_until("was started again").strip() == "ingest ended and was started again"
        wait_until(
            lambda: stack.main_process("ingest") not in (None, wedged), within=PATIENCE, what="another ingest worker"
        )
        assert "no canary for 6 s" in (tmp_path / ".tocsin/log/ingest.log").read_text()
    finally:
        stack.redis.close()
        stack.up.send_signal(signal.SIGTERM)
        stack.ended()
