"""SIGKILL of beat, of each worker's main process, of the web process, of supervisord; all of them lose Redis."""

import time

from tasks import heartbeat, schedule
from tests.chaos.arena import Arena
from tests.chaos.scenario import Scenario
from tests.waiting import wait_until


def _sound(arena: Arena) -> bool:
    """Whether both workers and beat give their signs of life."""
    alive = arena.stack.ask(heartbeat.workers) or []
    tick = arena.stack.ask(schedule.last_tick) or 0.0
    pids = {each.pid for name in ("ingest", "worker") if (each := arena.stack.program(name))}
    return len(pids) == 2 and pids <= {each.pid for each in alive} and time.time() - tick < 3


def each(arena: Arena) -> None:
    arena.application(rate=500)
    names = ("ingest", "beat") if arena.quick else ("beat", "worker", "ingest", "web")
    for name in names:
        arena.writes_on(200)
        arena.stack.kill(name)
        arena.rest(2, 0.5)
    arena.fault_over()
    wait_until(lambda: _sound(arena), within=40, what="the signs of life of workers and beat")
    arena.back()


def supervisor(arena: Arena) -> None:
    arena.application(rate=500)
    arena.writes_on()
    (supervisord,) = arena.stack.processes()[:1]
    supervisord.kill()
    arena.rest(3)  # what was accepted before is written in the last moments of what it leaves behind
    arena.fault_over()
    arena.back()


def without_redis(arena: Arena) -> None:
    """Their connections are cut, then Redis is away for longer than RedBeat's lock and the writer's lease."""
    arena.application(rate=500)
    arena.writes_on()
    arena.stack.redis.client_kill_filter(_type="normal", skipme=False)
    arena.writes_on()
    arena.stack.switch("redis", on=False)
    arena.rest(schedule.LOCK_TIMEOUT + 3)
    arena.fault_over()
    arena.stack.switch("redis", on=True)
    wait_until(lambda: _sound(arena), within=40, what="the signs of life of workers and beat")
    arena.back()


SCENARIOS = (
    Scenario("beat and each worker killed", each, quick=False, back_s=10),
    Scenario("beat, RedBeat and each worker lose Redis", without_redis, quick=False, back_s=10, beside=True),
    Scenario("supervisord killed", supervisor, quick=False, fresh=True, back_s=15),
)
