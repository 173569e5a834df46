"""Applications of a few lines, each in processes of its own, and what became of what they logged.

A program calls `begin()` where an application would call `init_logging`; every test runs it with both destinations.
A program, and whatever it has forked, that stands still for `PATIENCE` seconds prints the stacks of all its threads.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from logging_core.buffers.spill import MAX_AGE, MAX_BYTES, SpillPlace
from logging_core.buffers.spool import spill_root, spool_root
from logging_core.streams.connection import connect
from logging_core.streams.shipper import ship_orphans
from logging_core.streams.stream import Keys

ROOT = Path(__file__).parents[3]
PATIENCE = 40  #: seconds
BEGIN = """
import asyncio, atexit, logging, os, signal, sys, threading, time
import logging_core
from logging_core import get_logger, init_logging, lifecycle, shutdown_logging

def begin(**options):
    init_logging(**{{"log_level": "DEBUG", "console_level": "OFF", "queue_size": 100_000}} | {settings!r} | options)
"""


class Guest:
    """One way for records to go, and programs that log that way."""

    def __init__(self, folder: Path, destination: str, url: str) -> None:
        self.folder = folder
        self.destination = destination
        self.url = url
        self.settings: dict[str, Any] = {"destination": destination, "service": "shop", "log_dir": str(folder / "logs")}
        if destination == "redis":
            self.settings["redis"] = {"url": url}

    def source(self, program: str, *, before: str = "") -> str:
        """The text of a program, whole; `before` comes before anything of ours is imported."""
        return f"{before}\n{BEGIN.format(settings=self.settings)}\n{program}"

    def file(self, name: str, program: str, *, before: str = "") -> Path:
        """A program as a module, for what imports it again."""
        path = self.folder / name
        path.write_text(self.source(program, before=before))
        return path

    def command(self, program: str, *, before: str = "") -> list[str]:
        return [sys.executable, "-c", self.source(program, before=before)]

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"PYTHONPATH": f"{ROOT}:{self.folder}", "PYTHONFAULTHANDLER": "1"}

    def run(self, program: str, *, before: str = "", status: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run a program to its end."""
        return self.run_command(self.command(program, before=before), status=status)

    def run_command(self, command: list[str], *, status: int | None = 0) -> subprocess.CompletedProcess[str]:
        with subprocess.Popen(
            command, cwd=self.folder, env=self.environment, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as process:  # fmt: skip
            try:
                out, err = process.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGABRT)  # it and its children tell where they stand
                out, err = process.communicate(timeout=PATIENCE)
                pytest.fail(f"stood still:\n{err[-6000:]}")
        if status is not None:
            assert process.returncode == status, f"{out}\n{err[-6000:]}"
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def records(self) -> list[dict[str, Any]]:
        """What has arrived: in the file; or in the stream, with what dead processes have left to the living."""
        if self.destination == "files":
            sealed = sorted(self.folder.glob("logs/app.log.*"), key=lambda path: -int(path.suffix[1:]))
            files = [*sealed, *self.folder.glob("logs/app.log")]
            return [json.loads(line) for path in files for line in path.read_bytes().splitlines()]
        with connect(self.url, connect_timeout=2, timeout=5) as client:
            place = SpillPlace(spill_root(self.url), MAX_BYTES, MAX_AGE)
            ship_orphans(client, spool_root(self.url), place)
            entries: Any = client.xrange(Keys().stream)
        return [json.loads(line) for _, fields in entries for line in fields[b"body"].splitlines()]

    def messages(self, logger: str = "guest") -> list[str]:
        """Of this logger's records, in the order in which they arrived."""
        return [record["message"] for record in self.records() if record["logger"] == logger]

    def each_once(self, *expected: str, logger: str = "guest") -> None:
        """These have arrived, and no others, in whatever order."""
        found, wanted = Counter(self.messages(logger)), Counter(expected)
        assert (found - wanted, wanted - found) == (Counter(), Counter())


@pytest.fixture(params=["files", "redis"])
def guest(request: pytest.FixtureRequest, redis: Redis, redis_server: str, tmp_path: Path) -> Iterator[Guest]:
    roots = (spool_root(redis_server), spill_root(redis_server))
    for root in roots:
        shutil.rmtree(root, ignore_errors=True)
    yield Guest(tmp_path, request.param, redis_server)
    for root in roots:
        shutil.rmtree(root, ignore_errors=True)
