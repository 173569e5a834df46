"""SIGKILL of the writer within a rotation, and of the compression of sealed files, at each step and at any moment."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.chaos.arena import Arena
from tests.chaos.chaos_stack import ChaosStack, running_stack
from tests.chaos.scenario import Scenario

COMPRESS = """
import time; from pathlib import Path; from logging_core.storage.compression import compress_sealed
compress_sealed(Path("logs"), time.time(), min_age=0)
"""


@contextmanager
def _with_small_files(folder: Path) -> Iterator[ChaosStack]:
    with running_stack(folder, TOCSIN__FILES__MAX_BYTES="40000", TOCSIN__FILES__BACKUPS="999") as stack:
        yield stack


def _compression(arena: Arena) -> "subprocess.Popen[bytes]":
    """What the maintenance task does after a minute, at once."""
    command = [sys.executable, "-c", COMPRESS]
    return subprocess.Popen(command, cwd=arena.stack.folder, env=arena.stack.environment)


def run(arena: Arena) -> None:
    arena.application(rate=500)
    for step in ("intent", "moved", "sealed"):
        arena.stack.suffer(step)
        arena.writes_on(200)
    for step in ("packed", "replaced"):
        (arena.stack.steps / step).touch()
        _compression(arena).wait()
        if (arena.stack.steps / step).exists():
            arena.problem(f"no compression got as far as {step}")
    for _ in range(5 if arena.quick else 10):
        compression = _compression(arena)
        arena.rest(arena.dice.uniform(0.1, 0.4))
        compression.kill()
        compression.wait()
    _compression(arena).wait()
    arena.fault_over()
    arena.back()
    if not list((arena.stack.log_dir / arena.service).glob("app.log.*.gz")):
        arena.problem("nothing was compressed")


SCENARIOS = (
    Scenario(
        "SIGKILL in a rotation and in a compression",
        run,
        quick=False,
        fresh=True,
        opening=_with_small_files,
        back_s=10,
    ),
)
