"""The disk full under the files, under the journal alone, and under the applications' spool; a disk that is frozen."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.chaos.arena import Arena
from tests.chaos.chaos_stack import ChaosStack, running_stack
from tests.chaos.scenario import Scenario, SkippedError


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """A small file system mounted on a folder."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "tocsin-chaos", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        raise SkippedError("a file system can be mounted by root only")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def _with_small_logs(folder: Path) -> Iterator[ChaosStack]:
    with small_disk(folder / "logs", 64), running_stack(folder) as stack:
        yield stack


@contextmanager
def _with_small_journal(folder: Path) -> Iterator[ChaosStack]:
    with small_disk(folder / "logs" / ".tocsin", 16), running_stack(folder) as stack:
        yield stack


FROZEN = 5.0  #: seconds


@contextmanager
def _with_logs_on_a_device(folder: Path) -> Iterator[ChaosStack]:
    """A file system that can be frozen."""
    image, logs = folder / "disk", folder / "logs"
    logs.mkdir(parents=True)
    with image.open("wb") as file:
        file.truncate(64 * 2**20)
    make = ["mkfs.ext4", "-q", str(image)], ["mount", "-o", "loop", str(image), str(logs)]
    if os.geteuid() != 0 or not all(map(shutil.which, ("mkfs.ext4", "fsfreeze"))) or not all(map(_done, make)):
        raise SkippedError("a file system can be made and mounted by root only, and where there are loop devices")
    try:
        if not (_freeze(logs) and _thaw(logs)):
            raise SkippedError("the file system cannot be frozen")
        with running_stack(folder) as stack:
            yield stack
    finally:
        _thaw(logs)  # one that a scenario left frozen cannot be let go
        subprocess.run(["umount", "-l", str(logs)], check=True)


def _freeze(folder: Path) -> bool:
    return _done(["fsfreeze", "--freeze", str(folder)])


def _thaw(folder: Path) -> bool:
    return _done(["fsfreeze", "--unfreeze", str(folder)])


def _done(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def frozen(arena: Arena) -> None:
    """Every write and sync stands still."""
    arena.application(rate=1000)
    arena.writes_on()
    since = time.monotonic()
    assert _freeze(arena.stack.log_dir)
    try:
        arena.rest(FROZEN)
    finally:
        _thaw(arena.stack.log_dir)
    arena.fault_over()
    arena.back()
    arena.alert("WriterStalled", since)


def _fill(folder: Path) -> Path:
    """Take all the space there is."""
    ballast = folder / "ballast"
    for chunk in (b"x" * 65536, b"x"):
        with ballast.open("ab", buffering=0) as file:
            try:
                while file.write(chunk):
                    pass
            except OSError:
                pass  # full
    return ballast


def _full(arena: Arena, folder: Path) -> None:
    arena.application(rate=500)
    arena.writes_on()
    since, ballast = time.monotonic(), _fill(folder)
    arena.alert("LogDiskFull", since)
    arena.rest(6, 3)
    if "No space left" not in (arena.stack.logs / "ingest.log").read_text():
        arena.problem("the writer never met the full disk")
    ballast.unlink()
    arena.fault_over()
    arena.back()


def logs(arena: Arena) -> None:
    _full(arena, arena.stack.log_dir)


def journal(arena: Arena) -> None:
    _full(arena, arena.stack.log_dir / ".tocsin")


def spool(arena: Arena) -> None:
    folder = Path(tempfile.mkdtemp(prefix="spool-", dir=arena.stack.folder)) / "small"
    with small_disk(folder, 3):  # two segments and a little: the third cannot be had
        arena.application(rate=500, size=1000, spool_dir=str(folder / "spool"), spill_dir=None)
        redis = arena.stack.program("redis")
        assert redis
        since = time.monotonic()
        redis.suspend()  # nothing is freed
        arena.rest(10)
        redis.resume()
        arena.fault_over()
        arena.back()
        if not arena.refused:
            arena.problem("the spool was not full")
        arena.alert("RecordsRefused", since)


LIMITS: dict[str, Any] = {"quick": False, "fresh": True, "slowest_ms": 50, "back_s": 10}
SCENARIOS = (
    Scenario("the disk full at the writer", logs, opening=_with_small_logs, alert="LogDiskFull", **LIMITS),
    Scenario("the disk full at the journal", journal, opening=_with_small_journal, alert="LogDiskFull", **LIMITS),
    Scenario("the disk full at the spool", spool, alert="RecordsRefused", **LIMITS),
    Scenario("the disk frozen for 5 s", frozen, opening=_with_logs_on_a_device, alert="WriterStalled", **LIMITS),
)
