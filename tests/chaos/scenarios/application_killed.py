"""SIGKILL of an application while it logs, of the parent of those that log, and while its shipper sends."""

from tests.chaos.arena import Arena
from tests.chaos.scenario import Scenario


def alone(arena: Arena) -> None:
    """Another application of the host adopts what was left."""
    arena.application(rate=200)
    for _ in range(2 if arena.quick else 5):
        victim = arena.application(rate=5000)
        arena.rest(arena.dice.uniform(0.2, 1.5))
        arena.kill(victim)
    arena.fault_over()
    arena.back()


def nobody_left(arena: Arena) -> None:
    """Nobody else logs on the host, and Redis was away, so all is still in the spool: the maintenance task adopts."""
    victim = arena.application(rate=5000)
    redis = arena.stack.program("redis")
    assert redis
    redis.suspend()
    arena.rest(1)
    arena.kill(victim)
    redis.resume()
    arena.fault_over()
    arena.back(within=130)


def parent(arena: Arena) -> None:
    """As gunicorn --preload: the handler is made in a master that never logs, and the master dies."""
    arena.application(rate=200)
    master = arena.application(go=False, rate=1000)
    for _ in range(3):
        master.say("fork 3000")
    arena.rest(1)
    arena.kill(master)
    arena.fault_over()
    arena.back()


def sending(arena: Arena) -> None:
    """Redis is stopped as the shipper waits for its answer: whether the batch was taken, nobody can tell."""
    arena.application(rate=200)
    for _ in range(1 if arena.quick else 4):
        victim = arena.application(rate=5000)
        arena.rest(arena.dice.uniform(0.3, 0.8))
        redis = arena.stack.program("redis")
        assert redis
        redis.suspend()
        arena.rest(0.3)
        arena.kill(victim)
        redis.resume()
    arena.fault_over()
    arena.back()


SCENARIOS = (
    Scenario("SIGKILL of the application", alone, quick=False, back_s=10),
    Scenario("SIGKILL of the application's parent", parent, quick=False, back_s=10),
    Scenario("SIGKILL of the application in mid-send", sending, back_s=10),
    Scenario("SIGKILL of the only application of a host", nobody_left, quick=False, back_s=10),
)
