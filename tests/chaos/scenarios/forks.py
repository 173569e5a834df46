"""A fork before the first record, while the shipper sends, while Redis is away; children that end well and badly."""

from tests.chaos.arena import Arena
from tests.chaos.scenario import Scenario


def run(arena: Arena) -> None:
    application = arena.application(go=False, rate=1000, threads=2)
    application.say("fork 200")
    application.say("fork 200 abrupt")
    application.say("go")
    for number in range(4 if arena.quick else 20):
        application.say("fork 100 abrupt" if number % 2 else "fork 100")
        arena.rest(arena.dice.uniform(0.01, 0.2))
    redis = arena.stack.program("redis")
    assert redis
    redis.suspend()
    arena.rest(1)
    application.say("fork 100")
    application.say("fork 100 abrupt")
    arena.rest(1)
    redis.resume()
    arena.fault_over()
    arena.back()


# Of a dozen dead children, a shipper adopts four each five seconds.
SCENARIOS = (Scenario("a fork in every state", run, back_s=10),)
