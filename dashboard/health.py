"""Is the stack alive? A decision about a status."""

from tasks.status import BEAT_SILENCE, Status

ROUNDS = 3  #: intervals of the rules that may pass without an evaluation ...
PATIENCE = 60.0  #: ... or seconds, whichever is longer


def troubles(status: Status, rules_interval: float) -> list[str]:
    """What is wrong, in words; empty: nothing. `rules_interval`: seconds between evaluations, at most."""
    found = []
    age = status.beat_tick_age
    if age is None:
        found.append("beat has never ticked")
    elif age > BEAT_SILENCE:
        found.append(f"beat has been silent for {age:.0f} s")
    if status.unserved:
        found.append(f"no worker serves {', '.join(status.unserved)}")
    patience = max(ROUNDS * rules_interval, PATIENCE)
    if status.uptime is not None and status.uptime > patience:
        if status.evaluation is None:
            found.append("the rules have never been evaluated")
        elif status.evaluation.age > patience:
            found.append(f"the rules were last evaluated {status.evaluation.age:.0f} s ago")
    return found
