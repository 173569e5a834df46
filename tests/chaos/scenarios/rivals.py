"""Two beats, and two workers on one shard, one of them killed now and then."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.chaos.arena import Arena
from tests.chaos.scenario import Scenario


@contextmanager
def _rival(arena: Arena, *words: str) -> Iterator["subprocess.Popen[bytes]"]:
    stack = arena.stack
    command = [sys.executable, "-P", "-m", "tasks", *words]
    with (
        (stack.folder / f"rival-{words[0]}.log").open("ab") as log,
        subprocess.Popen(command, cwd=stack.folder, env=stack.environment, stdout=log, stderr=log) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            process.wait()


def beats(arena: Arena) -> None:
    arena.application(rate=500)
    with _rival(arena, "beat"):
        arena.rest(4, 4)
        arena.stack.kill("beat")
        arena.rest(4, 2)
    arena.fault_over()
    arena.back()


def workers(arena: Arena) -> None:
    arena.application(rate=1000)
    with _rival(arena, "worker", "-Q", "ingest", "-c", "2", "-n", "ingest@rival"):
        arena.rest(4, 4)
        arena.stack.kill("ingest")  # the other goes on alone
        arena.rest(4, 2)
    arena.fault_over()
    arena.back()


SCENARIOS = (
    Scenario("two beats", beats, quick=False, back_s=10, beside=True),
    Scenario("two workers on one shard", workers, quick=False, back_s=10),
)
