"""Redis restarted with an older copy of its append-only folder: the files know more than Redis does."""

import shutil
from typing import Any

from tests.chaos.arena import Arena
from tests.chaos.scenario import Scenario


def older(arena: Arena) -> None:
    arena.application(rate=500)
    arena.writes_on(1000)
    folder, copy = arena.stack.redis_folder, arena.stack.folder / "older"
    shutil.copytree(folder, copy)  # of a file that grows: its torn end is what a power loss leaves
    arena.writes_on(1500)
    arena.stack.switch("redis", on=False)
    shutil.rmtree(folder)
    copy.rename(folder)
    arena.fault_over()
    arena.stack.switch("redis", on=True)
    arena.back()


def empty(arena: Arena) -> None:
    arena.application(rate=500)
    arena.writes_on(1500)
    arena.stack.switch("redis", on=False)
    shutil.rmtree(arena.stack.redis_folder)
    arena.stack.redis_folder.mkdir(mode=0o700)
    arena.fault_over()
    arena.stack.switch("redis", on=True)
    arena.back()


LIMITS: dict[str, Any] = {"quick": False, "fresh": True, "slowest_ms": 50, "back_s": 10, "beside": True}
SCENARIOS = (
    Scenario("Redis restarted with an older copy of its files", older, **LIMITS),
    Scenario("Redis restarted with no files at all", empty, **LIMITS),
)
