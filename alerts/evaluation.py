"""Whose turn it is to evaluate the rules, when the next turn is wanted, and how the last one went.

key                                type    meaning                                                         expiry
tocsin:{alerts}:evaluate:lock      string  nonce of the task that evaluates                                10 s, renewed
tocsin:{alerts}:evaluate:wanted    string  set by who changed what rules read; cleared before it is read   none
tocsin:{alerts}:evaluate:at        string  when the next round is wanted, be nothing counted (Unix s)      none
tocsin:{alerts}:evaluate:last      hash    the last round: at (Unix s), duration_ms, rules, alerts_firing  none
tocsin:{alerts}:evaluate:failures  hash    rule -> evaluations that failed                                 none
"""

import secrets
from pathlib import Path

import redis

LOCK = "tocsin:{alerts}:evaluate:lock"
WANTED = "tocsin:{alerts}:evaluate:wanted"
AT = "tocsin:{alerts}:evaluate:at"
LAST = "tocsin:{alerts}:evaluate:last"
FAILURES = "tocsin:{alerts}:evaluate:failures"

LOCK_MS = 10_000

_SCRIPTS = [
    Path(__file__).with_name(f"{name}.lua").read_text() for name in ("compare_delete", "compare_expire", "take_moment")
]


class EvaluationTurns:
    """One evaluator at a time, woken by a flag."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._compare_delete, self._compare_expire, self._take_moment = map(client.register_script, _SCRIPTS)

    def want(self) -> bool:
        """Asks for an evaluation; True where nobody had, so that the caller is to send the task."""
        return bool(self._redis.set(WANTED, 1, nx=True))

    def unwant(self) -> None:
        """Takes the flag back, since no task could be sent: whoever asks next is to try again."""
        self._redis.delete(WANTED)

    def wanted(self) -> bool:
        """Whether someone has asked since the flag was cleared."""
        return bool(self._redis.exists(WANTED))

    def begin(self) -> str | None:
        """Takes the lock; its nonce, or None where another evaluates."""
        nonce = secrets.token_hex(16)
        return nonce if self._redis.set(LOCK, nonce, nx=True, px=LOCK_MS) else None

    def renew(self, nonce: str) -> bool:
        """Keeps the lock for a new round and clears the flag; False where the lock is no longer ours."""
        kept = bool(self._compare_expire(keys=[LOCK], args=[nonce, LOCK_MS]))
        if kept:
            self._redis.delete(WANTED)
        return kept

    def end(self, nonce: str) -> None:
        """Releases the lock, if it is still ours."""
        self._compare_delete(keys=[LOCK], args=[nonce])

    def due(self, now: float) -> bool:
        """Whether the moment of the next round has come; it is told once."""
        return bool(self._take_moment(keys=[AT], args=[now]))

    def record(self, last: dict[str, float], next_moment: float | None, failed: list[str]) -> None:
        """Notes how a round went (`at`, `duration_ms`, `rules`, `alerts_firing`) and when the next is needed."""
        with self._redis.pipeline() as pipe:
            pipe.hset(LAST, mapping={name: str(value) for name, value in last.items()})
            if next_moment is None:
                pipe.delete(AT)
            else:
                pipe.set(AT, next_moment)
            for rule in failed:
                pipe.hincrby(FAILURES, rule, 1)
            pipe.execute()
