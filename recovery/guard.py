"""The guard before every action: one attempt on a target at a time, and a rest between two of the same.

Keys:
    tocsin:{recovery}:running:<target>            string  attempt id; expiry: the lease of an attempt
    tocsin:{recovery}:cooldown:<action>:<target>  string  attempt id; expiry: the cooldown, from the end of the attempt

Both are looked at in one atomic step, so they hold over all workers. Where Redis is away the guard raises, and nothing
is done. An attempt that died leaves no cooldown: it is its lease that bars the next one, for no shorter time. So
`running` says that nothing is decided yet, and `cooldown` that an attempt came to its end.
"""

import secrets
from dataclasses import dataclass
from pathlib import Path

import redis

from recovery.model import Refusal, Step

LEASE = 600.0  #: seconds, or the cooldown if longer: after it an attempt that never ended no longer bars its target


@dataclass(frozen=True, slots=True)
class Allowed:
    """The step may be taken, once, under this attempt id."""

    attempt: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The step may not be taken."""

    reason: Refusal


class Guard:
    """Admits steps, `cooldown` seconds apart."""

    def __init__(self, client: redis.Redis, cooldown: float) -> None:
        folder = Path(__file__).parent
        self._cooldown = cooldown
        self._admit = client.register_script((folder / "admit.lua").read_text())
        self._release = client.register_script((folder / "release.lua").read_text())

    def admit(self, step: Step) -> Allowed | Refused:
        """Allow the step and bar its like, in one; raises `redis.RedisError` where Redis is away."""
        attempt = secrets.token_hex(8)
        reason = self._admit(keys=_keys(step), args=[attempt, int(max(LEASE, self._cooldown) * 1000)])
        return Refused(Refusal(reason.decode())) if reason else Allowed(attempt)

    def release(self, step: Step, attempt: str, *, acted: bool) -> None:
        """The attempt is over; where it did not act, there is nothing to cool down from."""
        self._release(keys=_keys(step), args=[attempt, int(self._cooldown * 1000) if acted else 0])


def _keys(step: Step) -> list[str]:
    return [f"tocsin:{{recovery}}:running:{step.target}", f"tocsin:{{recovery}}:cooldown:{step.id}"]
