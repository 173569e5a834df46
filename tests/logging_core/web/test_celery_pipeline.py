"""A worker that nobody but `setup_logging(app)` has set up: from its child processes to files, and to Redis."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from logging_core.context import LoggingContext
from logging_core.streams.stream import Keys
from tests.logging_core.web import celery_shop
from tests.waiting import wait_until

COMMAND = [sys.executable, "-m", "celery", "-A", "tests.logging_core.web.celery_shop", "worker", "-Q", "shop"]


@pytest.fixture
def start(redis_server: str, tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    workers: list[subprocess.Popen[bytes]] = []

    def _start(destination: str) -> subprocess.Popen[bytes]:
        environment = os.environ | {
            "LOG_DESTINATION": destination,
            "LOG_DIR": str(tmp_path),
            "LOG_CONSOLE_LEVEL": "OFF",
        }
        workers.append(subprocess.Popen([*COMMAND, "-c", "2"], env=environment))
        return workers[-1]

    yield _start
    for worker in workers:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=30) == 0


def send_failures() -> None:
    with LoggingContext(trace_id="trace-1"):
        for _ in range(20):
            celery_shop.fail.delay("value")


def runs(lines: list[str]) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in lines]
    return [each for each in records if each.get("event") == "task" and each["trace_id"] == "trace-1"]


def test_the_children_of_a_worker_write_the_files(start: Any, tmp_path: Path) -> None:
    worker = start("files")
    send_failures()

    def written() -> list[dict[str, Any]]:
        log = tmp_path / "app.log"
        return runs(log.read_text().splitlines()) if log.exists() else []

    wait_until(lambda: len(written()) == 20, what="the records of twenty runs")
    processes = {each["process"] for each in written()}
    assert len(processes) == 2 and worker.pid not in processes
    assert len((tmp_path / "errors.log").read_text().splitlines()) == 20


def test_each_child_of_a_worker_is_a_producer_of_its_own(start: Any, redis: Redis) -> None:
    start("redis")
    send_failures()

    def shipped() -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        entries: Any = redis.xrange(Keys().stream)
        for _, entry in entries:
            found.setdefault(entry[b"producer"].decode(), []).extend(runs(entry[b"body"].decode().splitlines()))
        return {producer: records for producer, records in found.items() if records}

    wait_until(lambda: sum(map(len, shipped().values())) == 20, what="the records of twenty runs")
    assert len(shipped()) == 2
    assert all(len({each["process"] for each in records}) == 1 for records in shipped().values())
