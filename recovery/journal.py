"""The journal of recovery: one entry for each attempt that acted, never changed.

Keys:
    tocsin:{recovery}:started   hash    step id -> the `Attempt` on it that has not ended, as JSON; none
    tocsin:{recovery}:journal   stream  entry: an `Entry` as JSON; about the last 10,000
    tocsin:{recovery}:outcomes  hash    outcome -> attempts so far; none
    tocsin:{recovery}:refusals  hash    `<reason>:<action>:<target>` -> refusals so far; none

Refusals, and attempts that found nothing to do, are counted and not written, so that a flood of errors cannot push
out the attempts that acted.

An attempt is noted before it acts. Where it never ends, the next one finds it and writes it down as interrupted.
"""

from typing import cast

import msgspec
import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from recovery.model import Outcome, Refusal, Result, Step

STARTED = "tocsin:{recovery}:started"
JOURNAL = "tocsin:{recovery}:journal"
OUTCOMES = "tocsin:{recovery}:outcomes"
REFUSALS = "tocsin:{recovery}:refusals"
LENGTH = 10_000
RETRIES = 20  #: of writing down what was done, while Redis is away; 15 s in all
_BACKOFF = ExponentialBackoff(cap=1.0, base=0.05)


class Attempt(msgspec.Struct, frozen=True):
    """One that began."""

    id: str
    step: Step
    started: float  #: Unix seconds


class Entry(msgspec.Struct, frozen=True):
    """One attempt: what was done, why, and what came of it."""

    attempt: str
    step: Step
    result: Result
    started: float  #: Unix seconds
    duration: float  #: seconds; of an interrupted one, until that was noticed


class Journal:
    """What recovery has done, for people and for the status."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def begin(self, attempt: Attempt) -> Attempt | None:
        """Note that an attempt begins; the one before it on the same step, if that never ended."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.hget(STARTED, attempt.step.id)
        pipe.hset(STARTED, attempt.step.id, msgspec.json.encode(attempt))
        before, _ = pipe.execute()
        return msgspec.json.decode(before, type=Attempt) if before else None

    def end(self, entry: Entry) -> None:
        """Write down how an attempt ended; patiently, since what was done cannot be undone.

        Raises:
            redis.RedisError: Redis stayed away. The attempt stands as begun, so the next one will call it interrupted.
        """
        Retry(_BACKOFF, RETRIES).call_with_retry(lambda: self._append(entry, ends=True), lambda _: None)

    def append(self, entry: Entry) -> None:
        """Write an attempt down and count its outcome, in one step."""
        self._append(entry, ends=False)

    def _append(self, entry: Entry, *, ends: bool) -> None:
        pipe = self._redis.pipeline(transaction=True)
        if ends:
            pipe.hdel(STARTED, entry.step.id)
        if entry.result.outcome is not Outcome.NOT_NEEDED:
            pipe.xadd(JOURNAL, {"entry": msgspec.json.encode(entry)}, maxlen=LENGTH, approximate=True)
        pipe.hincrby(OUTCOMES, entry.result.outcome, 1)
        pipe.execute()

    def refused(self, step: Step, reason: Refusal) -> None:
        """Count a refusal."""
        self._redis.hincrby(REFUSALS, f"{reason}:{step.id}", 1)

    def entries(self, limit: int) -> list[Entry]:
        """The latest attempts, the newest first."""
        found = cast("list[tuple[bytes, dict[bytes, bytes]]]", self._redis.xrevrange(JOURNAL, count=limit))
        return [msgspec.json.decode(fields[b"entry"], type=Entry) for _, fields in found]

    def outcomes(self) -> dict[Outcome, int]:
        """How often attempts ended in which way."""
        return {Outcome(name): count for name, count in self._counts(OUTCOMES).items()}

    def refusals(self) -> dict[str, int]:
        """`<reason>:<action>:<target>` -> how often a step was refused."""
        return self._counts(REFUSALS)

    def _counts(self, key: str) -> dict[str, int]:
        found = cast("dict[bytes, bytes]", self._redis.hgetall(key))
        return {name.decode(): int(count) for name, count in found.items()}
