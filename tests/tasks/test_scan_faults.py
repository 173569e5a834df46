"""Workers and Redis die while a huge file is read: each failure in it is counted once. Real files, workers, servers."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import psutil
import pytest
from redis import Redis, RedisError

from logging_core.storage.journal import place
from rules.ranges import HUGE
from tasks.app import app
from tests.servers import Server
from tests.tasks.planting import counted, failure, once, quiet
from tests.waiting import wait_until

WORKER = [
    sys.executable,
    "-P",
    "-m",
    "tasks",
    "worker",
    "--without-gossip",
    "--without-mingle",
    "-Q",
    "scan",
    "-c",
    "2",
]
FAILURES = 500
PATIENCE = 60.0  #: seconds


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "redis", "--appendfsync", "always") as server:
        yield server


@pytest.fixture
def environment(server: Server, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "tocsin.yml").write_text(
        f"scan: {{interval: 1, sources: [{{name: shop, paths: ['{tmp_path}/app.log']}}]}}\n"
    )
    ours = {"REDIS_URL": server.url, "LOG_DIR": str(tmp_path / "logs"), "TOCSIN_CONFIG": str(tmp_path / "tocsin.yml")}
    return os.environ | ours


@contextmanager
def worker(environment: dict[str, str]) -> Iterator[Callable[[], None]]:
    """A worker that scans; calling it kills all its processes."""
    process = subprocess.Popen(WORKER, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill() -> None:
        for each in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
            each.send_signal(signal.SIGKILL)
        process.wait()

    try:
        yield kill
    finally:
        if process.poll() is None:
            kill()


def ask(server: Server) -> None:
    """Send what beat sends."""
    with app.connection_for_write(url=server.url) as connection:
        app.send_task("tasks.scan.call", queue="scan", connection=connection)


def leases_end(redis: Redis) -> None:
    """A minute passes: whoever died has neither a lease nor the lock."""
    for pattern in ("lease", "lock"):
        for key in redis.scan_iter(f"tocsin:{{0}}:scan:{pattern}:*"):
            redis.delete(key)


def position(redis: Redis) -> dict[bytes, bytes]:
    keys = list(redis.scan_iter("tocsin:{0}:scan:position:*"))
    return redis.hgetall(keys[0]) if keys else {}


def ranges(redis: Redis) -> int | None:
    """How many are still to be read; None where there are none."""
    try:
        found = position(redis).get(b"ranges")
    except RedisError:
        return None
    return None if found is None else len(orjson.loads(found))


@pytest.fixture
def log(tmp_path: Path, server: Server, environment: dict[str, str]) -> Path:
    """A huge file, which did not exist when it was looked for first."""
    log = tmp_path / "app.log"
    server.client.hset(f"tocsin:{{0}}:scan:begun:{place(tmp_path / 'logs')}:shop", str(log), 1)
    filler = quiet((HUGE + (96 << 20)) // FAILURES // len(quiet(1)))
    with log.open("wb") as file:
        for number in range(FAILURES):
            file.write(filler + failure(number))
    os.utime(log, (0, 0))
    return log


def finish(server: Server, size: int) -> None:
    asked = -1.0

    def is_read() -> bool:
        nonlocal asked
        if time.monotonic() > asked + 1:
            asked = time.monotonic()
            leases_end(server.client)
            ask(server)
        return int(position(server.client).get(b"offset", 0)) == size

    wait_until(is_read, within=PATIENCE, what="the file to be read")


def wait_for_worker(server: Server) -> None:
    wait_until(lambda: server.client.zcard("tocsin:workers"), within=PATIENCE, what="the worker")
    leases_end(server.client)
    ask(server)


def test_workers_that_are_killed(server: Server, environment: dict[str, str], log: Path) -> None:
    left = []
    for most in (100, 3):
        with worker(environment) as kill:
            wait_for_worker(server)
            wait_until(lambda most=most: 0 < (ranges(server.client) or 0) <= most, within=PATIENCE, what="progress")
            kill()
            left.append(ranges(server.client))
            server.client.delete("tocsin:workers")
    assert all(left)
    with worker(environment):
        wait_for_worker(server)
        finish(server, log.stat().st_size)
    assert counted(server.client) == once(range(FAILURES))


def test_redis_that_is_killed(server: Server, environment: dict[str, str], log: Path) -> None:
    with worker(environment):
        wait_for_worker(server)
        wait_until(lambda: ranges(server.client), within=PATIENCE, what="ranges")
        server.kill()
        server.start()
        finish(server, log.stat().st_size)
    assert counted(server.client) == once(range(FAILURES))
