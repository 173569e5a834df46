"""Records as bugs and attackers make them: each arrives once, as one line that says where it had to be changed."""

from tests.chaos.arena import Arena
from tests.chaos.scenario import Scenario


def run(arena: Arena) -> None:
    seed = arena.dice.randrange(10**6)
    application = arena.application(hostile=(seed, 300 if arena.quick else 10_000))
    arena.wait_for(application)
    arena.fault_over()
    arena.back()
    found = arena.hostile_mistakes()
    for text in found[:5]:
        arena.problem(f"of the hostile records of seed {seed}, {len(found)} are not as they should be: {text}")


SCENARIOS = (Scenario("10,000 hostile records", run, beside=True),)
